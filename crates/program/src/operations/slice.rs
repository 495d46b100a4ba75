//! Slices and zero-padding along an axis, each the other's transpose.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// The elements `start .. start + len` along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slice {
    /// Along which axis.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// How many elements.
    pub len: usize,
}

impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let mut shape = args[0].to_vec();
        match shape.get_mut(self.axis) {
            Some(size) if self.start.checked_add(self.len).is_some_and(|end| end <= *size) => {
                *size = self.len;
                Ok(shape)
            }
            _ => Err(Error::shape(
                self.name(),
                format!(
                    "{:?} has no {} elements from {} on along axis {}",
                    args[0], self.len, self.start, self.axis
                ),
            )),
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let size = graph.shape(node.args[0])[self.axis];
        graph.pad(cotangent, self.axis, self.start, size - self.start - self.len)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.slice(args[0].value, self.axis + 1, self.start, self.len)
    }
}

/// `before` and `after` zeros around the elements along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pad {
    /// Along which axis.
    pub axis: usize,
    /// Zeros before the elements.
    pub before: usize,
    /// Zeros after them.
    pub after: usize,
}

impl Primitive for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let mut shape = args[0].to_vec();
        let size = shape
            .get_mut(self.axis)
            .ok_or_else(|| Error::shape("pad", format!("{:?} has no axis {}", args[0], self.axis)))?;
        *size = size.saturating_add(self.before).saturating_add(self.after);
        Ok(shape)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let len = graph.shape(node.args[0])[self.axis];
        graph.slice(cotangent, self.axis, self.before, len)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.pad(args[0].value, self.axis + 1, self.before, self.after)
    }
}

impl Graph {
    /// The elements `start .. start + len` of `x` along `axis`.
    ///
    /// # Errors
    /// When there are no such elements.
    pub fn slice(&mut self, x: Value, axis: usize, start: usize, len: usize) -> Result<Value> {
        if start == 0 && self.shape(x).get(axis) == Some(&len) {
            return self.unchanged(x);
        }
        self.emit(Slice { axis, start, len }, &[x])
    }

    /// `x` between `before` and `after` zeros along `axis`.
    ///
    /// # Errors
    /// When there is no such axis.
    pub fn pad(&mut self, x: Value, axis: usize, before: usize, after: usize) -> Result<Value> {
        if before == 0 && after == 0 {
            return self.unchanged(x);
        }
        self.emit(Pad { axis, before, after }, &[x])
    }
}
