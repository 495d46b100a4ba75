//! Tiny ImageNet's folders: `train/WNID/images/FILE`, and `val/images/FILE` with the classes in
//! `val/val_annotations.txt`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use eigenscape_core::{Error, Result};

use crate::{
    folder,
    labelled::LabelledImages,
    source::{Contents, Source},
};

/// The list of the classes, which are numbered in sorted order as by torchvision's `ImageFolder`.
pub const CLASSES: &str = "wnids.txt";
/// File, class and bounding box of each image of the test split.
pub const ANNOTATIONS: &str = "val/val_annotations.txt";
/// The folders with the images.
pub const FOLDERS: &[&str] = &["train", VALIDATION];
const VALIDATION: &str = "val/images";

/// Reads the split that a file belongs to: [`CLASSES`] to the training split, [`ANNOTATIONS`] to
/// the test split (which is the validation split, since the published test split has no labels).
///
/// # Errors
/// When a file is missing or damaged, or refers to a missing file.
pub fn read(
    source: &Source,
    file: &Contents<'_>,
    [channels, height, width]: [usize; 3],
) -> Result<LabelledImages> {
    let classes = classes(source)?;
    let size = Some([height as u32, width as u32]);
    if file.subject == source.subject_of(Path::new(CLASSES)) {
        let mut files = Vec::new();
        for (class, name) in (0..).zip(&classes) {
            let images = source.images(&Path::new("train").join(name).join("images"))?;
            files.extend(images.into_iter().map(|image| (class, image)));
        }
        return folder::images(source, &files, channels, size, classes.len());
    }
    let text = String::from_utf8_lossy(&file.bytes);
    let refuse = |line: usize, problem: String| {
        Error::input(format!("{}, line {}", file.subject, line + 1), problem, "unpack the archive again")
    };
    let entry = |(line, text): (usize, &str)| -> Result<(u32, PathBuf)> {
        let mut fields = text.split('\t');
        let (Some(name), Some(class)) = (fields.next(), fields.next()) else {
            return Err(refuse(line, "it has no file and class".to_owned()));
        };
        let class = classes.iter().position(|known| known == class);
        let class = class.ok_or_else(|| refuse(line, format!("its class is not in {CLASSES}")))?;
        if !is_plain(name) {
            return Err(refuse(line, "it names no file beside it".to_owned()));
        }
        Ok((class as u32, Path::new(VALIDATION).join(name)))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let files: Vec<(u32, PathBuf)> = lines.map(entry).collect::<Result<_>>()?;
    folder::images(source, &files, channels, size, classes.len())
}

/// The classes, sorted.
///
/// # Errors
/// When their list cannot be read.
pub fn classes(source: &Source) -> Result<Vec<String>> {
    let file = source.read(Path::new(CLASSES))?;
    let mut classes: Vec<String> =
        String::from_utf8_lossy(&file.bytes).split_whitespace().map(str::to_owned).collect();
    if let Some(class) = classes.iter().find(|class| !is_plain(class)) {
        let problem = format!("the class `{class}` names no folder in train");
        return Err(Error::input(file.subject, problem, "unpack the archive again"));
    }
    classes.sort_unstable();
    Ok(classes)
}

/// Whether a name is a file name without a path.
fn is_plain(name: &str) -> bool {
    Path::new(name).file_name() == Some(OsStr::new(name))
}
