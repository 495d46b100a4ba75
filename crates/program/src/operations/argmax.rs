//! The position of a row's largest element: piecewise constant, with derivative zero.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    identity::Real,
    primitive::{Linearity, Primitive},
};

/// For x \[.., C\] the position along the last axis of the first element that is at most `slack`
/// below the largest: \[..\], of type `u32`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Argmax {
    /// How far the chosen element may lie below the largest.
    pub slack: Real,
}

impl Primitive for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        match args[0].split_last() {
            Some((&size, rows)) if size > 0 => Ok(rows.to_vec()),
            _ => Err(Error::shape(self.name(), format!("{:?} has no last axis", args[0]))),
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseConstant
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.emit(self.clone(), &[args[0].value])
    }
}

impl Graph {
    /// The position along the last axis of `x` \[.., C\] of the first element that is at most
    /// `slack` below the largest: \[..\].
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn argmax(&mut self, x: Value, slack: f64) -> Result<Value> {
        self.emit(Argmax { slack: Real(slack) }, &[x])
    }

    /// 1 at the first largest element of `x` along its last axis, 0 elsewhere; piecewise constant.
    ///
    /// # Errors
    /// When `x` is a scalar.
    pub fn one_hot_max(&mut self, x: Value) -> Result<Value> {
        let index = self.argmax(x, 0.0)?;
        let size = self.shape(x).last().copied().unwrap_or(1);
        self.one_hot(index, size)
    }

    /// The unit vectors \[.., C\] of the positions `index` \[..\], with C = `size`.
    ///
    /// # Errors
    /// When the result is too large, or `index` belongs to another graph.
    pub fn one_hot(&mut self, index: Value, size: usize) -> Result<Value> {
        let rows = self.shape(index).to_vec();
        let all = rows.iter().product();
        let ones = self.fill(1.0, &[all, 1])?;
        let index = self.reshape(index, &[all, 1])?;
        let hot = self.scatter_add(ones, index, size)?;
        self.reshape(hot, &[rows.as_slice(), &[size]].concat())
    }
}
