//! Experiments, run on a thread of their own while Python's waits, shows progress and hears Ctrl-C.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use eigenscape_experiment::{Failure, Result, executed::Executed, progress::Display};
use pyo3::{prelude::*, pybacked::PyBackedBytes};

use crate::{
    arrays,
    document::{self, Given},
    error,
    observer::Reports,
};

/// How often progress is shown and signals are looked for.
const MOMENT: Duration = Duration::from_millis(50);

/// A folder, the text of its `results.json`, and what failed: problem and remedy.
type Done = (PathBuf, String, Option<(String, Option<String>)>);

/// Runs an experiment: that of the file `path`, or of the dictionary `experiment` (as JSON). What
/// failed after everything else was done is returned with the results. `report(line, label, done,
/// total)` is called for each line, and with `None` for it for progress.
#[pyfunction]
#[pyo3(signature = (*, path=None, experiment=None, data=None, set=Vec::new(), out=None, only=Vec::new(),
                    profile="small", fresh=false, draw=true, report=None))]
#[expect(clippy::too_many_arguments, reason = "they are the keys of one call from Python")]
#[expect(clippy::needless_pass_by_value, reason = "Python's objects are owned")]
pub fn run(
    py: Python<'_>,
    path: Option<PathBuf>,
    experiment: Option<String>,
    data: Option<PyBackedBytes>,
    set: Vec<String>,
    out: Option<PathBuf>,
    only: Vec<String>,
    profile: &str,
    fresh: bool,
    draw: bool,
    report: Option<Py<PyAny>>,
) -> PyResult<Done> {
    let given = path.map_or_else(|| Given::Json(experiment.unwrap_or_default()), Given::File);
    let choices = document::choices(set, out, only, profile).map_err(|failure| error::exception(&failure))?;
    let reports = Arc::<Reports>::default();
    let display = Display::observed(reports.clone());
    let interrupt = display.interrupt().clone();
    let work = thread::spawn(move || {
        let plan = document::plan(&given, &choices, &arrays::registry(data))?;
        plan.warnings.iter().for_each(|warning| display.line(&format!("warning: {warning}")));
        let drawn = |folder: &std::path::Path| if draw { eigenscape_report::rebuild(folder) } else { Ok(()) };
        eigenscape_experiment::run::execute(&plan, fresh, &display, drawn)
    });
    let mut stopped = None;
    while !work.is_finished() {
        py.detach(|| thread::sleep(MOMENT));
        if let (None, Err(signal)) = (&stopped, heard(py, &reports, report.as_ref())) {
            interrupt.request();
            stopped = Some(signal);
        }
    }
    let executed = py.detach(|| joined(work));
    if let Some(signal) = stopped {
        return Err(signal);
    }
    heard(py, &reports, report.as_ref())?;
    let executed = executed.map_err(|failure| error::exception(&failure))?;
    let failed = executed.failure().map(|failure| match failure {
        Failure::Run { problem, remedy } => (problem, remedy),
        other => (other.to_string(), None),
    });
    let results = std::fs::read_to_string(executed.folder.join("results.json"))?;
    Ok((executed.folder, results, failed))
}

/// Passes on what was reported; an error when a signal came, or `report` raised one.
fn heard(py: Python<'_>, reports: &Reports, report: Option<&Py<PyAny>>) -> PyResult<()> {
    py.check_signals()?;
    let news = reports.take();
    let Some(report) = report else { return Ok(()) };
    for line in news.lines {
        report.call1(py, (line, "", 0, 0))?;
    }
    if let Some((label, done, total)) = news.progress {
        report.call1(py, (py.None(), label, done, total))?;
    }
    Ok(())
}

fn joined(work: JoinHandle<Result<Executed>>) -> Result<Executed> {
    work.join().unwrap_or_else(|_| {
        Err(Failure::Run {
            problem: "the run ended by a fault of Eigenscape".to_owned(),
            remedy: Some("report it, with what is printed above".to_owned()),
        })
    })
}
