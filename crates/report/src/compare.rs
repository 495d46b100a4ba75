//! Several results on one page, side by side.

use std::path::{Path, PathBuf};

use eigenscape_core::{
    Error, Result,
    notes::{Note, Notes, ProfileNote},
    results::{ClaimRecord, Results, Run, VariantRecord},
};

use crate::{EXPERIMENT_FILE, NOTES_FILE, REPORT_FILE, RESULTS_FILE, data::distinct, page, read_all};

/// Writes a page that compares the results in several run directories into `out`, and returns the
/// page's path. A run's variant is the name of its directory and its own variant.
///
/// # Errors
/// When a directory is given twice or holds no results, when `out` holds results of its own, or
/// when the page cannot be written.
pub fn write(directories: &[PathBuf], out: &Path) -> Result<PathBuf> {
    if out.join(RESULTS_FILE).exists() {
        let remedy = "choose another folder with --out DIR";
        let problem = "it holds results: their report would be replaced by the comparison";
        return Err(Error::input(out.display().to_string(), problem, remedy));
    }
    let names = names(directories)?;
    let mut all = Comparison::default();
    for (directory, name) in directories.iter().zip(&names) {
        let (results, experiment, notes) = read_all(directory)?;
        all.add(name, results, experiment, notes);
    }
    all.results.name = names.join(", ");
    all.notes.profile = together(&all.profiles);
    let files = [RESULTS_FILE, EXPERIMENT_FILE, NOTES_FILE, REPORT_FILE];
    let beside: Vec<String> = directories
        .iter()
        .filter_map(|directory| link(directory, out))
        .flat_map(|folder| files.map(|file| format!("{folder}/{file}")))
        .collect();
    page::write(&all.results, &all.experiments, &all.notes, &beside, out)?;
    Ok(out.join(REPORT_FILE))
}

/// The directories' own names; as they are given where these are not distinct.
fn names(directories: &[PathBuf]) -> Result<Vec<String>> {
    let whole: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
    let places: Vec<PathBuf> = directories
        .iter()
        .map(|directory| directory.canonicalize().unwrap_or_else(|_| directory.clone()))
        .collect();
    if let Some(index) = (1..places.len()).find(|index| places[..*index].contains(&places[*index])) {
        let problem = "these results are given twice";
        return Err(Error::input(whole[index].clone(), problem, "give each folder of results once"));
    }
    let last = |place: &PathBuf| place.file_name().map(|name| name.to_string_lossy().into_owned());
    let short: Vec<String> = places.iter().filter_map(last).collect();
    Ok(if distinct(&short).len() == whole.len() { short } else { whole })
}

/// The path from the page to a directory; `None` if it needs more than `..` and plain names.
fn link(directory: &Path, out: &Path) -> Option<String> {
    let (directory, parent) = (resolved(directory)?, resolved(out)?);
    let shared = directory.components().zip(parent.components()).take_while(|(a, b)| a == b).count();
    let up = parent.components().skip(shared).map(|_| "..".to_owned());
    let down =
        directory.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let path: Vec<String> = up.chain(down).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~=,+".contains(c);
    path.iter().all(|part| part.chars().all(plain)).then(|| path.join("/"))
}

/// The full path of a folder that may not be there yet.
fn resolved(folder: &Path) -> Option<PathBuf> {
    let above = || folder.parent().map(|above| if above == Path::new("") { Path::new(".") } else { above });
    folder.canonicalize().ok().or_else(|| Some(resolved(above()?)?.join(folder.file_name()?)))
}

/// The results of several directories as if of one experiment.
#[derive(Default)]
struct Comparison {
    results: Results,
    experiments: Vec<(String, String)>,
    notes: Notes,
    /// The experiments that a profile changed.
    profiles: Vec<(String, ProfileNote)>,
}

/// The profiles of several experiments as one: a change names its experiment.
fn together(profiles: &[(String, ProfileNote)]) -> Option<ProfileNote> {
    let names = distinct(profiles.iter().map(|(_, profile)| profile.name.as_str()));
    let changes = |(experiment, profile): &(String, ProfileNote)| -> Vec<String> {
        profile.changes.iter().map(|change| format!("{experiment}: {change}")).collect()
    };
    let changes: Vec<String> = profiles.iter().flat_map(changes).collect();
    (!profiles.is_empty()).then(|| ProfileNote { name: names.join(" and "), changes })
}

impl Comparison {
    fn add(&mut self, name: &str, results: Results, experiment: String, notes: Notes) {
        let joined = |own: &str| if own.is_empty() { name.to_owned() } else { format!("{name}: {own}") };
        // Results of earlier versions have no variants: their runs are told by their names.
        let told = |run: &Run, runs: &[Run]| {
            let same = runs.iter().filter(|other| (&other.variant, other.seed) == (&run.variant, run.seed));
            if same.count() > 1 { joined(&run.name) } else { joined(&run.variant) }
        };
        let renamed = results.runs.iter().map(|run| Run {
            name: joined(&run.name),
            variant: told(run, &results.runs),
            ..run.clone()
        });
        self.results.runs.extend(renamed);
        let variants = results.variants.into_iter();
        self.results
            .variants
            .extend(variants.map(|record| VariantRecord { variant: joined(&record.variant), ..record }));
        let claims = results.claims.into_iter();
        self.results.claims.extend(
            claims.map(|record| ClaimRecord { claim: format!("{name}: {}", record.claim), ..record }),
        );
        let labelled = |note: Note| Note { label: format!("{} ({name})", note.label), ..note };
        self.notes.lines.extend(notes.lines.into_iter().map(labelled));
        self.profiles.extend(notes.profile.map(|profile| (name.to_owned(), profile)));
        self.notes.set.extend(notes.set.iter().map(|change| format!("{name}: {change}")));
        self.notes.runs.extend(notes.runs);
        self.experiments.push((name.to_owned(), experiment));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use eigenscape_core::notes::{Notes, ProfileNote};

    use super::{Comparison, Results, link, names, together};

    #[test]
    fn a_page_that_is_not_there_yet_links_to_its_results() {
        let root = tempfile::tempdir().unwrap();
        let results = root.path().join("runs/a");
        fs::create_dir_all(&results).unwrap();
        assert_eq!(link(&results, &root.path().join("new")).unwrap(), "../runs/a");
        assert_eq!(link(&results, &root.path().join("runs/deep/new")).unwrap(), "../../a");
        let odd = root.path().join("runs/a b");
        fs::create_dir_all(&odd).unwrap();
        assert_eq!(link(&odd, root.path()), None);
    }

    /// A profile's changes are not those of the command line.
    #[test]
    fn profiles_and_changes_on_the_command_line_are_told_apart() {
        let changes = || vec!["train.epochs = 2".to_owned()];
        let profile = |name: &str| ProfileNote { name: name.into(), changes: changes() };
        let notes = |profile| Notes { profile, set: vec!["seed=1".into()], ..Notes::default() };
        let mut all = Comparison::default();
        all.add("a", Results::default(), String::new(), notes(Some(profile("small"))));
        all.add("b", Results::default(), String::new(), notes(None));
        all.add("c", Results::default(), String::new(), notes(Some(profile("small"))));
        assert_eq!(all.notes.set, ["a: seed=1", "b: seed=1", "c: seed=1"]);
        let found = together(&all.profiles).unwrap();
        assert_eq!(found.name, "small");
        assert_eq!(found.changes, ["a: train.epochs = 2", "c: train.epochs = 2"]);
        all.profiles[1].1.name = "short".into();
        assert_eq!(together(&all.profiles).unwrap().name, "small and short");
        assert_eq!(together(&[]), None);
    }

    #[test]
    fn folders_are_named_by_their_ends_unless_these_are_alike() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["x/a", "y/a", "y/b"].map(|folder| root.path().join(folder));
        folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        assert_eq!(names(&folders[1..]).unwrap(), ["a", "b"]);
        assert_eq!(names(&folders[..2]).unwrap(), [0, 1].map(|i| folders[i].display().to_string()));
        let twice = [folders[0].clone(), root.path().join("y/../x/a")];
        assert!(names(&twice).unwrap_err().to_string().contains("given twice"));
    }
}
