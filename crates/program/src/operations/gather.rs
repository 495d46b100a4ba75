//! Gather along the last axis and its transpose, scatter-add.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// out\[r, j\] = x\[r, index\[r, j\]\] for x \[R, I\] and index \[R, J\].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gather;

/// out\[r, i\] = Σ_{j: index\[r, j\] = i} x\[r, j\] for x and index \[R, J\], i < `size`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScatterAdd {
    /// I, the number of elements in a row of the result.
    pub size: usize,
}

fn check(name: &str, args: &[&[usize]]) -> Result<(usize, usize)> {
    match (args[0], args[1]) {
        (&[rows, _], &[index_rows, picks]) if rows == index_rows => Ok((rows, picks)),
        _ => Err(Error::shape(name, format!("needs [R, I] and an index [R, J], not {args:?}"))),
    }
}

/// Both operands with the rows of all evaluations concatenated, and the number of evaluations.
fn stacked(graph: &mut Graph, args: &[Batched]) -> Result<(Vec<Value>, usize)> {
    let lead = Batched::lead(graph, args);
    let stacked = Batched::all_led(graph, args)?.into_iter().map(|value| {
        let shape = graph.shape(value).to_vec();
        graph.reshape(value, &[shape[0] * shape[1], shape[2]])
    });
    Ok((stacked.collect::<Result<_>>()?, lead))
}

impl Primitive for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let (rows, picks) = check(self.name(), args)?;
        Ok(vec![rows, picks])
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let size = graph.shape(node.args[0])[1];
        graph.scatter_add(cotangent, node.args[1], size)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let (rows, lead) = stacked(graph, args)?;
        let picked = graph.gather(rows[0], rows[1])?;
        let shape = args[1].declared(graph).to_vec();
        graph.reshape(picked, &[&[lead], shape.as_slice()].concat())
    }
}

impl Primitive for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter-add"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let (rows, _) = check(self.name(), args)?;
        Ok(vec![rows, self.size])
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.gather(cotangent, node.args[1])
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let (rows, lead) = stacked(graph, args)?;
        let sums = graph.scatter_add(rows[0], rows[1], self.size)?;
        let count = args[0].declared(graph)[0];
        graph.reshape(sums, &[lead, count, self.size])
    }
}

impl Graph {
    /// The elements of each row of `x` \[R, I\] that the row of `index` \[R, J\] (of type `u32`)
    /// names.
    pub(crate) fn gather(&mut self, x: Value, index: Value) -> Result<Value> {
        self.emit(Gather, &[x, index])
    }

    /// The transpose of [`Self::gather`]: rows of `size` elements, with those of `x` \[R, J\] added
    /// at the positions in `index` \[R, J\].
    pub(crate) fn scatter_add(&mut self, x: Value, index: Value, size: usize) -> Result<Value> {
        self.emit(ScatterAdd { size }, &[x, index])
    }
}
