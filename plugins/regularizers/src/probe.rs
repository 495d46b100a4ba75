//! Random inputs of penalties.

use candle_core::{Device, Tensor};
use eigenscape_core::{Probe, Result};
use rand::{Rng, RngExt};

/// A random probe of this shape.
///
/// # Errors
/// When the tensor cannot be made.
pub fn draw(probe: Probe, shape: &[usize], generator: &mut dyn Rng) -> Result<Tensor> {
    tensor(probe.draw(shape.iter().product(), generator, |x| x as f32), shape)
}

/// A mask m of elements 1/√keep with probability `keep`, otherwise 0: E\[(m ∘ v)(m ∘ v)ᵀ\] = I if
/// E\[v vᵀ\] = I.
///
/// # Errors
/// When the tensor cannot be made.
pub fn mask(keep: f64, shape: &[usize], generator: &mut dyn Rng) -> Result<Tensor> {
    let kept = keep.sqrt().recip() as f32;
    let mut element = || if generator.random::<f64>() < keep { kept } else { 0.0 };
    tensor((0..shape.iter().product()).map(|_| element()).collect(), shape)
}

/// Gumbel noise g = −log(−log u) with u uniform in (0, 1): argmax_c (z_c + g_c) is c with
/// probability softmax(z)_c (Gumbel 1954).
///
/// # Errors
/// When the tensor cannot be made.
pub fn gumbel(shape: &[usize], generator: &mut dyn Rng) -> Result<Tensor> {
    let mut element = || -(-generator.random::<f64>().ln()).ln() as f32;
    tensor((0..shape.iter().product()).map(|_| element()).collect(), shape)
}

/// √D at element `index` of the D elements of each sample \[N, ...\], otherwise 0. The mean of v vᵀ
/// over all D of these v is exactly I.
///
/// # Errors
/// When the tensor cannot be made.
pub fn unit(index: usize, shape: &[usize]) -> Result<Tensor> {
    let each = elements_of_sample(shape);
    let count = shape.iter().product();
    let value = (each as f64).sqrt() as f32;
    tensor((0..count).map(|i: usize| if i % each == index { value } else { 0.0 }).collect(), shape)
}

/// D, the number of elements of each sample of a tensor \[N, ...\].
#[must_use]
pub fn elements_of_sample(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

fn tensor(elements: Vec<f32>, shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::from_vec(elements, shape, &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use eigenscape_core::Random;

    use super::*;

    /// The mean and the mean square of many draws are right within five standard errors.
    #[test]
    fn probes_have_mean_zero_and_variance_one() {
        const COUNT: usize = 20_000;
        let mut generator = Random::new(3).stream("test", 0);
        let both = |probe: Probe, generator: &mut dyn Rng| {
            let kept = mask(0.25, &[COUNT], generator).unwrap();
            [
                draw(probe, &[COUNT], generator).unwrap(),
                (draw(probe, &[COUNT], generator).unwrap() * kept).unwrap(),
            ]
        };
        for (probe, fourth) in [(Probe::Rademacher, 1.0), (Probe::Gaussian, 3.0)] {
            for (tensor, fourth) in both(probe, &mut generator).into_iter().zip([fourth, 4.0 * fourth]) {
                let values = tensor.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
                let mean = values.iter().sum::<f64>() / COUNT as f64;
                let square = values.iter().map(|value| value * value).sum::<f64>() / COUNT as f64;
                let bound = |variance: f64| 5.0 * (variance / COUNT as f64).sqrt() + 1e-6;
                assert!(mean.abs() < bound(1.0), "{probe}: mean {mean}");
                assert!((square - 1.0).abs() < bound(fourth - 1.0), "{probe}: mean square {square}");
            }
        }
    }

    #[test]
    fn the_largest_of_logits_with_gumbel_noise_is_drawn_by_softmax() {
        const COUNT: usize = 20_000;
        let noise = gumbel(&[COUNT, 2], &mut Random::new(4).stream("test", 0)).unwrap();
        // Logits (1, 0): the first class has the probability 1/(1 + 1/e).
        let rows = noise.to_vec2::<f32>().unwrap();
        let first = rows.iter().filter(|row| row[0] + 1.0 > row[1]).count() as f64 / COUNT as f64;
        let p = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!((first - p).abs() < 5.0 * (p * (1.0 - p) / COUNT as f64).sqrt(), "{first} {p}");
    }

    #[test]
    fn units_are_one_element_of_each_sample() {
        assert_eq!(elements_of_sample(&[2, 2, 2]), 4);
        let expected = [[0.0, 2.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]];
        let found = unit(1, &[2, 2, 2]).unwrap().reshape((2, 4)).unwrap();
        assert_eq!(found.to_vec2::<f32>().unwrap(), expected);
    }
}
