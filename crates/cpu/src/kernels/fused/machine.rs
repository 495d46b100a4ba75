//! The stack machine that evaluates a chain block by block.

use std::ops::Range;

use eigenscape_runtime::{ElementWise, Instruction};
use pulp::{Simd, WithSimd};

use super::{BLOCK, reduction::Reduction};
use crate::kernels::{Element, strided::Strided};

/// A chain with its operands.
pub(super) struct Machine<'a, T> {
    code: &'a [Instruction],
    operands: &'a [Strided<'a, T>],
}

/// A stack entry: an operand that is read in place, or the buffer of this stack position.
#[derive(Debug, Clone, Copy)]
enum Entry<'a, T> {
    Stored(&'a [T]),
    Buffer,
}

/// Buffers for all stack positions but the lowest, which uses the result's memory.
#[derive(Debug)]
pub(super) struct Stack<T>(Vec<Vec<T>>);

impl<T> Default for Stack<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Evaluates the chain from element `start` on. This is a type because a closure would be compiled
/// without the machine's SIMD instructions.
pub(super) struct Blocks<'a, 'b, T> {
    pub machine: &'b Machine<'a, T>,
    pub start: usize,
    pub out: &'b mut [T],
    pub stack: &'b mut Stack<T>,
}

impl<T: Element> WithSimd for Blocks<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (i, out) in self.out.chunks_mut(BLOCK).enumerate() {
            self.machine.run(self.start + i * BLOCK, out, self.stack);
        }
    }
}

/// Evaluates the chain on `range` and adds the results to `sums` as `reduction` says. `sums` are
/// those after the first `before` of all sums.
pub(super) struct Sums<'a, 'b, T> {
    pub machine: &'b Machine<'a, T>,
    pub range: Range<usize>,
    pub reduction: &'b Reduction,
    pub before: usize,
    pub sums: &'b mut [f64],
}

impl<T: Element> WithSimd for Sums<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { machine, range, reduction, before, sums } = self;
        let (mut stack, mut block) = (Stack::default(), vec![T::zero(); BLOCK]);
        for start in range.clone().step_by(BLOCK) {
            let block = &mut block[..BLOCK.min(range.end - start)];
            machine.run(start, block, &mut stack);
            reduction.add(start, block, before, sums);
        }
    }
}

impl<'a, T: Element> Machine<'a, T> {
    pub fn new(code: &'a [Instruction], operands: &'a [Strided<'a, T>]) -> Self {
        Self { code, operands }
    }

    /// Evaluates at most one block.
    #[inline(always)]
    fn run(&self, start: usize, out: &mut [T], Stack(buffers): &mut Stack<T>) {
        let len = out.len();
        let mut entries: Vec<Entry<'a, T>> = Vec::with_capacity(self.code.len());
        for instruction in self.code {
            let top = entries.len();
            if buffers.len() < top {
                buffers.resize_with(top, || vec![T::zero(); BLOCK]);
            }
            match *instruction {
                Instruction::Operand(i) => {
                    let operand = &self.operands[i];
                    entries.push(match operand.in_order(start, len) {
                        Some(stored) => Entry::Stored(stored),
                        None => {
                            operand.copy(start, buffer(out, buffers, top));
                            Entry::Buffer
                        }
                    });
                }
                Instruction::Apply(ElementWise::Scale(factor)) => {
                    let factor = T::from_f64(factor.0);
                    unary(
                        &mut entries,
                        buffer(out, buffers, top - 1),
                        #[inline(always)]
                        |x| factor * x,
                    );
                }
                Instruction::Apply(ElementWise::Relu) => unary(
                    &mut entries,
                    buffer(out, buffers, top - 1),
                    // NaN propagates.
                    #[inline(always)]
                    |x| if x <= T::zero() { T::zero() } else { x },
                ),
                Instruction::Apply(ElementWise::Step(slope)) => {
                    let slope = T::from_f64(slope.0);
                    unary(
                        &mut entries,
                        buffer(out, buffers, top - 1),
                        #[inline(always)]
                        |x| if x > T::zero() { T::one() } else { slope },
                    );
                }
                Instruction::Apply(ElementWise::Add) => binary(
                    &mut entries,
                    out,
                    buffers,
                    #[inline(always)]
                    |x, y| x + y,
                ),
                Instruction::Apply(ElementWise::Mul) => binary(
                    &mut entries,
                    out,
                    buffers,
                    #[inline(always)]
                    |x, y| x * y,
                ),
            }
        }
        if let Some(Entry::Stored(x)) = entries.first() {
            out.copy_from_slice(x);
        }
    }
}

/// The buffer of a stack position, cut to the length of the block.
#[inline(always)]
fn buffer<'b, T>(out: &'b mut [T], buffers: &'b mut [Vec<T>], place: usize) -> &'b mut [T] {
    match place.checked_sub(1) {
        None => out,
        Some(above) => &mut buffers[above][..out.len()],
    }
}

#[inline(always)]
fn unary<T: Copy>(entries: &mut [Entry<'_, T>], to: &mut [T], f: impl Fn(T) -> T) {
    let Some(entry) = entries.last_mut() else { return };
    match std::mem::replace(entry, Entry::Buffer) {
        Entry::Buffer => {
            for x in to {
                *x = f(*x);
            }
        }
        Entry::Stored(x) => {
            for (to, x) in to.iter_mut().zip(x) {
                *to = f(*x);
            }
        }
    }
}

#[inline(always)]
fn binary<T: Copy>(
    entries: &mut Vec<Entry<'_, T>>,
    out: &mut [T],
    buffers: &mut [Vec<T>],
    f: impl Fn(T, T) -> T,
) {
    let (Some(y), Some(x)) = (entries.pop(), entries.pop()) else { return };
    let place = entries.len();
    entries.push(Entry::Buffer);
    let (lower, upper) = buffers.split_at_mut(place);
    let len = out.len();
    let to = buffer(out, lower, place);
    let y = match y {
        Entry::Stored(y) => y,
        Entry::Buffer => &upper[0][..len],
    };
    match x {
        Entry::Buffer => {
            for (to, y) in to.iter_mut().zip(y) {
                *to = f(*to, *y);
            }
        }
        Entry::Stored(x) => {
            for ((to, x), y) in to.iter_mut().zip(x).zip(y) {
                *to = f(*x, *y);
            }
        }
    }
}
