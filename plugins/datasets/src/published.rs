//! Sets of images that were published as four IDX files, and where such files lie.

use std::{
    env,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result, Split, registry::Environment};

use crate::labelled::LabelledImages;

/// The two files of a split, without `.gz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileNames {
    /// The images, idx3.
    pub images: &'static str,
    /// The labels, idx1.
    pub labels: &'static str,
}

/// A published set. Another set of the family is another constant of this type in [`PUBLISHED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdxSet {
    /// The data set's name in an experiment.
    pub name: &'static str,
    /// Its name in prose.
    pub title: &'static str,
    /// Who publishes it, and where.
    pub publisher: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// The Debian package that installs it below `/usr/share/datasets/NAME`.
    pub debian_package: &'static str,
    /// The folder that torchvision makes for it in its root.
    pub torchvision: &'static str,
    /// Files of the training split.
    pub train: FileNames,
    /// Files of the test split.
    pub test: FileNames,
    /// Height and width of an image.
    pub size: [usize; 2],
    /// The names of the classes, by label.
    pub classes: &'static [&'static str],
    /// What of it is inside the program, and taken unless asked otherwise.
    pub embedded: Option<&'static str>,
}

/// Every published set that this crate knows.
pub const PUBLISHED: &[IdxSet] = &[FASHION_MNIST];

/// H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms*,
/// arXiv 1708.07747: 60,000 training and 10,000 test images.
pub const FASHION_MNIST: IdxSet = IdxSet {
    name: "fashion-mnist",
    title: "Fashion-MNIST",
    publisher: "Zalando Research, https://github.com/zalandoresearch/fashion-mnist",
    licence: "MIT",
    debian_package: "dataset-fashion-mnist",
    torchvision: "FashionMNIST",
    train: FileNames { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
    test: FileNames { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
    size: [28, 28],
    classes: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    embedded: Some("the balanced subset inside the program (600 + 100 images a class)"),
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
            beside: environment.resolve(Path::new("data")),
        }
    }
}

/// A folder that may hold a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// Whose custom it is to put the set there.
    pub custom: String,
}

impl Place {
    /// The file of a name, gzipped or plain; `None` when there is neither.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        [self.folder.join(format!("{name}.gz")), self.folder.join(name)]
            .into_iter()
            .find(|path| path.is_file())
    }

    fn missing<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.find(name).is_none()).collect()
    }
}

impl IdxSet {
    /// The two files of a split.
    #[must_use]
    pub fn split(&self, split: Split) -> FileNames {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }

    /// All four files.
    #[must_use]
    pub fn file_names(&self) -> [&'static str; 4] {
        [self.train.images, self.train.labels, self.test.images, self.test.labels]
    }

    /// Where a set is looked for when no folder is given, in this order.
    #[must_use]
    pub fn customary_places(&self, roots: &Roots) -> Vec<Place> {
        let place = |folder: PathBuf, custom: String| Place { folder, custom };
        let torchvision = |root: &Path| {
            place(root.join(self.torchvision).join("raw"), "torchvision's `root=\"data\"`".to_owned())
        };
        let mut places = vec![
            place(roots.system.join(self.name), format!("Debian's package {}", self.debian_package)),
            torchvision(&roots.beside),
        ];
        if let Some(home) = &roots.home {
            places.push(torchvision(&home.join("data")));
            places.push(place(home.join(".keras/datasets").join(self.name), "Keras's cache".to_owned()));
        }
        places
    }

    /// Where a set may lie in a folder that the user names: in it, or as torchvision arranges it.
    #[must_use]
    pub fn places_in(&self, folder: &Path) -> Vec<Place> {
        let place = |folder: PathBuf, custom: &str| Place { folder, custom: custom.to_owned() };
        vec![
            place(folder.to_owned(), "`path`"),
            place(folder.join(self.torchvision).join("raw"), "torchvision's layout in `path`"),
        ]
    }

    /// The first place that has all four files.
    ///
    /// # Errors
    /// When none has: what is missing in the place that has most, and what to do.
    pub fn choose(&self, places: &[Place]) -> Result<Place> {
        let names = self.file_names();
        if let Some(place) = places.iter().find(|place| place.missing(&names).is_empty()) {
            return Ok(place.clone());
        }
        let folders: Vec<String> = places.iter().map(|place| place.folder.display().to_string()).collect();
        let subject = format!("{} in {}", self.title, folders.join(", "));
        let fullest = places.iter().min_by_key(|place| place.missing(&names).len());
        let problem = match fullest {
            Some(place) if place.missing(&names).len() < names.len() => {
                format!("{} lacks {}", place.folder.display(), place.missing(&names).join(", "))
            }
            _ => "none of the set's four files is there".to_owned(),
        };
        Err(Error::input(subject, problem, self.advice()))
    }

    /// Reads a split from a place.
    ///
    /// # Errors
    /// When a file is missing or unusable, or the images have not the set's size.
    pub fn read(&self, place: &Place, split: Split) -> Result<LabelledImages> {
        let names = self.split(split);
        let path = |name: &str| place.find(name).unwrap_or_else(|| place.folder.join(name));
        let images = path(names.images);
        let found = LabelledImages::read(&images, &path(names.labels), self.classes.len())?;
        if found.size() != self.size {
            let [height, width] = found.size();
            let problem = format!("its images are {height}x{width}, not {}x{}", self.size[0], self.size[1]);
            return Err(Error::input(images.display().to_string(), problem, self.advice()));
        }
        Ok(found)
    }

    /// How to get the set.
    #[must_use]
    pub fn advice(&self) -> String {
        let names = self.file_names().join(", ");
        format!(
            "install Debian's package {}, or take the four files {names} (gzipped or not) from {} into a folder and give \
             it as `data.path`",
            self.debian_package, self.publisher
        )
    }
}
