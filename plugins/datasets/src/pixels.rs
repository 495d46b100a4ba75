//! Converts bytes to inputs of a network, exactly as torchvision's `Pad`, `ToTensor` and
//! `Normalize`.

use candle_core::{Device, Tensor};
use eigenscape_core::{Error, Result};

/// 28 + 2·98 = 224, the size of the largest images that common networks take.
const MAX_PAD: usize = 98;

/// Mean and deviation of each channel, of pixels scaled to \[0, 1\]; a single entry holds for every
/// channel.
pub type Statistics = [&'static [f32]; 2];

/// Normalises to (b/255 − 1/2) / (1/2), from −1 to 1.
pub const HALVES: Statistics = [&[0.5], &[0.5]];

/// A pixel's value normalised by [`HALVES`], rounded as by torch's operations in their order.
///
/// ```
/// use eigenscape_datasets::pixels::normalised;
/// assert_eq!((normalised(0), normalised(255)), (-1.0, 1.0));
/// ```
#[must_use]
pub fn normalised(byte: u8) -> f32 {
    normalised_by(byte, 0.5, 0.5)
}

/// (b/255 − mean) / deviation in `f32`.
fn normalised_by(byte: u8, mean: f32, deviation: f32) -> f32 {
    (f32::from(byte) / 255.0 - mean) / deviation
}

/// How images are normalised and padded.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Mean and deviation, one for each channel.
    channels: Vec<[f32; 2]>,
    pad: usize,
}

impl Preparation {
    /// For images of `channels` channels. `mean` and `std` replace those of `statistics` if they
    /// are given.
    ///
    /// # Errors
    /// When the number of means or deviations is neither 1 nor `channels`, a deviation is not
    /// positive, pixels would not be finite, or `pad` is above 98.
    pub fn new(
        channels: usize,
        statistics: Statistics,
        mean: Option<&[f32]>,
        std: Option<&[f32]>,
        pad: usize,
    ) -> Result<Self> {
        if pad > MAX_PAD {
            let problem = format!("{pad} pixels of padding are too many");
            return Err(Error::input("data.pad", problem, format!("use at most {MAX_PAD}")));
        }
        let each = |key: &str, given: &[f32]| match *given {
            [one] => Ok(vec![one; channels]),
            ref several if several.len() == channels => Ok(several.to_vec()),
            ref other => {
                let problem = format!("{} numbers are given for {channels} channels", other.len());
                Err(Error::input(format!("data.{key}"), problem, "give one, or one for each channel"))
            }
        };
        let means = each("mean", mean.unwrap_or(statistics[0]))?;
        let deviations = each("std", std.unwrap_or(statistics[1]))?;
        if !deviations.iter().all(|deviation| *deviation > 0.0) {
            return Err(Error::input("data.std", "a deviation is not positive", "use positive numbers"));
        }
        let channels: Vec<[f32; 2]> =
            means.into_iter().zip(deviations).map(|(mean, deviation)| [mean, deviation]).collect();
        let extreme =
            |[mean, deviation]: &[f32; 2]| [0, 255].map(|byte| normalised_by(byte, *mean, *deviation));
        if !channels.iter().flat_map(extreme).all(f32::is_finite) {
            let problem = "pixels normalised by it are not finite";
            return Err(Error::input("data.std", problem, "use a larger deviation, or a smaller mean"));
        }
        Ok(Self { channels, pad })
    }

    /// Pixels added on each side.
    #[must_use]
    pub fn pad(&self) -> usize {
        self.pad
    }

    /// The value of a black pixel in each channel, which is also that of the padding.
    #[must_use]
    pub fn black(&self) -> Vec<f32> {
        self.channels.iter().map(|[mean, deviation]| normalised_by(0, *mean, *deviation)).collect()
    }

    /// The size C, H and W of an image after padding.
    #[must_use]
    pub fn prepared(&self, [channels, height, width]: [usize; 3]) -> [usize; 3] {
        [channels, height + 2 * self.pad, width + 2 * self.pad]
    }

    /// N images \[C, H, W\], each row-major, as \[N, C, H + 2 pad, W + 2 pad\] of type `f32`:
    /// padded by black pixels, then normalised.
    ///
    /// # Errors
    /// When an image does not have that many bytes.
    pub fn apply(&self, images: &[&[u8]], size: [usize; 3]) -> Result<Tensor> {
        let ([_, height, width], [channels, tall, wide]) = (size, self.prepared(size));
        let tables: Vec<[f32; 256]> = self
            .channels
            .iter()
            .map(|[mean, deviation]| std::array::from_fn(|byte| normalised_by(byte as u8, *mean, *deviation)))
            .collect();
        let mut values = Vec::with_capacity(images.len() * channels * tall * wide);
        let planes = images.iter().flat_map(|image| image.chunks_exact((height * width).max(1)));
        for (plane, table) in planes.zip(tables.iter().cycle()) {
            self.frame(plane, width, table, &mut values);
        }
        Ok(Tensor::from_vec(values, (images.len(), channels, tall, wide), &Device::Cpu)?)
    }

    /// Appends a plane with rows of `width` bytes, surrounded by padding.
    fn frame(&self, plane: &[u8], width: usize, table: &[f32; 256], values: &mut Vec<f32>) {
        let (pad, black) = (self.pad, table[0]);
        let wide = width + 2 * pad;
        values.resize(values.len() + pad * wide, black);
        for row in plane.chunks_exact(width.max(1)) {
            values.resize(values.len() + pad, black);
            values.extend(row.iter().map(|byte| table[usize::from(*byte)]));
            values.resize(values.len() + pad, black);
        }
        values.resize(values.len() + pad * wide, black);
    }

    /// A text like "pixels from 0 to 1 normalised by mean 0.5000 and deviation 0.5000".
    #[must_use]
    pub fn description(&self) -> String {
        let numbers = |index: usize| -> String {
            let numbers: Vec<String> = self.channels.iter().map(|c| format!("{:.4}", c[index])).collect();
            numbers.join(", ")
        };
        format!("pixels from 0 to 1 normalised by mean {} and deviation {}", numbers(0), numbers(1))
    }
}

/// Transposes every plane of `size` × `size`: some sets store images column by column.
pub fn transpose(bytes: &mut [u8], size: usize) {
    for plane in bytes.chunks_exact_mut((size * size).max(1)) {
        for row in 0..size {
            for column in 0..row {
                plane.swap(row * size + column, column * size + row);
            }
        }
    }
}
