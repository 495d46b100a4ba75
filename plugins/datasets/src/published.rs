//! Published sets of images, and where their files lie.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result, Split, registry::Environment};

use crate::{
    archive,
    checksum::Checksum,
    format::{Contents, Format},
    labelled::LabelledImages,
    pixels::{Preparation, Statistics},
    tiny_imagenet,
};

/// A file of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name, without `.gz`.
    pub name: &'static str,
    /// Whether it is published gzipped; it is then read in both forms.
    pub gzipped: bool,
    /// What is known of it, as it is published.
    pub checksum: Option<Checksum>,
}

/// An archive to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Its name.
    pub name: &'static str,
    /// What is known of it.
    pub checksum: Checksum,
}

impl Archive {
    /// Whether the files can be read where they are in it.
    fn is_readable(&self) -> bool {
        self.name.ends_with(".tar.gz")
    }
}

/// One of the forms in which a set is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The files' format.
    pub format: Format,
    /// The folder that holds them in torchvision's root, which is also the archive's; empty for the root itself.
    pub folder: &'static str,
    /// The archive that they are published in, which torchvision puts into its root.
    pub archive: Option<Archive>,
    /// Files of the training split.
    pub train: &'static [PublishedFile],
    /// Files of the test split.
    pub test: &'static [PublishedFile],
}

impl Release {
    /// The files of a split.
    #[must_use]
    pub fn split(&self, split: Split) -> &'static [PublishedFile] {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }

    /// The number of files, in words.
    pub(crate) fn count(&self) -> String {
        match self.files().count() {
            2 => "two".to_owned(),
            4 => "four".to_owned(),
            6 => "six".to_owned(),
            other => other.to_string(),
        }
    }

    /// The files of both splits.
    fn files(&self) -> impl Iterator<Item = &'static PublishedFile> {
        self.train.iter().chain(self.test)
    }
}

/// A published set. Another one is another constant of this type in [`crate::sets`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedSet {
    /// The data set's name in an experiment.
    pub name: &'static str,
    /// Its name in prose.
    pub title: &'static str,
    /// Who publishes it, and where.
    pub publisher: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// The Debian package that installs it below `/usr/share/datasets/NAME`.
    pub debian_package: Option<&'static str>,
    /// Whether Keras's cache has the files of the first release.
    pub keras: bool,
    /// The forms in which it is published; of those found, the first is taken.
    pub releases: &'static [Release],
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// The names of the classes, by label.
    pub classes: &'static [&'static str],
    /// Mean and deviation of the channels, by which pixels are normalised.
    pub statistics: Statistics,
    /// Black pixels added on each side.
    pub pad: u16,
    /// What of it is inside the program, and taken unless asked otherwise.
    pub embedded: Option<&'static str>,
}

/// The folders below which published sets are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Where Debian's packages install data sets.
    pub system: PathBuf,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// torchvision's customary root beside the experiment.
    pub beside: PathBuf,
}

impl Roots {
    /// The roots on this machine, for an experiment.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self {
            system: PathBuf::from("/usr/share/datasets"),
            home: env::home_dir(),
            beside: environment.resolve(Path::new("data")),
        }
    }
}

/// A folder, or an archive, that may hold a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder, or the archive.
    pub folder: PathBuf,
    /// Whose custom it is to put the set there.
    pub custom: String,
    /// What may be there.
    pub release: Release,
    /// The archive, where the place is one.
    pub archive: Option<Archive>,
}

impl Place {
    fn folder(release: &Release, folder: PathBuf, custom: impl Into<String>) -> Self {
        Self { folder, custom: custom.into(), release: *release, archive: None }
    }

    /// The file of a folder, gzipped or plain; `None` when there is neither.
    #[must_use]
    pub fn find(&self, file: &PublishedFile) -> Option<PathBuf> {
        let gzipped = file.gzipped.then(|| self.folder.join(format!("{}.gz", file.name)));
        gzipped.into_iter().chain([self.folder.join(file.name)]).find(|path| path.is_file())
    }

    /// What is not there of both splits; nothing where the archive is.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let there = self.archive.is_some() && self.folder.is_file();
        let lacks = |file: &&PublishedFile| !there && (self.archive.is_some() || self.find(file).is_none());
        self.release.files().filter(lacks).map(|file| file.name).collect()
    }

    /// An archive in or beside the place that has to be unpacked first.
    fn packed(&self) -> Option<PathBuf> {
        let archive = self.release.archive.filter(|archive| !archive.is_readable())?;
        let folders = [Some(self.folder.as_path()), self.folder.parent()];
        folders.into_iter().flatten().map(|folder| folder.join(archive.name)).find(|path| path.is_file())
    }

    /// The contents of a split's files, compared with what was published.
    fn contents(&self, split: Split) -> Result<Vec<Contents>> {
        let files = self.release.split(split);
        if let Some(Archive { checksum, .. }) = &self.archive {
            let names: Vec<&str> = files.iter().map(|file| file.name).collect();
            let contents = archive::read(&self.folder, checksum, self.release.folder, &names)?;
            let subject = |name: &str| format!("{} in {}", name, self.folder.display());
            let pairs = names.iter().zip(contents);
            return Ok(pairs.map(|(name, bytes)| Contents { subject: subject(name), bytes }).collect());
        }
        let read = |file: &PublishedFile| {
            let path = self.find(file).unwrap_or_else(|| self.folder.join(file.name));
            let bytes = fs::read(&path).map_err(|error| Error::io(&path, error))?;
            let subject = path.display().to_string();
            let as_published = path.extension().is_some_and(|extension| extension == "gz") == file.gzipped;
            if let Some(checksum) = file.checksum.filter(|_| as_published) {
                checksum.check(&subject, &bytes)?;
            }
            Ok(Contents { subject, bytes })
        };
        files.iter().map(read).collect()
    }
}

/// "the files in FOLDER".
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.archive.is_some() { "the archive" } else { "the files in" };
        write!(f, "{what} {}", self.folder.display())
    }
}

impl PublishedSet {
    /// Title, publisher and licence.
    #[must_use]
    pub fn heading(&self) -> String {
        format!("{} ({}; licence {})", self.title, self.publisher, self.licence)
    }

    /// How its images are prepared; what is not given is the set's own.
    ///
    /// # Errors
    /// When what is given does not fit images of so many channels.
    pub fn preparation(
        &self,
        pad: Option<u16>,
        mean: Option<&[f32]>,
        std: Option<&[f32]>,
    ) -> Result<Preparation> {
        Preparation::new(self.shape[0], self.statistics, mean, std, pad.unwrap_or(self.pad).into())
    }

    /// Where the set is looked for when no folder is given, in this order.
    #[must_use]
    pub fn customary_places(&self, roots: &Roots) -> Vec<Place> {
        let mut places = Vec::new();
        if let (Some(package), [first, ..]) = (self.debian_package, self.releases) {
            places.push(Place::folder(
                first,
                roots.system.join(self.name),
                format!("Debian's package {package}"),
            ));
        }
        places.extend(self.below(&roots.beside, "torchvision's `root=\"data\"`"));
        if let Some(home) = &roots.home {
            places.extend(self.below(&home.join("data"), "torchvision's `root=\"data\"`"));
            if let (true, [first, ..]) = (self.keras, self.releases) {
                places.push(Place::folder(
                    first,
                    home.join(".keras/datasets").join(self.name),
                    "Keras's cache",
                ));
            }
        }
        places
    }

    /// Where the set may lie in a folder that the user names: in it, as torchvision arranges it, or packed. The user may also name the
    /// archive.
    #[must_use]
    pub fn places_in(&self, folder: &Path) -> Vec<Place> {
        let named = self.releases.iter().filter_map(|release| {
            let archive =
                release.archive.filter(|archive| folder.ends_with(archive.name) && archive.is_readable())?;
            let custom = "`path`".to_owned();
            Some(Place { folder: folder.to_owned(), custom, release: *release, archive: Some(archive) })
        });
        let direct = self.releases.iter().map(|release| Place::folder(release, folder.to_owned(), "`path`"));
        let mut places: Vec<Place> = named.collect();
        if places.is_empty() {
            places.extend(direct);
            places.extend(self.below(folder, "torchvision's layout in `path`"));
            // A release that has no folder of its own is not looked for twice.
            let mut seen = Vec::new();
            places.retain(|place| {
                let key = (place.folder.clone(), place.release.format);
                let new = !seen.contains(&key);
                seen.push(key);
                new
            });
        }
        places
    }

    /// Where torchvision puts the releases in its root: unpacked, then packed.
    fn below<'a>(&'a self, root: &'a Path, custom: &'a str) -> impl Iterator<Item = Place> + 'a {
        let unpacked = self
            .releases
            .iter()
            .map(move |release| Place::folder(release, root.join(release.folder), custom));
        let packed = self.releases.iter().filter_map(move |release| {
            let archive = release.archive.filter(Archive::is_readable)?;
            let folder = root.join(archive.name);
            Some(Place { folder, custom: custom.to_owned(), release: *release, archive: Some(archive) })
        });
        unpacked.chain(packed)
    }

    /// The first place that has all files.
    ///
    /// # Errors
    /// When none has: what is missing in the place that has most, and what to do.
    pub fn choose(&self, places: &[Place]) -> Result<Place> {
        if let Some(place) = places.iter().find(|place| place.missing().is_empty()) {
            return Ok(place.clone());
        }
        let folders: Vec<String> = places.iter().map(|place| place.folder.display().to_string()).collect();
        let subject = format!("{} in {}", self.title, folders.join(", "));
        if let Some(packed) = places.iter().find_map(Place::packed) {
            let problem = format!("{} is not unpacked", packed.display());
            return Err(Error::input(subject, problem, "unpack it in the folder where it lies"));
        }
        let found = |place: &&Place| place.release.files().count() - place.missing().len();
        let problem = match places.iter().max_by_key(found).filter(|place| found(place) > 0) {
            Some(place) => format!("{} lacks {}", place.folder.display(), place.missing().join(", ")),
            None => format!(
                "none of the set's {} files is there",
                self.releases.first().map(Release::count).unwrap_or_default()
            ),
        };
        Err(Error::input(subject, problem, self.advice()))
    }

    /// Reads a split from a place.
    ///
    /// # Errors
    /// When a file is missing or unusable, or the images have not the set's size.
    pub fn read(&self, place: &Place, split: Split) -> Result<LabelledImages> {
        let mut contents = place.contents(split)?;
        let subject = contents.first().map(|file| file.subject.clone()).unwrap_or_default();
        let format = place.release.format;
        let found = format.read(&mut contents, &place.folder, self.shape, self.classes.len())?;
        if found.size() != self.shape {
            let ([_, height, width], [_, tall, wide]) = (found.size(), self.shape);
            let problem = format!("its images are {height}x{width}, not {tall}x{wide}");
            return Err(Error::input(subject, problem, self.advice()));
        }
        Ok(found)
    }

    /// The names of the classes.
    ///
    /// # Errors
    /// When they are in a file that cannot be read.
    pub fn class_names(&self, place: &Place) -> Result<Vec<String>> {
        if place.release.format == Format::TinyImageNet {
            return tiny_imagenet::classes(&place.folder);
        }
        Ok(self.classes.iter().map(|name| (*name).to_owned()).collect())
    }

    /// How to get the set.
    #[must_use]
    pub fn advice(&self) -> String {
        let package = self.debian_package.map(|package| format!("install Debian's package {package}, or "));
        let one = |release: &Release| {
            let names: Vec<&str> = release.files().map(|file| file.name).collect();
            let gzipped = if release.files().any(|file| file.gzipped) { " (gzipped or not)" } else { "" };
            let archive = release
                .archive
                .map(|archive| format!(" of the archive {}", archive.name))
                .unwrap_or_default();
            format!("the {} files {}{gzipped}{archive}", release.count(), names.join(", "))
        };
        let releases: Vec<String> = self.releases.iter().map(one).collect();
        format!(
            "{}take {} from {} into a folder and give it as `data.path`",
            package.unwrap_or_default(),
            releases.join(", or "),
            self.publisher
        )
    }
}
