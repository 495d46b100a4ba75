//! All runs of a plan, surveyed: of those that differ in their seed alone the first stands for the
//! others, but for which examples are drawn.

use crate::{
    diagnostic::Result,
    plan::{ExperimentPlan, RunPlan},
    prepare::{Draws, Prepared, survey},
};

/// A run that was looked at.
pub enum Surveyed<'a> {
    /// The first of its variant.
    First(Box<Prepared<'a>>),
    /// Another seed of a variant.
    Rerun {
        /// The run.
        run: &'a RunPlan,
        /// The first of its variant, of which everything else is known.
        first: &'a RunPlan,
        /// What its samples miss, in words.
        missing: Vec<String>,
    },
}

/// Calls `see` with each run in order.
///
/// # Errors
/// Those of [`survey`], of samples that cannot be drawn, and of `see`.
pub fn each<'a>(plan: &'a ExperimentPlan, mut see: impl FnMut(Surveyed<'a>) -> Result<()>) -> Result<()> {
    let mut variants: Vec<(&RunPlan, Draws)> = Vec::new();
    for run in &plan.runs {
        let known = variants.iter().find(|(first, _)| first.variant == run.variant);
        see(match known {
            Some((first, draws)) => Surveyed::Rerun { run, first, missing: draws.missing(run)? },
            None => {
                let prepared = survey(run)?;
                variants.push((run, Draws::of(&prepared)));
                Surveyed::First(Box::new(prepared))
            }
        })?;
    }
    Ok(())
}
