//! How kernels find the elements of their operands: an index is split into positions along axes,
//! and each operand has a stride per axis.

use std::fmt::Write;

use eigenscape_runtime::{Error, Layout};

use crate::{Result, command::Word};

/// The table of a kernel under construction.
#[derive(Debug, Default)]
pub(super) struct Words(pub Vec<Word>);

impl Words {
    /// Adds a word, and returns its name in the kernel's source.
    pub fn push(&mut self, word: impl Into<Word>) -> String {
        self.0.push(word.into());
        format!("args.w[{}]", self.0.len() - 1)
    }
}

/// The strides of a layout along `dims`: 0 along axes that it lacks (the first ones) or that it
/// repeats.
pub(super) fn strides(layout: &Layout, dims: &[usize]) -> Result<Vec<usize>> {
    let missing = dims.len().checked_sub(layout.dims.len());
    let missing = missing.ok_or_else(|| Error::shape("kernel", format!("{:?} as {dims:?}", layout.dims)))?;
    let mut strides = vec![0; missing];
    for ((&size, &stride), &to) in layout.dims.iter().zip(&layout.strides).zip(&dims[missing..]) {
        if size != to && size != 1 {
            return Err(Error::shape("kernel", format!("{:?} as {dims:?}", layout.dims)));
        }
        strides.push(if size == 1 { 0 } else { stride });
    }
    Ok(strides)
}

/// Axes that a kernel walks in row-major order, for several operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    /// The sizes of the axes, all above 1.
    pub dims: Vec<usize>,
    /// The strides of each operand along them.
    pub strides: Vec<Vec<usize>>,
}

impl Walk {
    /// A walk along `dims` with these strides of each operand, merged into as few axes as possible.
    pub fn new(dims: &[usize], strides: &[Vec<usize>]) -> Self {
        let mut walk = Self { dims: Vec::new(), strides: vec![Vec::new(); strides.len()] };
        for (axis, &size) in dims.iter().enumerate().filter(|(_, size)| **size != 1) {
            let continues = |walk: &Self| {
                let mut operands = walk.strides.iter().zip(strides);
                operands.all(|(walked, steps)| walked.last().is_some_and(|last| *last == steps[axis] * size))
            };
            if !walk.dims.is_empty() && continues(&walk) {
                let last = walk.dims.len() - 1;
                walk.dims[last] *= size;
                walk.strides.iter_mut().zip(strides).for_each(|(walked, steps)| walked[last] = steps[axis]);
            } else {
                walk.dims.push(size);
                walk.strides.iter_mut().zip(strides).for_each(|(walked, steps)| walked.push(steps[axis]));
            }
        }
        walk
    }

    /// Source lines that split `index` into positions and add the resulting offset of each operand
    /// to its variable in `names`.
    pub fn text(&self, index: &str, names: &[String], words: &mut Words) -> String {
        let mut text = String::new();
        let mut rest = index.to_owned();
        for axis in (0..self.dims.len()).rev() {
            let position = if axis == 0 {
                rest.clone()
            } else {
                let (whole, place) = (format!("{index}_rest{axis}"), format!("{index}_at{axis}"));
                let inverse = words.push(Word::Number(inverse(self.dims[axis])));
                let size = words.push(self.dims[axis]);
                // Writing to a string cannot fail.
                let _ = writeln!(text, "    u32 {whole} = divided({rest}, {inverse});");
                let _ = writeln!(text, "    u32 {place} = {rest} - {whole} * (u32){size};");
                rest = whole;
                place
            };
            for (name, strides) in names.iter().zip(&self.strides) {
                let _ = match strides[axis] {
                    0 => Ok(()),
                    1 => writeln!(text, "    {name} += {position};"),
                    stride => writeln!(text, "    {name} += {position} * (u32){};", words.push(stride)),
                };
            }
        }
        text
    }
}

/// ⌈2⁶⁴ / d⌉, and 0 for d = 1: see `divided` in the kernels' prelude.
pub(super) fn inverse(d: usize) -> u64 {
    (u64::MAX / d as u64).wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_joined_where_every_operand_goes_on() {
        let walk = Walk::new(&[4, 1, 5, 6], &[vec![30, 7, 6, 1], vec![0, 0, 6, 1]]);
        assert_eq!(walk, Walk { dims: vec![4, 30], strides: vec![vec![30, 1], vec![0, 1]] });
    }

    #[test]
    fn inverses_divide_exactly() {
        for d in [2, 3, 5, 7, 641, 65_536, 1_000_003, u32::MAX as usize] {
            for n in [0, 1, d - 1, d, d + 1, 2 * d - 1, u32::MAX as usize - 1, u32::MAX as usize] {
                let n = n.min(u32::MAX as usize);
                let quotient = (u128::from(inverse(d)) * n as u128) >> 64;
                assert_eq!(quotient as usize, n / d, "{n} / {d}");
            }
        }
    }
}
