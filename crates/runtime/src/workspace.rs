//! Memory that a step takes for itself while it runs: copies of operands in another order, and
//! partial results. Backends take these from the arena; how much it is, the plan says for all of
//! them, for the widest vectors.

mod convolution;

use candle_core::DType;
use eigenscape_program::{Operation, operations::MatMul};

use crate::{kernel::Kernel, layout::Layout, placement::aligned, product::ProductAxes};

/// Columns of a panel of a matrix: three of the widest vectors, in bytes.
const PANEL: usize = 3 * VECTOR;

/// The widest vectors, in bytes.
const VECTOR: usize = 64;

/// An operand of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub layout: &'a Layout,
    pub dtype: DType,
    pub led: bool,
}

impl Operand<'_> {
    /// Bytes of its elements, one after the other.
    fn bytes(&self) -> usize {
        array(self.layout.elements(), self.dtype)
    }

    /// Bytes of a copy as indices, where they are none or do not lie one after the other.
    fn index(&self) -> usize {
        if self.dtype.is_float() { array(self.layout.elements(), DType::U32) } else { self.copy() }
    }

    /// Bytes of a copy, where the elements do not lie one after the other.
    fn copy(&self) -> usize {
        if self.layout.is_in_order() { 0 } else { self.bytes() }
    }
}

/// Bytes of so many numbers, up to where the next array may begin.
fn array(numbers: usize, dtype: DType) -> usize {
    aligned(numbers.saturating_mul(dtype.size_in_bytes()))
}

/// How many bytes a step holds beside its operands and its result, at most.
pub(crate) fn workspace(kernel: &Kernel, args: &[Operand], result: &Layout, compute: DType) -> usize {
    let copies = || args.iter().map(Operand::copy).sum();
    let operation = match kernel {
        Kernel::Chain(chain) => {
            let Some(axes) = &chain.sum else { return 0 };
            let led = args.iter().find(|arg| arg.led).map(|arg| arg.layout.dims[0]);
            let dims: Vec<usize> = led.into_iter().chain(chain.shape.iter().copied()).collect();
            return sums(&dims, axes, led.is_some());
        }
        Kernel::TwoConvolutions(convolution) => {
            return copies() + convolution::workspace(convolution, args, result, compute);
        }
        // Follows from the plan of its body: `LoweredScan::workspace`.
        Kernel::Scan(_) => return 0,
        Kernel::Operation(operation) => operation,
    };
    match operation {
        Operation::Conv2d(convolution) => {
            copies() + convolution::workspace(convolution, args, result, compute)
        }
        Operation::MatMul(dot) => product(dot, args, compute),
        Operation::Sum(sum) => args.first().map_or(0, |arg| sums(&arg.layout.dims, &sum.axes, arg.led)),
        // What a definition takes is the plugin's.
        Operation::Custom(_) => 0,
        // These walk their operands as they lie.
        Operation::Add(_)
        | Operation::Concat(_)
        | Operation::Function(_)
        | Operation::Mul(_)
        | Operation::Pad(_)
        | Operation::Reshape(_)
        | Operation::Scale(_) => 0,
        // An index may come as floating-point numbers.
        Operation::Take(_)
        | Operation::PutRows(_)
        | Operation::Gather(_)
        | Operation::ScatterAdd(_)
        | Operation::Differences(_)
        | Operation::DifferencesTranspose(_) => args[0].copy() + args[1].index(),
        // The others take their operands in row-major order.
        _ => copies(),
    }
}

/// Ranges of about equal size in which `elements` elements are summed to `kept` numbers each, which
/// are then added up: so few that partial results are cheap. It depends on shapes alone.
pub fn partial_sums(elements: usize, kept: usize) -> usize {
    const MOST: usize = 16;
    const FEWEST_TERMS: usize = 1 << 15;
    (elements / FEWEST_TERMS.max(4 * kept)).clamp(1, MOST)
}

/// Partial sums in f64 of an array over some of its declared axes.
fn sums(dims: &[usize], axes: &[usize], led: bool) -> usize {
    let summed = |axis: usize| axes.iter().any(|&summed| summed + usize::from(led) == axis);
    let kept = dims.iter().enumerate().filter(|(axis, _)| !summed(*axis));
    let kept: usize = kept.map(|(_, size)| size).product();
    array(kept * partial_sums(dims.iter().product(), kept), DType::F64)
}

/// Copies of operands that are walked by no single step, and what long products of few rows are
/// made of.
fn product(dot: &MatMul, args: &[Operand], compute: DType) -> usize {
    let sides = [Side::new(dot, 0, args), Side::new(dot, 1, args)];
    let [rows, columns] = [sides[0].free, sides[1].free];
    let (terms, count) = (sides[0].contracted, sides[0].batch.max(sides[1].batch));
    let copies = sides.iter().map(|side| side.copy).sum::<usize>();
    copies + if count < MANY { of_few_rows(rows, columns, terms, compute) } else { 0 }
}

/// Products from which on each is made by one thread, in memory of the thread's own.
const MANY: usize = 4;

/// What one product that all threads share takes: where it has few rows or columns, these in panels
/// and the products with them; where it is a long one of a vector, a part of its sums.
fn of_few_rows(rows: usize, columns: usize, terms: usize, compute: DType) -> usize {
    const FEW: usize = 256;
    const MANY: usize = 128;
    const TERMS: usize = 64;
    const LONG: usize = 512;
    let (few, many) = (rows.min(columns), rows.max(columns));
    let part = array(if few == 1 && terms > LONG { many } else { 0 }, compute);
    if few > FEW || many < MANY || terms < TERMS {
        return part;
    }
    let padded = few.next_multiple_of(PANEL / compute.size_in_bytes());
    part.max(array(padded * terms, compute) + array(padded * many, compute))
}

/// One operand of a product.
struct Side {
    batch: usize,
    free: usize,
    contracted: usize,
    /// Bytes of the copy, if no single step walks the free or the contracted axes.
    copy: usize,
}

impl Side {
    fn new(dot: &MatMul, side: usize, args: &[Operand]) -> Self {
        let Operand { layout, led, .. } = &args[side];
        let rank = layout.dims.len() - usize::from(*led);
        let ProductAxes { batch, free, contracted } =
            ProductAxes::new(dot, side, rank, [args[0].led, args[1].led]);
        let (b, f) = (batch.len(), batch.len() + free.len());
        let arranged = layout.permute(&[batch, free, contracted].concat());
        let size = |axes: &[usize]| axes.iter().product();
        let end = arranged.dims.len();
        let is_copied = arranged.merged(b..f).is_none() || arranged.merged(f..end).is_none();
        Self {
            batch: size(&arranged.dims[..b]),
            free: size(&arranged.dims[b..f]),
            contracted: size(&arranged.dims[f..]),
            copy: if is_copied { args[side].bytes() } else { 0 },
        }
    }
}
