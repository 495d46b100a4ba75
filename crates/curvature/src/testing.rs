//! Losses for unit tests. Those of `plugins/losses` are compiled against this crate without
//! `cfg(test)`, so that unit tests cannot use them.

use std::sync::Arc;

use eigenscape_program::{
    DiagonalRoot, ElementwiseFunction, Graph, Loss, LossFunction, LossRoot, Result, Value,
};

/// (1/RC) Σ (z − t)².
pub(crate) fn squared_error() -> Loss {
    Arc::new(SquaredError)
}

/// (1/R) Σ (log Σ e^z − t z), for targets whose rows sum to 1, without special treatment of
/// confident outputs.
pub(crate) fn cross_entropy() -> Loss {
    Arc::new(CrossEntropy)
}

#[derive(Debug)]
struct SquaredError;

impl LossFunction for SquaredError {
    fn name(&self) -> &'static str {
        "squared-error"
    }

    fn description(&self) -> String {
        "squared error".to_owned()
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let elements: usize = graph.shape(z).iter().product();
        let difference = graph.sub(z, target)?;
        let square = graph.mul(difference, difference)?;
        let total = graph.sum_all(square)?;
        graph.scale(total, 1.0 / elements as f64)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }
}

impl DiagonalRoot for SquaredError {
    fn scale(&self) -> f64 {
        2.0
    }

    fn deviation(&self, _: &mut Graph, _: Value, _: Value) -> Result<Option<Value>> {
        Ok(None)
    }
}

#[derive(Debug)]
struct CrossEntropy;

/// R, the number of rows of \[..., C\].
fn rows(graph: &Graph, z: Value) -> f64 {
    let (_, rows) = graph.shape(z).split_last().unwrap_or((&1, &[]));
    rows.iter().product::<usize>() as f64
}

impl LossFunction for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn description(&self) -> String {
        "softmax".to_owned()
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let log_p = graph.log_softmax(z)?;
        let hits = graph.mul(target, log_p)?;
        let total = graph.sum_all(hits)?;
        let rows = rows(graph, z);
        graph.scale(total, -1.0 / rows)
    }

    fn root(&self) -> Option<&dyn LossRoot> {
        Some(self)
    }
}

/// S = (diag(√p) − p √pᵀ)/√R.
impl LossRoot for CrossEntropy {
    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let &[rows, c] = graph.shape(z) else { panic!("rows") };
        let units = graph.identity(c)?;
        let columns = (0..c).map(|k| {
            let unit = graph.slice(units, 0, k, 1)?;
            let unit = graph.broadcast(unit, &[rows, c])?;
            let column = self.times(graph, z, target, unit)?;
            graph.reshape(column, &[rows, c, 1])
        });
        let columns = columns.collect::<Result<Vec<Value>>>()?;
        graph.concat(&columns, 2)
    }

    fn times(&self, graph: &mut Graph, z: Value, _: Value, signs: Value) -> Result<Value> {
        let shape = graph.shape(z).to_vec();
        let log_p = graph.log_softmax(z)?;
        let half = graph.scale(log_p, 0.5)?;
        let root = graph.function(ElementwiseFunction::Exp, half)?;
        let scaled = graph.mul(root, signs)?;
        let along = graph.sum(scaled, &[shape.len() - 1])?;
        let along = graph.broadcast(along, &shape)?;
        let p = graph.mul(root, root)?;
        let mean = graph.mul(p, along)?;
        let product = graph.sub(scaled, mean)?;
        let rows = rows(graph, z);
        graph.scale(product, rows.sqrt().recip())
    }
}
