//! Concatenation along an axis.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// The operands one after the other along `axis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Concat {
    /// Along which axis.
    pub axis: usize,
}

impl Primitive for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let mut shape = args.first().map(|first| first.to_vec()).unwrap_or_default();
        let fits = |arg: &&[usize]| {
            arg.len() == shape.len() && (0..arg.len()).all(|a| a == self.axis || arg[a] == shape[a])
        };
        if self.axis >= shape.len() || !args.iter().all(fits) {
            return Err(Error::shape(self.name(), format!("{args:?} do not fit along axis {}", self.axis)));
        }
        shape[self.axis] = args.iter().map(|arg| arg[self.axis]).sum();
        Ok(shape)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        let size = |arg: &Value| graph.shape(*arg)[self.axis];
        let start = node.args[..wrt].iter().map(size).sum();
        let len = size(&node.args[wrt]);
        graph.slice(cotangent, self.axis, start, len)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let args = Batched::all_led(graph, args)?;
        graph.emit(Self { axis: self.axis + 1 }, &args)
    }
}

impl Graph {
    /// `parts` one after the other along `axis`.
    ///
    /// # Errors
    /// When another axis differs.
    pub fn concat(&mut self, parts: &[Value], axis: usize) -> Result<Value> {
        match parts {
            [only] => Ok(*only),
            _ => self.emit(Concat { axis }, parts),
        }
    }
}
