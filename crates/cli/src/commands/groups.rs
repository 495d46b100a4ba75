//! `list groups`: the groups of an experiment.

use eigenscape_core::{Group, Registry};
use eigenscape_experiment::{
    Result, check,
    choices::Choices,
    prepare::{Prepared, PreparedProbe, survey},
};
use eigenscape_program::Parameter;

use crate::{
    layout::{indented, width},
    locate,
};

/// Lists the groups of every probe: tensors, dimension, and whether the network is provably affine
/// in it.
pub fn run(experiment: &str, choices: &Choices, registry: &Registry) -> Result<()> {
    let plan = check::plan(&locate::experiment(experiment)?, choices, registry)?;
    let mut lines = Vec::new();
    for run in &plan.runs {
        if !run.name.is_empty() {
            lines.push(format!("run {}", run.name));
        }
        let prepared = survey(run)?;
        for (index, probe) in prepared.probes.iter().enumerate() {
            lines.push(format!("probe {}: on {} samples", index + 1, probe.samples()));
            let rows = table(&rows(&prepared, probe)?);
            let members =
                std::iter::once(Vec::new()).chain(probe.groups.iter().map(|group| members(&prepared, group)));
            for (row, members) in rows.into_iter().zip(members) {
                lines.push(row);
                lines.extend(members);
            }
        }
    }
    lines.extend(indented(MEANING, ""));
    crate::print(lines.join("\n"))
}

/// Explains the last column.
const MEANING: &str = "affine: where it is proved that the outputs are (piecewise) affine in a group, its Hessian is its Gauss-Newton matrix, and \
                       `gram` finds all eigenvalues of both. Elsewhere `gram` takes curvature = \"gauss-newton\"; for the Hessian use `lanczos`, or \
                       `dense` where it is small.";

/// The tensors of a group with their shapes; empty if the group is the one tensor of its name.
fn members(prepared: &Prepared, group: &Group) -> Vec<String> {
    let all = prepared.network().parameters();
    let tensors: Vec<&Parameter> =
        group.variables.parameters().iter().filter_map(|index| all.get(*index)).collect();
    let mut lines: Vec<String> = Vec::new();
    if matches!(tensors.as_slice(), [only] if only.name == group.name) {
        return lines;
    }
    for Parameter { name, shape, .. } in tensors {
        let text = format!("{name} {shape:?}");
        match lines.last_mut() {
            Some(line) if line.len() + text.len() + 2 <= width() => *line += &format!(", {text}"),
            _ => lines.push(format!("    {text}")),
        }
    }
    lines
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

/// The number of parameter tensors; "-" for an activation, which has none.
fn tensors(group: &Group) -> String {
    match group.variables.parameters().len() {
        0 => "-".to_owned(),
        count => count.to_string(),
    }
}

/// Aligns the columns, numbers to the right.
fn table(rows: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [name, tensors, dimension] = [0, 1, 2].map(width);
    rows.iter().map(|[a, b, c, d]| format!("  {a:name$}  {b:>tensors$}  {c:>dimension$}  {d}")).collect()
}
