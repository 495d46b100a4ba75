//! From bytes to what a network sees, exactly as the paper's code (torchvision's `ToTensor`, `Normalize`, `Pad`) does it.

use candle_core::{Device, Tensor};
use eigenscape_core::Result;

/// What the border of a padded image holds: the normalised value of a black pixel.
const BORDER: f32 = -1.0;

/// A pixel's normalised value, (b/255 − 1/2) / (1/2) in `f32`, with the roundings of torch's operations in their order.
///
/// ```
/// use eigenscape_datasets::pixels::normalised;
/// assert_eq!((normalised(0), normalised(255)), (-1.0, 1.0));
/// ```
#[must_use]
pub fn normalised(byte: u8) -> f32 {
    (f32::from(byte) / 255.0 - 0.5) / 0.5
}

/// `count` grey images, row-major in `bytes`, as \[count, 1, height + 2 pad, width + 2 pad\] of type `f32`: each pixel
/// [`normalised`], then `pad` pixels of value −1 on each side.
///
/// # Errors
/// When `bytes` is not `count * height * width` long.
///
/// # Panics
/// When `height` or `width` is 0.
pub fn normalised_and_padded(
    bytes: &[u8],
    count: usize,
    [height, width]: [usize; 2],
    pad: usize,
) -> Result<Tensor> {
    let table: Vec<f32> = (0..=u8::MAX).map(normalised).collect();
    let (tall, wide) = (height + 2 * pad, width + 2 * pad);
    let mut values = Vec::with_capacity(count * tall * wide);
    for image in bytes.chunks_exact(height * width) {
        values.resize(values.len() + pad * wide, BORDER);
        for row in image.chunks_exact(width) {
            values.resize(values.len() + pad, BORDER);
            values.extend(row.iter().map(|byte| table[usize::from(*byte)]));
            values.resize(values.len() + pad, BORDER);
        }
        values.resize(values.len() + pad * wide, BORDER);
    }
    Ok(Tensor::from_vec(values, (count, 1, tall, wide), &Device::Cpu)?)
}
