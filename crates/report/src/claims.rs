//! One page for a whole study: every claim of every experiment beside what was measured.

use std::{
    fs,
    path::{Path, PathBuf},
};

use eigenscape_analysis::depth_summary::{Entry, METRICS};
use eigenscape_core::{
    Error, Result,
    notes::Notes,
    results::{ClaimRecord, EARLIER, Results, Verdict},
};

use crate::{
    NOTES_FILE, RESULTS_FILE,
    data::distinct,
    figures::depth_summary,
    files::Staging,
    html::{self, depth::Depths},
    page::write_figure,
    read_json,
};

/// The page's file name.
pub const CLAIMS_FILE: &str = "claims.html";
/// The folder of the page's figures.
pub const CLAIMS_FIGURES: &str = "claims-figures";

/// The result of [`write()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The page's path.
    pub page: PathBuf,
    /// The same claims as plain text.
    pub table: String,
}

/// A finished experiment.
pub(crate) struct Finished {
    /// The folder's name.
    pub folder: String,
    pub results: Results,
    pub notes: Notes,
}

/// Writes `OUT/claims.html` and its figures from all results in the folders of `out`. `left_out`
/// lists the experiments that did not run, each with the reason.
///
/// # Errors
/// When a folder of results cannot be read, or the page cannot be written.
pub fn write(out: &Path, left_out: &[(String, String)]) -> Result<Written> {
    let finished = finished(out)?;
    let mut staging = Staging::in_folder(out)?;
    let entries: Vec<Entry> =
        finished.iter().flat_map(|f| Entry::all(&f.results.name, &f.results.runs)).collect();
    let depths = depths(&entries, &mut staging)?;
    let page = html::claims::page(&finished, left_out, &depths);
    staging.add(CLAIMS_FILE, page.as_bytes())?;
    staging.publish()?;
    Ok(Written { page: out.join(CLAIMS_FILE), table: table(&finished, left_out) })
}

/// Distances by depth, one element per curvature.
fn depths<'a>(entries: &'a [Entry], staging: &mut Staging) -> Result<Vec<Depths<'a>>> {
    let curvatures = distinct(entries.iter().map(|entry| entry.curvature.as_str()));
    let of_curvature = |curvature: &str| {
        let mut entries: Vec<&Entry> = entries.iter().filter(|entry| entry.curvature == curvature).collect();
        entries.sort_by_key(|entry| entry.exact);
        let figures = (0..METRICS.len()).filter_map(|metric| depth_summary::draw(metric, &entries));
        let figures = figures.map(|figure| write_figure(figure, CLAIMS_FIGURES, staging));
        Ok(Depths { figures: figures.collect::<Result<_>>()?, entries })
    };
    curvatures.into_iter().map(of_curvature).collect()
}

/// All folders of results, sorted by name.
fn finished(out: &Path) -> Result<Vec<Finished>> {
    let entries = match fs::read_dir(out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| Error::io(out, error))?,
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Hidden folders are still being written; folders with a `~` hold earlier results.
    let shown = |name: &str| !name.starts_with('.') && !name.contains(EARLIER);
    let is_ours = |path: &PathBuf| shown(&name(path)) && path.join(RESULTS_FILE).is_file();
    let mut folders: Vec<PathBuf> = folders.filter(is_ours).collect();
    folders.sort();
    let read = |path: &PathBuf| {
        let (results, notes) = read_both(path)?;
        Ok(Finished { folder: name(path), results, notes })
    };
    folders.iter().map(read).collect()
}

/// Reads the results of a folder and the notes on them. Another process may replace the folder
/// meanwhile: reads both again until the results are the same before and after the notes.
fn read_both(folder: &Path) -> Result<(Results, Notes)> {
    let mut before: Results = read_json(folder, RESULTS_FILE)?;
    loop {
        let notes = read_json(folder, NOTES_FILE)?;
        let after = read_json(folder, RESULTS_FILE)?;
        if before == after {
            return Ok((after, notes));
        }
        before = after;
    }
}

/// The claims as plain text, two lines per claim.
fn table(finished: &[Finished], left_out: &[(String, String)]) -> String {
    let mut lines = Vec::new();
    for Finished { folder, results, notes } in finished.iter().filter(|f| !f.results.claims.is_empty()) {
        let profile = notes.profile.as_ref().map_or(String::new(), |p| format!(" (profile {})", p.name));
        lines.push(format!("{folder}{profile}"));
        for ClaimRecord { claim, paper, measured, verdict, .. } in &results.claims {
            lines.push(format!("  {:<13} {claim}", verdict.to_string()));
            let paper = paper.as_ref().map_or(String::new(), |paper| format!("paper: {paper}; "));
            lines.push(format!("  {:<13} {paper}measured: {measured}", ""));
        }
    }
    lines.extend(left_out.iter().map(|(name, why)| format!("{name} is left out: {why}")));
    lines.push(counts(finished));
    lines.join("\n")
}

/// The counts by verdict, as in "claims: 8; holding: 5; not holding: 1; undecided: 1; not measured:
/// 1".
pub(crate) fn counts(finished: &[Finished]) -> String {
    let claims = || finished.iter().flat_map(|f| &f.results.claims);
    let count = |verdict| claims().filter(|claim| claim.verdict == verdict).count();
    format!(
        "claims: {}; holding: {}; not holding: {}; undecided: {}; not measured: {}",
        claims().count(),
        count(Verdict::Holds),
        count(Verdict::DoesNotHold),
        count(Verdict::Undecided),
        count(Verdict::NotMeasured)
    )
}
