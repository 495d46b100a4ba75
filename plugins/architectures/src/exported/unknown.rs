//! The check for unknown operations, which reports all of a graph at once.

use std::collections::BTreeMap;

use eigenscape_core::{Error, Result};
use eigenscape_formats::pt2::{Argument, Graph};

use super::{
    aten,
    name::{module, operation},
};

/// The maximum number of modules that are named for each operation.
const SHOWN: usize = 5;

/// The number of uses of each unknown operation in each module.
type Counts = BTreeMap<String, BTreeMap<String, usize>>;

/// Refuses a graph with unknown operations.
///
/// # Errors
/// The error names each unknown operation, with its modules and the number of uses in each.
pub(super) fn check(file: &str, graph: &Graph) -> Result<()> {
    let mut counts = Counts::new();
    count(graph, &mut counts);
    if counts.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = counts.iter().map(|(target, modules)| line(target, modules)).collect();
    let problem = format!("has operations that are not known:\n{}", lines.join("\n"));
    let remedy = "decompose them into others: torch.export.save(exported_program.run_decompositions(), path), \
                  which loses detach(); or rewrite the code that uses them";
    Err(Error::input(file, problem, remedy))
}

fn count(graph: &Graph, counts: &mut Counts) {
    for node in &graph.nodes {
        let name = operation(&node.target);
        let inner = node.inputs.iter().filter_map(|input| match &input.arg {
            Argument::Graph(graph) => Some(graph),
            _ => None,
        });
        let mut applied = 0;
        inner.for_each(|graph| {
            applied += 1;
            count(graph, counts);
        });
        let wraps = name.starts_with("higher_order.wrap_with_") && applied == 1;
        if !wraps && aten::find(name).is_none() {
            *counts.entry(node.target.clone()).or_default().entry(module(node)).or_default() += 1;
        }
    }
}

fn line(target: &str, modules: &BTreeMap<String, usize>) -> String {
    let place = |(module, count): (&String, &usize)| {
        let module = if module.is_empty() { "the network itself" } else { module };
        format!("{count} in {module}")
    };
    let mut places: Vec<String> = modules.iter().take(SHOWN).map(place).collect();
    if modules.len() > SHOWN {
        places.push(format!("and in {} modules more", modules.len() - SHOWN));
    }
    format!("  {target}: {}", places.join(", "))
}
