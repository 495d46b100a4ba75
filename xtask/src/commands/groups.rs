//! `list groups`: what an experiment's groups stand for.

use eigenscape_core::{Group, Registry};
use eigenscape_experiment::{
    Result, check,
    choices::Choices,
    prepare::{Prepared, PreparedProbe, survey},
};

use crate::locate;

/// Lists the groups of every probe: tensors, dimension, and whether the network is provably affine in it.
pub fn run(experiment: &str, choices: &Choices, registry: &Registry) -> Result<()> {
    let plan = check::plan(&locate::experiment(experiment)?, choices, registry)?;
    let mut lines = Vec::new();
    for run in &plan.runs {
        if !run.name.is_empty() {
            lines.push(format!("run {}", run.name));
        }
        let prepared = survey(run)?;
        for (index, probe) in prepared.probes.iter().enumerate() {
            lines.push(format!("probe {index}: on {} examples", probe.samples()));
            lines.extend(table(&rows(&prepared, probe)?));
        }
    }
    crate::print(lines.join("\n"))
}

fn rows(prepared: &Prepared, probe: &PreparedProbe) -> Result<Vec<[String; 4]>> {
    let landscape = probe.landscape(None, &prepared.weights)?;
    let header = ["group", "tensors", "dimension", "affine"].map(str::to_owned);
    let mut rows = vec![header];
    for group in &probe.groups {
        let affine = match landscape.why_not_affine(group)? {
            None => "proved".to_owned(),
            Some(node) => format!("not proved: {node}"),
        };
        rows.push([group.name.clone(), tensors(group), group.dimension.to_string(), affine]);
    }
    Ok(rows)
}

/// How many parameter tensors there are; an activation has none.
fn tensors(group: &Group) -> String {
    match group.variables.parameters().len() {
        0 => "-".to_owned(),
        count => count.to_string(),
    }
}

/// Columns side by side, numbers to the right.
fn table(rows: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [name, tensors, dimension] = [0, 1, 2].map(width);
    rows.iter().map(|[a, b, c, d]| format!("  {a:name$}  {b:>tensors$}  {c:>dimension$}  {d}")).collect()
}
