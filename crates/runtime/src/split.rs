//! Partial evaluation: separates the part of a program that does not depend on some inputs.

use eigenscape_program::{Graph, Program, Value};

use crate::{
    error::Result,
    facts::{Storage, element_wise, storage},
    kernel::ElementWise,
};

/// Splits the program from `fixed` and `varying` inputs to `outputs` in two. The first program
/// computes the residuals from the fixed inputs alone; the inputs of the second are the residuals,
/// then the varying inputs. The second rematerialises views, and derivatives of max(x, 0), from
/// residuals.
///
/// # Errors
/// When `outputs` depend on an input of the graph that is in neither list.
pub fn split(
    graph: &Graph,
    fixed: &[Value],
    varying: &[Value],
    outputs: &[Value],
) -> Result<(Program, Program)> {
    let depends = graph.dependents(varying);
    let constant = |value: &Value| !depends[value.index()];
    let mut constants: Vec<Value> = outputs.iter().copied().filter(constant).collect();
    for value in graph.ancestors(outputs, varying) {
        if depends[value.index()] {
            constants.extend(graph.args(value).iter().copied().filter(constant));
        }
    }
    let mut residuals: Vec<Value> =
        constants.into_iter().filter_map(|value| kept_for(graph, value)).collect();
    residuals.sort_unstable();
    residuals.dedup();
    let prefix = Program::new(graph, fixed, &residuals)?;
    let inputs: Vec<Value> = residuals.iter().chain(varying).copied().collect();
    Ok((prefix, Program::new(graph, &inputs, outputs)?))
}

/// The residual to store for `value`: the value that it is a view of or that it is
/// [rematerialised](ElementWise::is_rematerialised) from, possibly itself; `None` where no memory
/// is needed.
fn kept_for(graph: &Graph, value: Value) -> Option<Value> {
    let stored = stored_in(graph, value)?;
    let source = graph.operation(stored).and_then(|node| {
        let again = element_wise(&node.operation).is_some_and(ElementWise::is_rematerialised);
        again.then(|| node.args[0])
    });
    source.map_or(Some(stored), |source| kept_for(graph, source))
}

/// The value in whose memory the elements of `value` lie, itself unless it is a view; `None` where
/// no memory is needed.
fn stored_in(graph: &Graph, value: Value) -> Option<Value> {
    let viewed = graph.args(value).first().copied();
    match (storage_of(graph, value), viewed) {
        (Storage::New, _) => Some(value),
        (Storage::Nowhere, _) | (_, None) => None,
        // A reshape of a value that is not in row-major order is copied.
        (Storage::Same, Some(viewed))
            if matches!(storage_of(graph, viewed), Storage::Strided | Storage::Nowhere) =>
        {
            Some(value)
        }
        (Storage::Same | Storage::Strided, Some(viewed)) => stored_in(graph, viewed),
    }
}

fn storage_of(graph: &Graph, value: Value) -> Storage {
    graph.operation(value).map_or(Storage::New, |node| storage(&node.operation))
}
