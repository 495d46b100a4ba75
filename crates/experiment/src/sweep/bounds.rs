//! Limits on the number of runs of a sweep.

use super::{Axis, CASE, axes};
use crate::{
    diagnostic::ConfigError,
    document::{Node, Tree},
    limits::{RUNS, VALUES_OF_RUNS},
};

/// A factor of the number of runs.
struct Factor<'a> {
    key: String,
    node: &'a Node,
    count: usize,
}

/// Refuses a sweep with too many runs, or with documents that are too large together, before any
/// document is made. `base` is the document without the sweep.
pub(super) fn check(base: &Node, sweep: Option<&Node>) -> Result<(), ConfigError> {
    let axes = sweep.map_or(Ok(Vec::new()), |sweep| axes(sweep, ""))?;
    let factor = |axis: &Axis<'_>| format!("`{}`", axis.path);
    let mut factors: Vec<Factor> = axes
        .iter()
        .map(|axis| Factor { key: factor(axis), node: axis.key, count: axis.values.len() })
        .collect();
    if let Some((node, Tree::Array(cases))) = sweep.and_then(|s| s.get(CASE)).map(|node| (node, &node.value))
    {
        factors.push(Factor { key: "cases".to_owned(), node, count: cases.len() });
    }
    if let Some((node, Tree::Scalar(toml::Value::Integer(count)))) =
        base.get("reruns").map(|node| (node, &node.value))
    {
        let count = usize::try_from(*count).unwrap_or(0);
        factors.push(Factor { key: "`reruns`".to_owned(), node, count });
    }
    let runs = factors.iter().fold(1, |runs: usize, factor| runs.saturating_mul(factor.count.max(1)));
    let Some(largest) = factors.iter().max_by_key(|factor| factor.count) else { return Ok(()) };
    let help = |what: &str| Some(format!("{what}, or split them over several files"));
    if runs > RUNS {
        let factors = factors.iter().filter(|factor| factor.count > 1);
        let factors: Vec<String> =
            factors.map(|factor| format!("{} of {}", factor.count, factor.key)).collect();
        let problem = format!(
            "{} are {} runs, and an experiment has at most {RUNS}",
            factors.join(" times "),
            words(runs)
        );
        return Err(largest.node.key.error(problem, help("run fewer")));
    }
    let values = runs.saturating_mul(base.values());
    if runs > 1 && values > VALUES_OF_RUNS {
        let problem = format!(
            "{runs} runs of {} values each are more than the {VALUES_OF_RUNS} that all runs of an experiment may have",
            base.values()
        );
        return Err(largest.node.key.error(problem, help("run fewer")));
    }
    Ok(())
}

fn words(runs: usize) -> String {
    if runs == usize::MAX { "more than 10^19".to_owned() } else { runs.to_string() }
}
