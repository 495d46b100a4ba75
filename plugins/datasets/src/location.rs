//! Where a release may lie, and its files when one is there.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use eigenscape_core::{Result, Split, registry::Environment};
use eigenscape_formats::archive::Wanted;

use crate::{
    archive,
    published::{Archive, PublishedFile, Release},
    source::{Contents, Source},
};

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
            beside: beside(environment),
        }
    }
}

/// `data` beside the experiment, or in one of the two folders above, so that the folders of a study
/// share it.
fn beside(environment: &Environment) -> PathBuf {
    let data = Path::new("data");
    let mut folders = environment.base.ancestors().take(3).map(|folder| folder.join(data));
    folders.find(|folder| folder.exists()).unwrap_or_else(|| environment.resolve(data))
}

/// A folder, or an archive, that may hold a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The folder, or the archive.
    pub folder: PathBuf,
    /// Whose custom it is to put the set there.
    pub custom: String,
    /// What may be there.
    pub release: Release,
    /// The archive, where the place is one.
    pub archive: Option<Archive>,
}

impl Location {
    pub(crate) fn folder(release: &Release, folder: PathBuf, custom: impl Into<String>) -> Self {
        Self { folder, custom: custom.into(), release: *release, archive: None }
    }

    /// The place of a release's archive, where it has one and `path` knows a place for it.
    pub(crate) fn archive(
        release: &Release,
        path: &dyn Fn(&Archive) -> Option<PathBuf>,
        custom: impl Into<String>,
    ) -> Option<Self> {
        let archive = release.archive?;
        let folder = path(&archive)?;
        Some(Self { folder, custom: custom.into(), release: *release, archive: Some(archive) })
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

    /// Opens it: an archive is compared with what was published, and read.
    ///
    /// # Errors
    /// When the archive is not the published one, is damaged, or lacks a file.
    pub fn open(&self) -> Result<Opened> {
        let release = self.release;
        let source = match self.archive {
            None => Source::Folder(self.folder.clone()),
            Some(Archive { folder, checksum, .. }) => {
                let files: Vec<PathBuf> = release.files().map(PublishedFile::published).collect();
                let wanted = Wanted { folder, files: &files, folders: release.format.folders() };
                Source::Archive(self.folder.clone(), archive::read(&self.folder, &checksum, wanted)?)
            }
        };
        Ok(Opened { release, source })
    }
}

/// A place whose files are at hand.
#[derive(Debug, Clone)]
pub struct Opened {
    pub(crate) release: Release,
    pub(crate) source: Source,
}

impl Opened {
    /// The contents of a split's files, compared with what was published.
    pub(crate) fn contents(&self, split: Split) -> Result<Vec<Contents<'_>>> {
        self.release.split(split).iter().map(|file| self.file(file)).collect()
    }

    /// A file as it was published where it is so, otherwise plain.
    fn file(&self, file: &PublishedFile) -> Result<Contents<'_>> {
        let published = file.published();
        if !self.source.has(&published) {
            return self.source.read(Path::new(file.name));
        }
        let contents = self.source.read(&published)?;
        if let Some(checksum) = file.checksum {
            checksum.check(&contents.subject, &contents.bytes)?;
        }
        Ok(contents)
    }
}

/// "the files in FOLDER".
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.archive.is_some() { "the archive" } else { "the files in" };
        write!(f, "{what} {}", self.folder.display())
    }
}

/// Without places that were there before.
pub(crate) fn each_once(places: Vec<Location>) -> Vec<Location> {
    let mut each: Vec<Location> = Vec::new();
    for place in places {
        let same = |known: &Location| known.folder == place.folder && known.release == place.release;
        if !each.iter().any(same) {
            each.push(place);
        }
    }
    each
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn studies_share_the_data_above_them() {
        let folder = tempfile::tempdir().unwrap();
        let study = folder.path().join("experiments/study");
        fs::create_dir_all(&study).unwrap();
        let environment = Environment { base: study.clone(), ..Environment::default() };
        assert_eq!(Roots::new(&environment).beside, environment.resolve(Path::new("data")));
        for place in [folder.path(), &folder.path().join("experiments"), &study] {
            fs::create_dir(place.join("data")).unwrap();
            assert_eq!(Roots::new(&environment).beside, place.join("data"));
        }
    }
}
