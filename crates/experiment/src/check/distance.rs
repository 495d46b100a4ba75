//! `[[distance]]`: which spectra are compared, and whether there are any.

use std::collections::BTreeSet;

use eigenscape_core::GroupSelector;

use super::Checker;
use crate::{
    diagnostic::ConfigError,
    document::{Node, Tree},
    plan::{DistancePlan, ProbePlan},
    raw::{self, Between},
};

impl Checker<'_> {
    pub(super) fn distance(
        &mut self,
        index: usize,
        raw: &raw::Distance,
        probes: &[ProbePlan],
    ) -> Result<DistancePlan, ConfigError> {
        let path = format!("distance[{index}]");
        self.only_one_of_its_name(index, raw)?;
        let catalog = &self.registry.distances;
        let distance = self.build(catalog, &path, &raw.name, raw.parameters.clone(), &["between"])?;
        if comparable(raw.between, probes, false) && !comparable(raw.between, probes, true) {
            let numbers = probes.iter().filter_map(|probe| Some((probe, probe.estimator.number()?)));
            let numbers: Vec<String> = numbers
                .map(|(probe, number)| format!("`{}` finds only the {number}", probe.estimator_name.value))
                .collect();
            let problem = format!("a distance needs two spectra, and {}", numbers.join(", "));
            let help = "let a [[probe]] measure these groups with estimator = \"lanczos\" or \"gram\", or remove the [[distance]]";
            return Err(self.error(&format!("{path}.name"), problem, help));
        }
        if let Some((missing, help)) = missing(raw.between, probes) {
            let problem = format!("no probe measures {missing}, so there is nothing to compare");
            return Err(self.error(&format!("{path}.between"), problem, help));
        }
        Ok(DistancePlan { name: raw.name.clone(), distance, between: raw.between })
    }

    /// Refuses two distances that results do not tell apart: those between curvatures have a field
    /// of their own.
    fn only_one_of_its_name(&self, index: usize, raw: &raw::Distance) -> Result<(), ConfigError> {
        let Some(Tree::Array(all)) = self.document.get("distance").map(|node| &node.value) else {
            return Ok(());
        };
        let word = |node: &Node, key: &str| {
            node.get(key).and_then(|node| node.to_value().as_str().map(str::to_owned))
        };
        let between = |node: &Node| word(node, "between").is_some_and(|between| between == "curvatures");
        let ours = raw.between == Between::Curvatures;
        let same = |other: &Node| word(other, "name").as_deref() == Some(&raw.name) && between(other) == ours;
        if !all.iter().take(index).any(same) {
            return Ok(());
        }
        let problem = format!("two [[distance]] are named \"{}\"", raw.name);
        let help = "results are identified by this name: keep one (`all-pairs` includes the pairs with full), or run the others from a second file";
        Err(self.error(&format!("distance[{index}].name"), problem, help))
    }
}

/// Whether the probes (those that find spectra, if `spectra`) measure something to compare.
fn comparable(between: Between, probes: &[ProbePlan], spectra: bool) -> bool {
    let ours = || probes.iter().filter(|probe| !spectra || probe.estimator.number().is_none());
    let measures = |full: bool| {
        ours().flat_map(|probe| &probe.groups).any(|group| (group.value == GroupSelector::Full) == full)
    };
    match between {
        Between::LayersAndFull => measures(true) && measures(false),
        Between::AllPairs => measures(true) || measures(false),
        Between::Curvatures => {
            let names = ours().flat_map(|probe| &probe.curvatures).map(ToString::to_string);
            names.collect::<BTreeSet<String>>().len() > 1
        }
    }
}

/// What no probe measures though the distance needs it, and what to do.
fn missing(between: Between, probes: &[ProbePlan]) -> Option<(&'static str, &'static str)> {
    if comparable(between, probes, false) {
        return None;
    }
    let full = probes.iter().flat_map(|probe| &probe.groups).any(|group| group.value == GroupSelector::Full);
    match between {
        Between::LayersAndFull => {
            let missing = if full { "any other group" } else { "the group \"full\"" };
            Some((missing, "let a [[probe]] measure groups = [\"full\", \"layers\"]"))
        }
        Between::AllPairs => None,
        Between::Curvatures => {
            let help = "let a [[probe]] measure curvature = [\"hessian\", \"gauss-newton\"]";
            Some(("two curvatures", help))
        }
    }
}
