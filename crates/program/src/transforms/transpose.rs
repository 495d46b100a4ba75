//! Reverse mode: cotangents of inputs from cotangents of outputs, for a program that is linear in
//! those inputs.

use std::collections::HashMap;

use crate::{Graph, Value, error::Result};

/// Emits Jᵀ·u: the cotangents of `inputs` when each value of `outputs` has the cotangent paired
/// with it (`None`: zero). The outputs must be linear in the inputs, as tangents are in their
/// seeds.
///
/// # Errors
/// When a primitive between inputs and outputs is not linear, or a value belongs to another graph.
pub fn transpose(
    graph: &mut Graph,
    outputs: &[(Value, Value)],
    inputs: &[Value],
) -> Result<Vec<Option<Value>>> {
    let given = outputs.iter().flat_map(|(output, cotangent)| [*output, *cotangent]);
    graph.check("transpose", &inputs.iter().copied().chain(given).collect::<Vec<_>>())?;
    let (depends, given) = (graph.dependents(inputs), graph.marked(inputs));
    let mut cotangents: HashMap<Value, Value> = HashMap::new();
    for (output, cotangent) in outputs {
        let total = graph.accumulate(cotangents.get(output).copied(), *cotangent)?;
        cotangents.insert(*output, total);
    }
    let ends: Vec<Value> = outputs.iter().map(|(output, _)| *output).collect();
    for value in graph.ancestors(&ends, inputs).into_iter().rev() {
        if !depends[value.index()] || given[value.index()] {
            continue;
        }
        let (Some(node), Some(&cotangent)) = (graph.operation(value), cotangents.get(&value)) else {
            continue;
        };
        for (i, arg) in node.args.iter().enumerate().filter(|(_, arg)| depends[arg.index()]) {
            let term = node.operation.rules().transpose(graph, &node, i, cotangent)?;
            let total = graph.accumulate(cotangents.get(arg).copied(), term)?;
            cotangents.insert(*arg, total);
        }
    }
    Ok(inputs.iter().map(|input| cotangents.get(input).copied()).collect())
}
