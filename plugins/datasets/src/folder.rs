//! A folder for each class, with PNG or JPEG files in it: `images`, as torchvision's `ImageFolder`
//! reads it.
//!
//! `path` contains `train/CLASS/FILE` and, for the test split, `test/CLASS/FILE`, `val/CLASS/FILE`
//! or `valid/CLASS/FILE`. Without a folder `train`, it contains `CLASS/FILE` and there is no test
//! split. Classes are numbered in the alphabetical order of their folders. Hidden files and folders
//! are ignored; a warning lists other entries of class folders that are not read.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    io::Cursor,
    num::{NonZeroU16, NonZeroUsize},
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result, registry::Environment};
use eigenscape_formats::{idx::Idx, memory};
use image::{DynamicImage, ImageError, ImageReader, Limits, imageops::FilterType};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    image_set::ImageSet,
    labelled::LabelledImages,
    pixels::{HALVES, Preparation},
    source::{Contents, Source, entries, is_hidden, is_image},
};

/// Limit on the bytes for decoding one file, since a damaged header may declare any size.
const DECODING: u64 = 256 << 20;
const LARGEST_SIDE: u32 = 16384;
/// The number of kinds of unread files that a warning lists.
const LISTED: usize = 5;

/// Parameters of `images`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderParameters {
    /// The folder with the images.
    pub path: PathBuf,
    /// Height and width to which every image is resized; without it, all images must have the same
    /// size.
    pub size: Option<[NonZeroU16; 2]>,
    /// "rgb" (default) for three channels or "grey" for one; files are converted.
    #[serde(default)]
    pub channels: Channels,
    /// Black pixels added on each side.
    #[serde(default)]
    pub pad: u16,
    /// The mean that is subtracted from pixels scaled to 0 to 1: one number, or one per channel;
    /// 0.5 by default.
    pub mean: Option<Vec<f32>>,
    /// The standard deviation by which pixels are then divided: one number, or one per channel; 0.5
    /// by default.
    pub std: Option<Vec<f32>>,
    /// How many training images of each class to keep, the first by name; all by default.
    #[schemars(range(min = 1))]
    pub train_per_class: Option<NonZeroUsize>,
}

/// Channels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// One channel.
    Grey,
    /// Red, green and blue.
    #[default]
    Rgb,
}

/// Reads both splits.
///
/// # Errors
/// When a folder or file is missing or unusable, or images differ in size.
pub fn load(parameters: &FolderParameters, environment: &Environment) -> Result<ImageSet> {
    let root = environment.resolve(&parameters.path);
    let channels = match parameters.channels {
        Channels::Grey => 1,
        Channels::Rgb => 3,
    };
    let [mean, std] = [&parameters.mean, &parameters.std].map(Option::as_deref);
    let preparation = Preparation::new(channels, HALVES, mean, std, parameters.pad.into())?;
    let place = |name: &str| Some(root.join(name)).filter(|folder| folder.is_dir());
    let train = place("train").unwrap_or_else(|| root.clone());
    let names = classes(&train)?;
    let size = parameters.size.map(|size| size.map(|side| u32::from(side.get())));
    let read = |folder: &Path| {
        let source = Source::Folder(folder.to_owned());
        let mut files = Vec::new();
        for (class, name) in (0..).zip(&names) {
            let images = source.images(Path::new(name))?;
            if images.is_empty() && folder == train {
                let remedy = "remove the folder, or put PNG or JPEG files into it";
                return Err(Error::input(source.subject_of(Path::new(name)), "it holds no images", remedy));
            }
            files.extend(images.into_iter().map(|file| (class, file)));
        }
        images(&source, &files, channels, size, names.len())
    };
    let first = read(&train)?;
    let mut warnings = Vec::from_iter(left_out(&train, &names)?);
    let test = match ["test", "val", "valid"].into_iter().find_map(place) {
        Some(folder) if train != root => {
            let others = folders(&folder)?;
            if let Some(other) = others.iter().find(|other| !names.contains(other)) {
                let problem = format!("it has the class `{other}`, which {} does not have", train.display());
                return Err(Error::input(
                    folder.display().to_string(),
                    problem,
                    "use the same classes in both splits",
                ));
            }
            warnings.extend(left_out(&folder, &names)?);
            Some(read(&folder)?)
        }
        _ => None,
    };
    Ok(ImageSet::new("images", first, test, preparation, names, &format!("the files in {}", root.display()))?
        .limited(parameters.train_per_class)?
        .with_warnings(warnings))
}

/// A warning that lists the entries of class folders that are not read, such as "2 .bmp, 1 .txt".
fn left_out(folder: &Path, names: &[String]) -> Result<Option<String>> {
    let mut kinds = BTreeMap::<String, usize>::new();
    for name in names.iter().filter(|name| folder.join(name).is_dir()) {
        let others = entries(&folder.join(name))?.into_iter().filter(|path| !is_hidden(path));
        for path in others.filter(|path| path.is_dir() || !is_image(path)) {
            let kind = match path.extension() {
                _ if path.is_dir() => "folders".to_owned(),
                Some(extension) => format!(".{}", extension.to_string_lossy().to_lowercase()),
                None => "without an ending".to_owned(),
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    if kinds.is_empty() {
        return Ok(None);
    }
    let count: usize = kinds.values().sum();
    let mut listed: Vec<(usize, String)> = kinds.into_iter().map(|(kind, count)| (count, kind)).collect();
    listed.sort_by_key(|(count, _)| Reverse(*count));
    let more = listed.len().saturating_sub(LISTED);
    let mut words: Vec<String> =
        listed.into_iter().take(LISTED).map(|(count, kind)| format!("{count} {kind}")).collect();
    words.extend((more > 0).then(|| format!("{more} other kinds")));
    let (be, were) = if count == 1 { ("is", "was") } else { ("are", "were") };
    Ok(Some(format!(
        "of the entries in the class folders of {}, {count} {be} no PNG or JPEG file and {were} left out: {}",
        folder.display(),
        words.join(", ")
    )))
}

/// The names of at least two classes, sorted.
fn classes(folder: &Path) -> Result<Vec<String>> {
    let names = folders(folder)?;
    if names.len() < 2 {
        let problem = format!("it holds {} folders, so that there are no classes to tell apart", names.len());
        let remedy = "arrange the images as train/CLASS/FILE and test/CLASS/FILE, or as CLASS/FILE, with at least two classes";
        return Err(Error::input(folder.display().to_string(), problem, remedy));
    }
    Ok(names)
}

/// The folders in a folder that are not hidden, sorted.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let name = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default();
        // `{name:?}` escapes bytes that are not text, so that the user can identify the folder.
        let refuse = || {
            let problem = format!("the name of the folder {name:?} is not text in UTF-8");
            Error::input(folder.display().to_string(), problem, "give the class a name in UTF-8")
        };
        name.to_str().map(str::to_owned).ok_or_else(refuse)
    };
    let folders = entries(folder)?.into_iter().filter(|path| path.is_dir() && !is_hidden(path));
    let mut names: Vec<String> = folders.map(name).collect::<Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Reads image files of known classes. They are resized to `size`, height and width, or without it
/// must all have the size of the first.
pub(crate) fn images(
    source: &Source,
    files: &[(u32, PathBuf)],
    channels: usize,
    size: Option<[u32; 2]>,
    classes: usize,
) -> Result<LabelledImages> {
    let name = source.subject();
    let (mut bytes, mut first) = (Vec::new(), size);
    for (_, file) in files {
        let file = source.read(file)?;
        let image = decode(&file)?;
        let [height, width] = *first.get_or_insert([image.height(), image.width()]);
        if bytes.is_empty() {
            check_memory(&name, [files.len(), channels, height as usize, width as usize])?;
        }
        let image = match size {
            Some(_) if [image.height(), image.width()] != [height, width] => {
                image.resize_exact(width, height, FilterType::Triangle)
            }
            _ => image,
        };
        if [image.height(), image.width()] != [height, width] {
            let problem =
                format!("it is {}x{}, and the first image {height}x{width}", image.height(), image.width());
            let remedy = "give the height and width for all images as `data.size`, as in size = [64, 64]";
            return Err(Error::input(file.subject, problem, remedy));
        }
        append(&mut bytes, &image, channels);
    }
    let [height, width] = first.unwrap_or_default().map(|side| side as usize);
    let images = Idx::new(vec![files.len(), channels, height, width], bytes);
    let images = images.ok_or_else(|| Error::input(&name, "it holds no images", "check `data.path`"))?;
    let labels = files.iter().map(|(class, _)| *class).collect();
    LabelledImages::new((&name, images), (&name, labels), classes)
}

/// Refuses images \[N, C, H, W\] that exceed the machine's memory, at one byte per pixel and
/// channel.
fn check_memory(name: &str, dims: [usize; 4]) -> Result<()> {
    let need = dims.into_iter().fold(1, usize::saturating_mul);
    let machine = memory::of_machine();
    if need <= machine {
        return Ok(());
    }
    let [count, channels, height, width] = dims;
    let problem = format!(
        "its {count} images {height}x{width} of {channels} channels would take {need} bytes of memory, and this machine has {machine}"
    );
    Err(Error::input(name, problem, "use fewer images, or give a smaller height and width as `data.size`"))
}

/// Adds an image's planes, one channel after the other.
fn append(bytes: &mut Vec<u8>, image: &DynamicImage, channels: usize) {
    if channels == 1 {
        bytes.extend(image.to_luma8().as_raw());
        return;
    }
    let pixels = image.to_rgb8();
    for channel in 0..channels {
        bytes.extend(pixels.pixels().map(|pixel| pixel.0[channel]));
    }
}

/// Decodes a file, whose format follows from its contents; memory is bounded whatever it declares.
fn decode(file: &Contents<'_>) -> Result<DynamicImage> {
    let failed = |error: ImageError| {
        let remedy = "replace or remove the file; PNG and JPEG are read";
        Error::input(&file.subject, format!("it cannot be decoded: {error}"), remedy)
    };
    let reader = ImageReader::new(Cursor::new(&*file.bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| failed(error.into()))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODING);
    (limits.max_image_width, limits.max_image_height) = (Some(LARGEST_SIDE), Some(LARGEST_SIDE));
    reader.limits(limits);
    reader.decode().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::check_memory;

    #[test]
    fn more_than_the_machine_holds_is_refused() {
        assert!(check_memory("SET", [100_000, 3, 64, 64]).is_ok());
        let message = check_memory("SET", [usize::MAX, 3, 64, 64]).unwrap_err().to_string();
        assert!(message.contains("SET") && message.contains("data.size"), "{message}");
    }
}
