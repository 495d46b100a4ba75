//! The report of `cargo xtask data NAME`: where a set is searched for, what was found, and what to
//! do.

use std::{fmt, fs, path::PathBuf};

use eigenscape_core::{
    Error, Registry, Result, Split,
    registry::{Environment, nearest},
};

use crate::{
    location::{Location, Opened, Roots},
    published::PublishedSet,
    sets::PUBLISHED,
};

/// Where a published set was searched for and what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The set.
    pub set: PublishedSet,
    /// The places, in the order in which they are searched.
    pub places: Vec<PlaceReport>,
}

/// What was found in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceReport {
    /// The place.
    pub place: Location,
    /// The training split.
    pub train: SplitReport,
    /// The test split.
    pub test: SplitReport,
}

/// The files of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitReport {
    /// The files, in the order of the release.
    pub files: Vec<FileReport>,
    /// The number of images, or why the split cannot be used; `None` when a file is missing.
    pub verdict: Option<Result<usize, String>>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name, without `.gz`.
    pub name: &'static str,
    /// The file that was found and its size in bytes; `None` when it is missing.
    pub found: Option<(PathBuf, u64)>,
}

/// What is there of a published set, by the names of its files alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// All files, in the folder or archive that an experiment takes.
    Complete(PathBuf),
    /// The part of it that the program has; the files are nowhere.
    Embedded(&'static str),
    /// Some files in a folder.
    Partly {
        /// The folder.
        place: PathBuf,
        /// What it lacks.
        missing: Vec<&'static str>,
    },
    /// No file.
    Nowhere,
}

/// Every published set, and what is there of it. No file is read.
#[must_use]
pub fn overview(environment: &Environment) -> Vec<(PublishedSet, Found)> {
    let roots = Roots::new(environment);
    PUBLISHED.iter().map(|set| (*set, Found::of(set, &roots))).collect()
}

impl Found {
    fn of(set: &PublishedSet, roots: &Roots) -> Self {
        let places = set.customary_places(roots);
        if let Some(place) = places.iter().find(|place| place.missing().is_empty()) {
            return Self::Complete(place.folder.clone());
        }
        if let Some(part) = set.embedded {
            return Self::Embedded(part);
        }
        let lacks = |place: &Location| place.missing().len() < place.release.files().count();
        match places.iter().filter(|place| lacks(place)).min_by_key(|place| place.missing().len()) {
            Some(place) => Self::Partly { place: place.folder.clone(), missing: place.missing() },
            None => Self::Nowhere,
        }
    }
}

/// Searches the default places for a published set, and reads every file that is there.
///
/// # Errors
/// When no published set has the name.
pub fn locate(name: &str, environment: &Environment) -> Result<Report> {
    let set = PUBLISHED.iter().find(|set| set.name == name).ok_or_else(|| {
        let (problem, remedy) = not_published(name);
        Error::input(format!("data set `{name}`"), problem, remedy)
    })?;
    Ok(Report::new(*set, &Roots::new(environment)))
}

/// The problem and the remedy for a name that is not that of a set with published files.
fn not_published(name: &str) -> (String, String) {
    let names: Vec<&str> = PUBLISHED.iter().map(|set| set.name).collect();
    let variants: Vec<&str> = names
        .iter()
        .copied()
        .filter(|set| set.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')))
        .collect();
    if let [only] = variants[..] {
        return ("there is no set of this name".to_owned(), format!("did you mean `{only}`?"));
    }
    if !variants.is_empty() {
        return ("there are several of this name".to_owned(), format!("name one: {}", variants.join(", ")));
    }
    let published = format!("sets with published files: {}", names.join(", "));
    let mut registry = Registry::default();
    crate::register(&mut registry);
    if registry.datasets.iter().any(|(known, _)| known == name) {
        let remedy = format!("`cargo xtask list dataset {name}` says what it reads; {published}");
        return ("it has no published files that are searched for".to_owned(), remedy);
    }
    let remedy = match nearest(name, names.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => published,
    };
    ("it is not a set with published files".to_owned(), remedy)
}

impl Report {
    /// Searches for a set below the given roots.
    #[must_use]
    pub fn new(set: PublishedSet, roots: &Roots) -> Self {
        let places = set.customary_places(roots).into_iter().map(|place| {
            let opened = place.open().map_err(|error| error.to_string());
            let [train, test] =
                [Split::Train, Split::Test].map(|split| SplitReport::new(&set, &place, &opened, split));
            PlaceReport { place, train, test }
        });
        Self { set, places: places.collect() }
    }

    /// The place that an experiment uses: the first that has all files of both splits.
    #[must_use]
    pub fn chosen(&self) -> Option<&PlaceReport> {
        self.places.iter().find(|place| place.train.verdict.is_some() && place.test.verdict.is_some())
    }
}

impl PlaceReport {
    fn nothing(&self) -> String {
        match self.place.archive {
            Some(_) => "no such archive".to_owned(),
            None => format!("none of the {} files", self.place.release.count()),
        }
    }

    fn is_empty(&self) -> bool {
        self.train.files.iter().chain(&self.test.files).all(|file| file.found.is_none())
    }
}

impl SplitReport {
    fn new(set: &PublishedSet, place: &Location, opened: &Result<Opened, String>, split: Split) -> Self {
        let file = |file: &crate::published::PublishedFile| {
            let path = match place.archive {
                Some(_) => Some(place.folder.clone()).filter(|path| path.is_file()),
                None => place.find(file),
            };
            let size = |path: PathBuf| {
                let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                (path, bytes)
            };
            FileReport { name: file.name, found: path.map(size) }
        };
        let files: Vec<FileReport> = place.release.split(split).iter().map(file).collect();
        let complete = files.iter().all(|file| file.found.is_some());
        let read = || {
            let opened = opened.as_ref().map_err(String::clone)?;
            set.read(opened, split).map(|images| images.len()).map_err(|error| error.to_string())
        };
        Self { verdict: complete.then(read), files }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.set.heading())?;
        if let Some(embedded) = self.set.embedded {
            writeln!(f, "\nWithout `source` or `path` an experiment takes {embedded}: nothing to do.")?;
        }
        for place in &self.places {
            writeln!(f, "\n{}  ({})", place.place.folder.display(), place.place.custom)?;
            if place.is_empty() {
                writeln!(f, "  {}", place.nothing())?;
            } else {
                write!(f, "{}{}", place.train, place.test)?;
            }
        }
        match self.chosen() {
            Some(chosen) => {
                let asker = if self.set.embedded.is_some() { "`source = \"full\"`" } else { "An experiment" };
                writeln!(f, "\n{asker} takes {}.", chosen.place.folder.display())?;
                if chosen.train.verdict.as_ref().is_some_and(Result::is_err)
                    || chosen.test.verdict.as_ref().is_some_and(Result::is_err)
                {
                    writeln!(f, "Its files are damaged: {}.", self.set.advice())?;
                }
                Ok(())
            }
            None => writeln!(f, "\nTo get all of it, {}.", self.set.advice()),
        }
    }
}

impl fmt::Display for SplitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            match &file.found {
                Some((path, bytes)) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    writeln!(f, "  {name}: {bytes} bytes")?;
                }
                None => writeln!(f, "  {}: missing", file.name)?,
            }
        }
        match &self.verdict {
            Some(Ok(images)) => writeln!(f, "  ok: {images} images with labels"),
            Some(Err(problem)) => writeln!(f, "  damaged: {problem}"),
            None => Ok(()),
        }
    }
}
