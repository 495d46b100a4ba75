//! Checks of augmentation: parameter ranges, and whether the data set has images.

use eigenscape_core::Dataset;

use super::Checker;
use crate::{
    augment::{Augmentation, Change},
    diagnostic::ConfigError,
    raw,
};

/// The largest frame of a crop: a larger one would cut the image out of most windows.
const WIDEST_FRAME: usize = 98;

impl Checker<'_> {
    /// The augmentation of training images, if any.
    pub(super) fn augment(
        &mut self,
        raw: &raw::Data,
        data: &dyn Dataset,
        trains: bool,
    ) -> Result<Option<Augmentation>, ConfigError> {
        if raw.augment.is_empty() {
            return Ok(None);
        }
        for (index, change) in raw.augment.iter().enumerate() {
            let path = format!("data.augment[{index}]");
            match *change {
                Change::Flip => {}
                Change::Rotate(degrees) => {
                    self.in_range(&path, degrees, "an angle above 0, up to 180", |a| a > 0.0 && a <= 180.0)?;
                }
                Change::Crop(frame) if (1..=WIDEST_FRAME).contains(&frame) => {}
                Change::Crop(frame) => {
                    let problem = format!("a border of {frame} pixels cannot be used");
                    return Err(self.error(&path, problem, format!("use 1 to {WIDEST_FRAME} pixels")));
                }
            }
        }
        let background = data.background().ok_or_else(|| {
            let problem = format!("`{}` is not known to be a data set of images", raw.name);
            self.error("data.augment", problem, "remove `augment`, or choose a data set of images")
        })?;
        if !trains {
            self.warnings
                .push("`data.augment` changes images in training, and nothing is trained".to_owned());
        }
        Ok(Some(Augmentation::new(raw.augment.clone(), background)))
    }
}
