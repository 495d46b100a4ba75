//! Dropout masks: drawn for each evaluation of a program, and constant under differentiation.

use candle_core::{DType, Device, Tensor};
use eigenscape_core::Result;
use eigenscape_program::Mask;
use rand::{Rng, RngExt};

/// Draws each mask for `samples` samples, \[N, ...\]: an element is 1/keep with probability keep,
/// otherwise 0.
///
/// # Errors
/// When a tensor cannot be made.
pub fn draw(masks: &[Mask], samples: usize, dtype: DType, generator: &mut impl Rng) -> Result<Vec<Tensor>> {
    let one = |mask: &Mask| {
        let shape: Vec<usize> = std::iter::once(samples).chain(mask.shape.iter().copied()).collect();
        let mut element = || if generator.random::<f64>() < mask.keep { mask.keep.recip() } else { 0.0 };
        let elements: Vec<f64> = (0..shape.iter().product()).map(|_| element()).collect();
        Ok(Tensor::from_vec(elements, shape, &Device::Cpu)?.to_dtype(dtype)?)
    };
    masks.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Random;

    use super::*;

    fn values(seed: u64, index: u64) -> Vec<f64> {
        let masks = [Mask { module: "drop".to_owned(), shape: vec![40, 5], keep: 0.8 }];
        let mut generator = Random::new(seed).stream("dropout", index);
        let drawn = draw(&masks, 20, DType::F64, &mut generator).unwrap();
        assert_eq!(drawn[0].dims(), [20, 40, 5]);
        drawn[0].flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_mask_keeps_its_share_and_the_mean() {
        let values = values(1, 0);
        assert!(values.iter().all(|value| *value == 0.0 || *value == 1.25));
        // 4000 draws of a number of mean 1 and variance (1 − 0.8)/0.8, within five standard errors.
        let mean = values.iter().sum::<f64>() / 4000.0;
        assert!((mean - 1.0).abs() < 5.0 * (0.25 / 4000.0_f64).sqrt(), "{mean}");
    }

    #[test]
    fn masks_follow_from_seed_and_index_alone() {
        assert_eq!(values(1, 3), values(1, 3));
        assert_ne!(values(1, 3), values(1, 4));
        assert_ne!(values(1, 3), values(2, 3));
    }
}
