//! Augmentation: random changes of the training images, drawn anew in each epoch and prepared ahead
//! of the step that needs them.
//!
//! An augmented image depends only on the seed, the epoch and the image's index in the training
//! split, not on its batch or the number of threads. Evaluation uses the original images, and so
//! does a probe unless it sets `augment`.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Error, Inputs, Random, Result};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Batches prepared in advance: one for the next step, and one more in case that step is short.
const READY: usize = 2;

/// A random change of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Left and right exchanged, with probability 1/2.
    Flip,
    /// A rotation about the centre by an angle drawn uniformly from −a to a degrees, with bilinear
    /// interpolation; pixels from outside the image are black.
    Rotate(f64),
    /// A window of the image's size, placed at random in the image with a black frame of this many
    /// pixels.
    Crop(usize),
}

/// The random changes of an experiment, in order, for images of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmentation {
    changes: Vec<Change>,
    /// The value of black in each channel.
    background: Vec<f32>,
}

impl Augmentation {
    /// Changes for images in which black is `background`, one number per channel.
    #[must_use]
    pub fn new(changes: Vec<Change>, background: Vec<f32>) -> Self {
        Self { changes, background }
    }

    /// The images \[N, C, H, W\] at `indices`, as changed in an epoch.
    ///
    /// # Errors
    /// When an index is out of range, or the inputs are not images with one channel per number of
    /// the background.
    pub fn batch(&self, inputs: &Inputs, indices: &[u32], random: Random, epoch: usize) -> Result<Tensor> {
        let picked = inputs.select(indices)?;
        let (count, channels, height, width) = picked.dims4()?;
        if channels != self.background.len() {
            let problem = format!("its images have {channels} channels, not {}", self.background.len());
            return Err(Error::input("the data set", problem, "remove `data.augment`"));
        }
        let mut values: Vec<f32> = picked.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let size = channels * height * width;
        for (image, index) in values.chunks_exact_mut(size.max(1)).zip(indices) {
            let mut generator = random.stream("augment", (epoch as u64) << 32 | u64::from(*index));
            for change in &self.changes {
                change.apply(image, [height, width], &self.background, &mut generator);
            }
        }
        let batch = Tensor::from_vec(values, (count, channels, height, width), &Device::Cpu)?;
        Ok(batch.to_dtype(picked.dtype())?.to_device(picked.device())?)
    }

    /// The batches of an epoch, prepared by another thread while steps are computed.
    #[must_use]
    pub fn ahead(&self, inputs: &Inputs, order: &[u32], size: usize, random: Random, epoch: usize) -> Ahead {
        let (sender, batches) = sync_channel(READY);
        let (augmentation, inputs, order) = (self.clone(), inputs.clone(), order.to_vec());
        thread::spawn(move || {
            for indices in order.chunks(size) {
                // The receiver is gone if the epoch was interrupted.
                if sender.send(augmentation.batch(&inputs, indices, random, epoch)).is_err() {
                    return;
                }
            }
        });
        Ahead { batches }
    }
}

/// Batches that another thread prepares.
pub struct Ahead {
    batches: Receiver<Result<Tensor>>,
}

impl Ahead {
    /// The next batch's inputs.
    ///
    /// # Errors
    /// When the batch could not be prepared, or no batch is left.
    pub fn inputs(&mut self) -> Result<Tensor> {
        let ended = |_| Error::input("data.augment", "the preparation of images failed", "report this");
        self.batches.recv().map_err(ended)?
    }
}

/// Computes a pixel's new value from its channel's plane, the channel's black, the row and the
/// column.
type NewPixel = dyn Fn(&[f32], f32, usize, usize) -> f32;

impl Change {
    /// Changes an image \[C, H, W\] in place.
    fn apply(
        self,
        image: &mut [f32],
        [height, width]: [usize; 2],
        background: &[f32],
        random: &mut impl Rng,
    ) {
        // The random numbers are drawn once for all channels.
        let change: Box<NewPixel> = match self {
            Self::Flip => {
                if random.random::<bool>() {
                    return;
                }
                Box::new(move |plane, _, y, x| plane[y * width + width - 1 - x])
            }
            Self::Rotate(degrees) => {
                let (sin, cos) = (degrees * random.random_range(-1.0..=1.0)).to_radians().sin_cos();
                let [cy, cx] = [height, width].map(|side| (side as f64 - 1.0) / 2.0);
                Box::new(move |plane, black, y, x| {
                    let (dy, dx) = (y as f64 - cy, x as f64 - cx);
                    between(
                        plane,
                        [height, width],
                        black,
                        [cy + cos * dy - sin * dx, cx + sin * dy + cos * dx],
                    )
                })
            }
            Self::Crop(frame) => {
                let frame = frame as i64;
                let [dy, dx] = [(); 2].map(|()| random.random_range(-frame..=frame) as isize);
                Box::new(move |plane, black, y, x| {
                    pixel(plane, [height, width], y as isize + dy, x as isize + dx).unwrap_or(black)
                })
            }
        };
        let before = image.to_vec();
        let size = height * width;
        for ((after, plane), black) in
            image.chunks_exact_mut(size).zip(before.chunks_exact(size)).zip(background)
        {
            for y in 0..height {
                for x in 0..width {
                    after[y * width + x] = change(plane, *black, y, x);
                }
            }
        }
    }
}

/// The pixel at (y, x); `None` outside the plane.
fn pixel(plane: &[f32], [height, width]: [usize; 2], y: isize, x: isize) -> Option<f32> {
    let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
    (y < height && x < width).then(|| plane[y * width + x])
}

/// The value between pixels, by bilinear interpolation with `black` outside.
fn between(plane: &[f32], size: [usize; 2], black: f32, [y, x]: [f64; 2]) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    let at = |dy: isize, dx: isize| {
        f64::from(pixel(plane, size, top as isize + dy, left as isize + dx).unwrap_or(black))
    };
    let row = |dy: isize| (1.0 - right) * at(dy, 0) + right * at(dy, 1);
    ((1.0 - down) * row(0) + down * row(1)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Inputs {
        let values: Vec<f32> = (0..6 * 2 * 4 * 4).map(|i| (i % 97) as f32).collect();
        Tensor::from_vec(values, (6, 2, 4, 4), &Device::Cpu).unwrap().into()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn augmentation(changes: &[Change]) -> Augmentation {
        Augmentation::new(changes.to_vec(), vec![-1.0, -2.0])
    }

    const ALL: &[Change] = &[Change::Flip, Change::Rotate(15.0), Change::Crop(1)];

    #[test]
    fn an_image_depends_on_seed_epoch_and_index_alone() {
        let all = augmentation(ALL);
        let batch =
            |indices: &[u32], seed, epoch| all.batch(&images(), indices, Random::new(seed), epoch).unwrap();
        let whole = batch(&[0, 1, 2, 3, 4, 5], 7, 1);
        let part = batch(&[4, 2], 7, 1);
        for (row, index) in [4, 2].into_iter().enumerate() {
            assert_eq!(numbers(&part.get(row).unwrap()), numbers(&whole.get(index).unwrap()));
        }
        assert_ne!(numbers(&whole), numbers(&batch(&[0, 1, 2, 3, 4, 5], 7, 2)));
        assert_ne!(numbers(&whole), numbers(&batch(&[0, 1, 2, 3, 4, 5], 8, 1)));
    }

    #[test]
    fn batches_come_in_the_order_of_the_epoch() {
        let all = augmentation(ALL);
        let order = [5, 3, 0, 1, 4];
        let mut ahead = all.ahead(&images(), &order, 2, Random::new(3), 4);
        for indices in order.chunks(2) {
            let expected = all.batch(&images(), indices, Random::new(3), 4).unwrap();
            assert_eq!(numbers(&ahead.inputs().unwrap()), numbers(&expected));
        }
        assert!(ahead.inputs().is_err());
        // Dropping the receiver early must not block the preparing thread.
        drop(all.ahead(&images(), &order, 1, Random::new(3), 4));
    }

    #[test]
    fn a_flip_exchanges_left_and_right_of_half_the_images() {
        let one = images().range(0, 1).unwrap();
        let mut flipped = 0;
        for epoch in 0..200 {
            let changed = augmentation(&[Change::Flip])
                .batch(&one.clone().into(), &[0], Random::new(1), epoch)
                .unwrap();
            let (before, after) = (numbers(&one), numbers(&changed));
            if before == after {
                continue;
            }
            flipped += 1;
            for (before, after) in before.chunks(4).zip(after.chunks(4)) {
                assert!(before.iter().eq(after.iter().rev()));
            }
        }
        // Half of 200 flips, ± 5 standard deviations of √200/2 = 7.1.
        assert!((65..=135).contains(&flipped), "{flipped}");
    }

    #[test]
    fn a_crop_moves_the_image_and_fills_with_black() {
        let one = images().range(0, 1).unwrap();
        let before = numbers(&one);
        let mut seen = std::collections::BTreeSet::new();
        for epoch in 0..100 {
            let after = numbers(
                &augmentation(&[Change::Crop(1)])
                    .batch(&one.clone().into(), &[0], Random::new(1), epoch)
                    .unwrap(),
            );
            let shifts = (-1..=1_isize).flat_map(|dy| (-1..=1_isize).map(move |dx| (dy, dx)));
            let found = shifts.into_iter().find(|(dy, dx)| {
                (0..32).all(|i| {
                    let (channel, y, x) = (i / 16, (i / 4 % 4) as isize + dy, (i % 4) as isize + dx);
                    let plane = &before[channel * 16..(channel + 1) * 16];
                    after[i] == pixel(plane, [4, 4], y, x).unwrap_or([-1.0, -2.0][channel])
                })
            });
            seen.insert(found.unwrap());
        }
        assert_eq!(seen.len(), 9);
    }

    /// Weights worked out by hand: half of each of two pixels, a quarter of each of four, and black
    /// beyond the edge.
    #[test]
    fn between_pixels_is_linear_in_both_directions() {
        let plane = [0.0, 1.0, 2.0, 3.0];
        let at = |y, x| between(&plane, [2, 2], -1.0, [y, x]);
        assert_eq!((at(0.0, 0.0), at(1.0, 0.0), at(0.0, 0.5), at(0.5, 0.5)), (0.0, 2.0, 0.5, 1.5));
        assert_eq!((at(-0.5, 0.0), at(0.0, 1.5), at(5.0, 5.0)), (-0.5, 0.0, -1.0));
    }

    /// A plane whose value is linear in x and y stays so under rotation: its gradient turns by the
    /// angle, which is at most 30 degrees.
    #[test]
    fn a_rotation_turns_about_the_centre() {
        const SIDE: usize = 9;
        let ramp: Vec<f32> = (0..SIDE * SIDE).map(|i| (i % SIDE) as f32 - 4.0).collect();
        let ramp = Tensor::from_vec(ramp, (1, 1, SIDE, SIDE), &Device::Cpu).unwrap();
        let mut angles = Vec::new();
        for epoch in 0..50 {
            let turn = Augmentation::new(vec![Change::Rotate(30.0)], vec![0.0]);
            let turned = numbers(&turn.batch(&ramp.clone().into(), &[0], Random::new(2), epoch).unwrap());
            let at = |y: usize, x: usize| f64::from(turned[y * SIDE + x]);
            assert!(at(4, 4).abs() < 1e-6);
            let [along_x, along_y] = [at(4, 5) - at(4, 4), at(5, 4) - at(4, 4)];
            assert!((along_x.hypot(along_y) - 1.0).abs() < 1e-5, "{along_x} {along_y}");
            angles.push(along_y.atan2(along_x).to_degrees());
        }
        assert!(angles.iter().all(|angle| angle.abs() <= 30.0));
        assert!(angles.iter().any(|angle| *angle > 10.0) && angles.iter().any(|angle| *angle < -10.0));
    }

    #[test]
    fn other_numbers_of_channels_are_refused() {
        let grey = Augmentation::new(vec![Change::Flip], vec![0.0]);
        assert!(grey.batch(&images(), &[0], Random::new(0), 1).is_err());
    }
}
