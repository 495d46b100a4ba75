//! Partial evaluation: a program as what does not depend on some inputs, and the rest.

use eigenscape_program::{Graph, Program, Value};

use crate::{
    error::Result,
    facts::{Storage, element_wise, storage},
    kernel::ElementWise,
};

/// The program from `fixed` and `varying` inputs to `outputs` as two programs. The first computes,
/// from the fixed inputs alone, every residual that the second needs; the second has the residuals,
/// then the varying inputs, as its inputs. Views and derivatives of max(x, 0) are rematerialised:
/// what they are made from is kept.
///
/// # Errors
/// When an input of the graph is needed that is in neither list.
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

/// What has to be kept so that `value` can be had again at no cost: what it views, or what it is
/// [rematerialised](ElementWise::is_rematerialised) from; `None` where no memory is needed.
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
        // What is not stored in order is copied.
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
