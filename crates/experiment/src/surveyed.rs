//! Surveys all runs of a plan. Of runs that differ only in their seed, the first stands for the
//! others, except for the examples that are drawn.

use crate::{
    diagnostic::Result,
    plan::{ExperimentPlan, RunPlan},
    prepare::{Draws, Prepared, survey},
};

/// A surveyed run.
pub enum Surveyed<'a> {
    /// The first run of its variant.
    First(Box<Prepared<'a>>),
    /// Another seed of a variant.
    Rerun {
        /// The run.
        run: &'a RunPlan,
        /// The first run of its variant, which stands for everything else.
        first: &'a RunPlan,
        /// The classes that its samples miss, as text.
        missing: Vec<String>,
    },
}

/// Calls `see` with each run in order.
///
/// # Errors
/// Errors of [`survey`] and of `see`, and when samples cannot be drawn.
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
