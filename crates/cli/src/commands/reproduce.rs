//! `reproduce`: runs experiments.

use std::path::{self, PathBuf};

use eigenscape_core::Registry;
use eigenscape_experiment::{
    Failure, Result,
    cases::{self, Experiment},
    choices::Choices,
    executed::Executed,
    plan::ExperimentPlan,
    progress::Display,
    run,
};

use crate::{cli::Reproduce, locate, signals};

/// The default folder of the page of all claims, which is also that of results.
const OUT: &str = "runs";

/// Runs the named experiments, or all that can run here.
pub fn run(arguments: &Reproduce, registry: &Registry) -> Result<()> {
    let display = Display::new(arguments.quiet);
    signals::listen(&display);
    let choices = arguments.overrides.choices(arguments.out.as_deref());
    if arguments.experiments.is_empty() {
        return study(all(&choices)?, &choices, arguments.fresh, &display, registry);
    }
    let files = arguments.experiments.iter().map(|word| cases::read(&locate::experiment(word)?, &choices));
    let experiments = files.collect::<Result<Vec<_>>>()?.concat();
    if choices.only.is_empty() && experiments.iter().any(|experiment| experiment.case.is_some()) {
        let named = experiments.into_iter().map(|one| (one.name().unwrap_or_default().to_owned(), Ok(one)));
        return study(named.collect(), &choices, arguments.fresh, &display, registry);
    }
    // Check all before running the first: a typo in the last should not surface after hours.
    let bar = display.waiting("reading experiments and data");
    let plans = experiments.iter().map(|experiment| experiment.plan(&choices, registry));
    let plans = plans.collect::<Result<Vec<_>>>()?;
    drop(bar);
    distinct(&plans)?;
    let mut failure = None;
    for plan in &plans {
        let executed = execute(plan, arguments.fresh, &display)?;
        if executed.finished_earlier {
            let name = &plan.name;
            display.line(&format!("{name}: it has finished with these settings; --fresh runs it again"));
        }
        failure = failure.or(executed.failure());
    }
    failure.map_or(Ok(()), Err)
}

/// Runs an experiment, which writes its results, and prints the report's path.
fn execute(plan: &ExperimentPlan, fresh: bool, display: &Display) -> Result<Executed> {
    display.line(&format!("{} -> {}", plan.name, plan.directory.display()));
    if let Some(shortened) = &plan.profile {
        display.line(&format!("profile {}: {}", shortened.profile, shortened.changes.join("; ")));
    }
    plan.warnings.iter().for_each(|warning| display.line(&format!("warning: {warning}")));
    let executed = run::execute(plan, fresh, display, eigenscape_report::rebuild)?;
    crate::print(executed.folder.join(eigenscape_report::REPORT_FILE).display())?;
    Ok(executed)
}

/// An experiment's name, and the experiment or why it cannot be read.
type Named = (String, Result<Experiment>);

/// Runs every experiment that can run here, one after another, and puts all claims on one page.
/// Skips experiments that have finished before. A failing experiment does not stop the others; the
/// first failure is returned at the end.
fn study(
    experiments: Vec<Named>,
    choices: &Choices,
    fresh: bool,
    display: &Display,
    registry: &Registry,
) -> Result<()> {
    let (mut left_out, mut failure) = (Vec::new(), None);
    for (name, experiment) in experiments {
        // Plan one at a time: all data sets together may not fit into memory.
        let bar = display.waiting(&format!("reading {name} and its data"));
        let planned = experiment.and_then(|experiment| experiment.plan(choices, registry));
        drop(bar);
        match planned.and_then(|plan| execute(&plan, fresh, display)) {
            Ok(executed) => {
                if executed.finished_earlier {
                    display.line(&format!("{name}: finished earlier"));
                }
                failure = failure.or(executed.failure());
            }
            Err(why @ Failure::Interrupted { .. }) => return Err(why),
            Err(why) => {
                display.line(&format!("{name} is left out: {why}"));
                left_out.push((name, why.to_string()));
                // An experiment that does not fit this machine is not a failure; an error during a
                // run is.
                failure = failure.or((why.exit_code() == 1).then_some(why));
            }
        }
    }
    let out = choices.out.clone().unwrap_or_else(|| PathBuf::from(OUT));
    let claims = eigenscape_report::claims::write(&out, &left_out)?;
    crate::print(claims.table)?;
    crate::print(claims.page.display())?;
    failure.map_or(Ok(()), Err)
}

/// All experiments of `experiments/`.
fn all(choices: &Choices) -> Result<Vec<Named>> {
    let mut all = Vec::new();
    for file in locate::all()? {
        let of_file = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match cases::read(&file, choices) {
            Ok(found) => {
                let named = |one: Experiment| (one.name().map_or_else(of_file, str::to_owned), Ok(one));
                all.extend(found.into_iter().map(named));
            }
            Err(why) => all.push((of_file(), Err(why))),
        }
    }
    Ok(all)
}

/// Refuses two experiments that would write to the same folder.
fn distinct(plans: &[ExperimentPlan]) -> Result<()> {
    // `runs` and `./runs` are the same folder.
    let place =
        |plan: &ExperimentPlan| path::absolute(&plan.directory).unwrap_or_else(|_| plan.directory.clone());
    for (index, plan) in plans.iter().enumerate() {
        if plans[..index].iter().any(|other| place(other) == place(plan)) {
            return Err(Failure::Usage {
                problem: format!("two experiments would write to {}", plan.directory.display()),
                remedy: "give them different names".to_owned(),
            });
        }
    }
    Ok(())
}
