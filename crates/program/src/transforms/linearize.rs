//! Forward mode: tangents of outputs from tangents of inputs.

use std::collections::HashMap;

use crate::{Graph, Value, error::Result};

/// Emits J·v: the tangents of `outputs` when each value of `seeds` has the tangent paired with it
/// (`None`: zero).
///
/// A seed may be any value, not only an input; everything computed before it is then held constant.
/// Pearlmutter's R-operator (1994) is this transformation of a gradient.
///
/// # Errors
/// When a primitive's rule fails, or a value belongs to another graph.
pub fn linearize(
    graph: &mut Graph,
    outputs: &[Value],
    seeds: &[(Value, Value)],
) -> Result<Vec<Option<Value>>> {
    let given = seeds.iter().flat_map(|(value, tangent)| [*value, *tangent]);
    graph.check("linearize", &outputs.iter().copied().chain(given).collect::<Vec<_>>())?;
    let stops: Vec<Value> = seeds.iter().map(|(value, _)| *value).collect();
    let mut tangents: HashMap<Value, Value> = seeds.iter().copied().collect();
    for value in graph.ancestors(outputs, &stops) {
        if tangents.contains_key(&value) {
            continue;
        }
        let Some(node) = graph.operation(value) else { continue };
        let operands: Vec<Option<Value>> = node.args.iter().map(|a| tangents.get(a).copied()).collect();
        if operands.iter().all(Option::is_none) {
            continue;
        }
        if let Some(tangent) = node.operation.rules().jvp(graph, &node, &operands)? {
            tangents.insert(value, tangent);
        }
    }
    Ok(outputs.iter().map(|output| tangents.get(output).copied()).collect())
}
