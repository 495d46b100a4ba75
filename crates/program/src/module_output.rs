//! Activations: the outputs of modules.

use std::collections::BTreeSet;

use crate::{
    Graph, Value,
    error::{Error, Result},
    network::{Network, Traced},
};

/// The output \[N, ...\] of `module` in a network from `x` to `outputs`: the last value emitted in
/// the module that depends on the input and is used outside the module.
///
/// # Errors
/// When there is none, or its first axis is not the sample axis.
pub fn activation(graph: &Graph, x: Value, outputs: Value, module: &str) -> Result<Value> {
    let depends = graph.dependents(&[x]);
    let inside = |value: Value| is_within(graph.location(value), module);
    let used: BTreeSet<Value> = (graph.ancestors(&[outputs], &[]).into_iter())
        .filter(|&value| !inside(value))
        .flat_map(|value| graph.args(value).to_vec())
        .chain([outputs])
        .collect();
    let output = used.into_iter().rev().find(|&value| inside(value) && depends[value.index()]);
    let Some(value) = output else {
        return Err(Error::Unsupported(format!("the network has no activation \"{module}\"")));
    };
    let (shape, samples) = (graph.shape(value), graph.shape(x).first());
    if shape.first() == samples {
        Ok(value)
    } else {
        let problem = format!("its shape {shape:?} does not begin with the number of samples");
        Err(Error::shape(format!("activation {module}"), problem))
    }
}

impl Network {
    /// The modules that have an activation, with its shape for one sample, in order of computation.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn activations(&self) -> Result<Vec<(String, Vec<usize>)>> {
        let Traced { graph, x, outputs, .. } = self.trace(1)?;
        let mut modules: Vec<&str> = Vec::new();
        for value in graph.ancestors(&[outputs], &[]) {
            for module in prefixes(graph.location(value)) {
                if !modules.contains(&module) {
                    modules.push(module);
                }
            }
        }
        let named = |module: &str| {
            activation(&graph, x, outputs, module).ok().map(|value| (value, module.to_owned()))
        };
        let mut activations: Vec<(Value, String)> = modules.into_iter().filter_map(named).collect();
        activations.sort();
        let shape = |value: Value| graph.shape(value)[1..].to_vec();
        Ok(activations.into_iter().map(|(value, module)| (module, shape(value))).collect())
    }
}

/// Whether `module` is `ancestor` or inside it, by full names.
fn is_within(module: &str, ancestor: &str) -> bool {
    module.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// "a", "a.b", "a.b.c" for "a.b.c".
fn prefixes(module: &str) -> impl Iterator<Item = &str> {
    let dots = module.match_indices('.').map(|(at, _)| at);
    dots.chain([module.len()]).map(|end| &module[..end]).filter(|prefix| !prefix.is_empty())
}
