//! Checks that claims are about something that is measured, once the groups of every run are known.

use eigenscape_analysis::expectation::{Expectation, Quantity, Subject};

use crate::{
    check::CURVATURES,
    diagnostic::{ConfigError, suggestion},
    document::Node,
    plan::ExperimentPlan,
    prepare::Prepared,
};

/// The maximum number of groups named in a message.
const NAMED: usize = 20;

/// What the prepared runs of a plan measure.
pub struct Claims<'a> {
    plan: &'a ExperimentPlan,
    runs: Vec<Measured>,
}

/// What one run measures.
struct Measured {
    variant: String,
    /// The measured matrices, by curvature and group.
    spectra: Vec<(String, String)>,
}

impl<'a> Claims<'a> {
    /// The claims of a plan before any of its runs is prepared.
    #[must_use]
    pub fn of(plan: &'a ExperimentPlan) -> Self {
        Self { plan, runs: Vec::new() }
    }

    /// Records what a run measures.
    pub fn see(&mut self, prepared: &Prepared) {
        let spectra = prepared.probes.iter().flat_map(|probe| probe.matrices());
        let spectra = spectra.map(|(curvature, group)| (curvature.to_string(), group.name.clone()));
        self.runs.push(Measured { variant: prepared.plan.variant.clone(), spectra: spectra.collect() });
    }

    /// Checks every claim against the recorded runs.
    ///
    /// # Errors
    /// The first claim about a spectrum in a run without spectra, a group that a run does not have,
    /// or a curvature that does not exist or is not measured for the group.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (index, claim) in self.plan.expectations.iter().enumerate() {
            for subject in claim.subjects().filter(|subject| !subject.quantity.is_of_training()) {
                self.subject(self.plan.expect.at(&format!("[{index}]")), claim, subject)?;
            }
        }
        Ok(())
    }

    fn subject(&self, node: &Node, claim: &Expectation, subject: &Subject) -> Result<(), ConfigError> {
        let Subject { quantity, curvature, group, .. } = subject;
        let is_it = |(of, named): &(String, String)| {
            of == curvature && (*quantity == Quantity::Distance || named == group)
        };
        let mut ours = self.runs.iter().filter(|run| claim.is_about(&run.variant));
        let Some(without) = ours.find(|run| !run.spectra.iter().any(is_it)) else { return Ok(()) };
        let of =
            if without.variant.is_empty() { String::new() } else { format!(" in `{}`", without.variant) };
        if without.spectra.is_empty() {
            let problem = format!("`{}` needs a spectrum, and none is measured{of}", quantity.name());
            let help = "add a [[probe]] that measures it, or claim something of the training";
            return Err(node.at("quantity").site.error(problem, Some(help.to_owned())));
        }
        let curvatures = distinct(without.spectra.iter().map(|(curvature, _)| curvature.as_str()));
        let known = CURVATURES.map(|curvature| curvature.to_string());
        if !known.contains(curvature) && !curvatures.contains(&curvature.as_str()) {
            let help = suggestion(curvature, "curvatures", &known);
            return Err(blamed(node, "curvature")
                .site
                .error(format!("there is no curvature `{curvature}`"), Some(help)));
        }
        let groups = distinct(without.spectra.iter().map(|(_, group)| group.as_str()));
        if *quantity != Quantity::Distance && !groups.contains(&group.as_str()) {
            let help = suggestion(group, "groups that are measured", &groups[..groups.len().min(NAMED)]);
            let problem = format!("no probe measures the group `{group}`{of}");
            return Err(blamed(node, "group").site.error(problem, Some(help)));
        }
        let of_group =
            without.spectra.iter().filter(|(_, named)| *quantity == Quantity::Distance || named == group);
        let measured = distinct(of_group.map(|(curvature, _)| curvature.as_str()));
        let matrix = match quantity {
            Quantity::Distance => curvature.clone(),
            _ => format!("{curvature} of {group}"),
        };
        let problem = format!("no probe measures the {matrix}{of}");
        let help = format!(
            "measured: {}; claim something of that, or add the curvature to a [[probe]]",
            measured.join(", ")
        );
        Err(blamed(node, "curvature").site.error(problem, Some(help)))
    }
}

/// The node of `key`, or of `quantity` if `key` has its default.
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
