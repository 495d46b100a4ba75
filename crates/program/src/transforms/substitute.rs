//! Substitution: a program with some of its values replaced.

use std::collections::HashMap;

use crate::{Graph, Value, error::Result};

/// Emits `outputs` with each first value of `replacements` replaced by the second, wherever it is
/// used. The second may depend on the first.
///
/// # Errors
/// When a replacement's shape does not fit where it is used, or a value belongs to another graph.
pub fn substitute(
    graph: &mut Graph,
    outputs: &[Value],
    replacements: &[(Value, Value)],
) -> Result<Vec<Value>> {
    let given = replacements.iter().flat_map(|(from, to)| [*from, *to]);
    graph.check("substitute", &outputs.iter().copied().chain(given).collect::<Vec<_>>())?;
    let stops: Vec<Value> = replacements.iter().map(|(value, _)| *value).collect();
    let mut replaced: HashMap<Value, Value> = replacements.iter().copied().collect();
    for value in graph.ancestors(outputs, &stops) {
        let Some(node) = graph.operation(value) else { continue };
        if replaced.contains_key(&value) || !node.args.iter().any(|arg| replaced.contains_key(arg)) {
            continue;
        }
        let args: Vec<Value> = node.args.iter().map(|arg| *replaced.get(arg).unwrap_or(arg)).collect();
        let value_now = graph.emit(node.operation, &args)?;
        replaced.insert(value, value_now);
    }
    Ok(outputs.iter().map(|output| *replaced.get(output).unwrap_or(output)).collect())
}
