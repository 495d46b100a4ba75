//! `reproduce`: run experiments.

use std::path::PathBuf;

use eigenscape_core::Registry;
use eigenscape_experiment::{Failure, Result, check, plan::Plan, progress::Display, run};

use crate::{cli::Reproduce, locate};

/// Runs the experiments that are named, or all that can run here.
pub fn run(arguments: &Reproduce, registry: &Registry) -> Result<()> {
    let display = Display::new(arguments.quiet);
    let plan = |file: &PathBuf| check::plan(file, &arguments.set, arguments.out.as_deref(), registry);
    let plans = if arguments.experiments.is_empty() {
        possible(&locate::all()?, plan, &display)
    } else {
        // All are checked before the first is run: a misspelt word in the last should not wait for hours.
        let files = arguments.experiments.iter().map(|word| locate::experiment(word));
        files.map(|file| plan(&file?)).collect::<Result<Vec<_>>>()?
    };
    distinct(&plans)?;
    for plan in &plans {
        display.line(&format!("{} -> {}", plan.name, plan.directory.display()));
        plan.warnings.iter().for_each(|warning| display.line(&format!("warning: {warning}")));
        let directory = run::execute(plan, &display, eigenscape_report::rebuild)?;
        crate::print(directory.join(eigenscape_report::REPORT_FILE).display());
    }
    Ok(())
}

/// The plans of the files that can run; the others are listed with the reason.
fn possible(files: &[PathBuf], plan: impl Fn(&PathBuf) -> Result<Plan>, display: &Display) -> Vec<Plan> {
    let mut plans = Vec::new();
    for file in files {
        match plan(file) {
            Ok(plan) => plans.push(plan),
            Err(why) => display.line(&format!("{} cannot run here: {why}", file.display())),
        }
    }
    plans
}

/// Refuses two experiments that would write to the same folder.
fn distinct(plans: &[Plan]) -> Result<()> {
    for (index, plan) in plans.iter().enumerate() {
        if plans[..index].iter().any(|other| other.directory == plan.directory) {
            return Err(Failure::Usage {
                problem: format!("two experiments would write to {}", plan.directory.display()),
                remedy: "give them different names".to_owned(),
            });
        }
    }
    Ok(())
}
