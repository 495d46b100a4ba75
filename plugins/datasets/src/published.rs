//! Published image sets: their files, and the places where they are searched for.

use std::path::{Path, PathBuf};

use eigenscape_core::{Error, Result, Split};

use crate::{
    checksum::Checksum,
    format::Format,
    labelled::LabelledImages,
    location::{Location, Opened, Roots, each_once},
    pixels::{Preparation, Statistics},
    tiny_imagenet,
};

/// A file of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name, without `.gz`.
    pub name: &'static str,
    /// Whether it is published gzipped; the uncompressed file is then accepted, too.
    pub gzipped: bool,
    /// Size and MD5 of the published file, if they are known.
    pub checksum: Option<Checksum>,
}

impl PublishedFile {
    /// Its published name, with `.gz` if it is gzipped.
    #[must_use]
    pub fn published(&self) -> PathBuf {
        let ending = if self.gzipped { ".gz" } else { "" };
        PathBuf::from(format!("{}{ending}", self.name))
    }
}

/// An archive to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Where torchvision puts it below its root, or would put it.
    pub path: &'static str,
    /// The folder in it that holds the files.
    pub folder: &'static str,
    /// Its size and MD5.
    pub checksum: Checksum,
}

impl Archive {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// The folder of its files below torchvision's root, if it was unpacked next to the archive.
    fn unpacked(&self) -> PathBuf {
        Path::new(self.path).with_file_name(self.folder)
    }
}

/// One of the forms in which a set is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The files' format.
    pub format: Format,
    /// The folder that holds them in torchvision's root; empty for the root itself.
    pub folder: &'static str,
    /// The archive that they are published in.
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
    pub(crate) fn files(&self) -> impl Iterator<Item = &'static PublishedFile> {
        self.train.iter().chain(self.test)
    }
}

/// A published set. To add one, add a constant of this type to [`crate::sets`].
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
    /// Whether Keras's cache stores the files of the first release.
    pub keras: bool,
    /// The forms in which it is published; the first one that is found is used.
    pub releases: &'static [Release],
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// The names of the classes, by label.
    pub classes: &'static [&'static str],
    /// Mean and deviation of the channels, by which pixels are normalised.
    pub statistics: Statistics,
    /// Black pixels added on each side.
    pub pad: u16,
    /// What part of it is embedded in the program and used by default.
    pub embedded: Option<&'static str>,
}

impl PublishedSet {
    /// Title, publisher and licence.
    #[must_use]
    pub fn heading(&self) -> String {
        format!("{} ({}; licence {})", self.title, self.publisher, self.licence)
    }

    /// The preparation of its images; values that are not given are those of the set.
    ///
    /// # Errors
    /// When the given values do not fit the number of channels.
    pub fn preparation(
        &self,
        pad: Option<u16>,
        mean: Option<&[f32]>,
        std: Option<&[f32]>,
    ) -> Result<Preparation> {
        Preparation::new(self.shape[0], self.statistics, mean, std, pad.unwrap_or(self.pad).into())
    }

    /// The places that are searched when no folder is given, in this order.
    #[must_use]
    pub fn customary_places(&self, roots: &Roots) -> Vec<Location> {
        let mut places = Vec::new();
        if let (Some(package), [first, ..]) = (self.debian_package, self.releases) {
            places.push(Location::folder(
                first,
                roots.system.join(self.name),
                format!("Debian's package {package}"),
            ));
        }
        places.extend(self.below(&roots.beside, "torchvision's `root=\"data\"`"));
        if let Some(home) = &roots.home {
            places.extend(self.below(&home.join("data"), "torchvision's `root=\"data\"`"));
            if let (true, [first, ..]) = (self.keras, self.releases) {
                places.push(Location::folder(
                    first,
                    home.join(".keras/datasets").join(self.name),
                    "Keras's cache",
                ));
            }
        }
        places
    }

    /// The places of the set in a folder that the user names: the folder itself, the archive in it,
    /// and torchvision's layout. The user may also name the archive.
    #[must_use]
    pub fn places_in(&self, folder: &Path) -> Vec<Location> {
        let packed = |path: &dyn Fn(&Archive) -> Option<PathBuf>| -> Vec<Location> {
            let place = |release| Location::archive(release, path, "`path`");
            self.releases.iter().filter_map(place).collect()
        };
        let named = packed(&|archive| folder.ends_with(archive.name()).then(|| folder.to_owned()));
        if !named.is_empty() {
            return named;
        }
        let direct =
            self.releases.iter().map(|release| Location::folder(release, folder.to_owned(), "`path`"));
        let mut places: Vec<Location> = direct.collect();
        places.extend(packed(&|archive| Some(folder.join(archive.name()))));
        places.extend(self.below(folder, "torchvision's layout in `path`"));
        each_once(places)
    }

    /// The places of the releases below torchvision's root: unpacked, then as archives.
    fn below(&self, root: &Path, custom: &str) -> Vec<Location> {
        let unpacked = self.releases.iter().flat_map(|release| {
            let beside = release.archive.map(|archive| archive.unpacked());
            let folders = [Some(PathBuf::from(release.folder)), beside];
            folders.into_iter().flatten().map(|folder| Location::folder(release, root.join(folder), custom))
        });
        let packed = self.releases.iter().filter_map(|release| {
            Location::archive(release, &|archive| Some(root.join(archive.path)), custom)
        });
        each_once(unpacked.chain(packed).collect())
    }

    /// The first place that has all files.
    ///
    /// # Errors
    /// When no place is complete: names the files that the most complete place lacks, and the
    /// remedy.
    pub fn choose(&self, places: &[Location]) -> Result<Location> {
        if let Some(place) = places.iter().find(|place| place.missing().is_empty()) {
            return Ok(place.clone());
        }
        let folders: Vec<String> = places.iter().map(|place| place.folder.display().to_string()).collect();
        let found = |place: &&Location| place.release.files().count() - place.missing().len();
        let problem = match places.iter().max_by_key(found).filter(|place| found(place) > 0) {
            Some(place) => format!("{} lacks {}", place.folder.display(), place.missing().join(", ")),
            None => format!(
                "none of the set's {} files is there",
                self.releases.first().map(Release::count).unwrap_or_default()
            ),
        };
        let remedy = format!("{}\nsearched: {}", self.advice(), folders.join(", "));
        Err(Error::input(self.title, problem, remedy))
    }

    /// Reads a split from a place.
    ///
    /// # Errors
    /// When a file is missing or unusable, or the images do not have the set's size.
    pub fn read(&self, opened: &Opened, split: Split) -> Result<LabelledImages> {
        let mut contents = opened.contents(split)?;
        let subject = contents.first().map(|file| file.subject.clone()).unwrap_or_default();
        let Opened { release, source } = opened;
        let found = release.format.read(&mut contents, source, self.shape, self.classes.len())?;
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
    pub fn class_names(&self, opened: &Opened) -> Result<Vec<String>> {
        if opened.release.format == Format::TinyImageNet {
            return tiny_imagenet::classes(&opened.source);
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
                .map(|archive| format!(" of the archive {}", archive.name()))
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
