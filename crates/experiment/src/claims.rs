//! Whether what is claimed is of something that is measured: known when the groups of every run are.

use eigenscape_analysis::expectation::{Expectation, Quantity, Subject};
use eigenscape_core::registry::nearest;

use crate::{
    diagnostic::{ConfigError, suggestion},
    document::Node,
    plan::Plan,
    prepare::Prepared,
};

/// At most so many groups are named.
const NAMED: usize = 20;

/// What the runs of a plan measure, as far as they are prepared.
pub struct Claims<'a> {
    plan: &'a Plan,
    runs: Vec<Measured>,
}

/// What one run measures.
struct Measured {
    variant: String,
    /// Curvatures with groups.
    spectra: Vec<(String, String)>,
}

impl<'a> Claims<'a> {
    /// Of a plan of which no run is prepared.
    #[must_use]
    pub fn of(plan: &'a Plan) -> Self {
        Self { plan, runs: Vec::new() }
    }

    /// Takes note of what a run measures.
    pub fn see(&mut self, prepared: &Prepared) {
        let spectra = prepared.probes.iter().flat_map(|probe| probe.matrices());
        let spectra = spectra.map(|(curvature, group)| (curvature.to_string(), group.name.clone()));
        self.runs.push(Measured { variant: prepared.plan.variant.clone(), spectra: spectra.collect() });
    }

    /// Checks every claim against what was seen.
    ///
    /// # Errors
    /// The first claim about a group or a curvature that one of its runs does not measure.
    pub fn check(&self) -> Result<(), ConfigError> {
        let claims = self.plan.expectations.iter().enumerate();
        claims
            .flat_map(|(index, claim)| claim.subjects().map(move |subject| (index, claim, subject)))
            .try_for_each(|(index, claim, subject)| {
                self.subject(self.plan.expect.at(&format!("[{index}]")), claim, subject)
            })
    }

    fn subject(&self, node: &Node, claim: &Expectation, subject: &Subject) -> Result<(), ConfigError> {
        if subject.quantity.is_of_training() {
            return Ok(());
        }
        let is_it = |(curvature, group): &(String, String)| {
            *curvature == subject.curvature
                && (subject.quantity == Quantity::Distance || *group == subject.group)
        };
        let mut ours = self.runs.iter().filter(|run| claim.is_about(&run.variant));
        let Some(without) = ours.find(|run| !run.spectra.iter().any(is_it)) else { return Ok(()) };
        let of =
            if without.variant.is_empty() { String::new() } else { format!(" in `{}`", without.variant) };
        if without.spectra.is_empty() {
            let problem = format!("`{}` is of a spectrum, and none is measured{of}", subject.quantity.name());
            let help = "add a [[probe]] that measures it, or claim something of the training";
            return Err(node.at("quantity").site.error(problem, Some(help.to_owned())));
        }
        let curvatures = distinct(without.spectra.iter().map(|(curvature, _)| curvature.as_str()));
        if !curvatures.contains(&subject.curvature.as_str()) {
            let near = nearest(&subject.curvature, curvatures.iter().copied());
            let help = suggestion(near.as_deref(), "curvatures that are measured", &curvatures);
            let problem = format!("no probe measures the curvature `{}`{of}", subject.curvature);
            return Err(blamed(node, "curvature").site.error(problem, Some(help)));
        }
        let of_it = without.spectra.iter().filter(|(curvature, _)| *curvature == subject.curvature);
        let groups = distinct(of_it.map(|(_, group)| group.as_str()));
        let near = nearest(&subject.group, groups.iter().copied());
        let shown = &groups[..groups.len().min(NAMED)];
        let help = suggestion(near.as_deref(), "groups that are measured", shown);
        let problem =
            format!("no probe measures the {} of the group `{}`{of}", subject.curvature, subject.group);
        Err(blamed(node, "group").site.error(problem, Some(help)))
    }
}

/// The key, or the quantity where the key has its default.
fn blamed<'n>(node: &'n Node, key: &str) -> &'n Node {
    node.get(key).unwrap_or(node.at("quantity"))
}

fn distinct<'w>(words: impl Iterator<Item = &'w str>) -> Vec<&'w str> {
    let mut found: Vec<&str> = Vec::new();
    for word in words {
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found
}
