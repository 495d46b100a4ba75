//! Rows of a table by index (embedding), and its transpose.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// out\[i.., :\] = table\[index\[i..\], :\] for a table \[V, D\] and an index of any shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Take;

/// out\[v, :\] = Σ_{i: index\[i\] = v} x\[i.., :\] for x \[I.., D\], v < `rows`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PutRows {
    /// V, the number of rows of the result.
    pub rows: usize,
}

/// The index of each evaluation, repeated for each of the D columns of its table: \[T·D, I\].
fn for_each_column(graph: &mut Graph, index: Batched, [lead, width, picks]: [usize; 3]) -> Result<Value> {
    let own = if index.led { lead } else { 1 };
    let index = graph.reshape(index.value, &[own, 1, picks])?;
    let index = graph.broadcast(index, &[lead, width, picks])?;
    graph.reshape(index, &[lead * width, picks])
}

impl Primitive for Take {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        match args[0] {
            &[_, width] => Ok(args[1].iter().copied().chain([width]).collect()),
            other => Err(Error::shape(self.name(), format!("needs a table [V, D], not {other:?}"))),
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let rows = graph.shape(node.args[0])[0];
        graph.emit(PutRows { rows }, &[cotangent, node.args[1]])
    }

    /// If all evaluations share the table, one lookup takes all rows. Otherwise each column of each
    /// table becomes a row, from which elements are gathered.
    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        if !args[0].led {
            return graph.take(args[0].value, args[1].value);
        }
        let &[lead, rows, width] = graph.shape(args[0].value) else {
            return Err(Error::shape(self.name(), "needs tables [T, V, D]"));
        };
        let index_shape = args[1].declared(graph).to_vec();
        let picks = index_shape.iter().product();
        let columns = graph.permute(args[0].value, &[0, 2, 1])?;
        let columns = graph.reshape(columns, &[lead * width, rows])?;
        let index = for_each_column(graph, args[1], [lead, width, picks])?;
        let taken = graph.gather(columns, index)?;
        let taken = graph.reshape(taken, &[lead, width, picks])?;
        let taken = graph.permute(taken, &[0, 2, 1])?;
        graph.reshape(taken, &[&[lead], index_shape.as_slice(), &[width]].concat())
    }
}

impl Primitive for PutRows {
    fn name(&self) -> &'static str {
        "embedding-transpose"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        match args[0].split_last() {
            Some((&width, index)) if index == args[1] => Ok(vec![self.rows, width]),
            _ => Err(Error::shape(self.name(), format!("{:?} with an index {:?}", args[0], args[1]))),
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.take(cotangent, node.args[1])
    }

    /// Each column of each evaluation becomes a row, to which elements are added by index.
    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let lead = Batched::lead(graph, args);
        let x = args[0].repeated(graph, lead)?;
        let width = graph.shape(x).last().copied().unwrap_or(1);
        let picks = args[1].declared(graph).iter().product();
        let columns = graph.reshape(x, &[lead, picks, width])?;
        let columns = graph.permute(columns, &[0, 2, 1])?;
        let columns = graph.reshape(columns, &[lead * width, picks])?;
        let index = for_each_column(graph, args[1], [lead, width, picks])?;
        let sums = graph.scatter_add(columns, index, self.rows)?;
        let sums = graph.reshape(sums, &[lead, width, self.rows])?;
        graph.permute(sums, &[0, 2, 1])
    }
}

impl Graph {
    /// The rows of `table` \[V, D\] that `index` \[I..\] names: \[I.., D\].
    ///
    /// # Errors
    /// When `table` is not a matrix.
    pub fn take(&mut self, table: Value, index: Value) -> Result<Value> {
        self.emit(Take, &[table, index])
    }
}
