//! Sums over axes.

use candle_core::Tensor;
use num_traits::Zero;

use super::{Element, dispatch, with_slice};
use crate::error::Result;

/// The sum of `x` over `axes`, which keep the size 1.
pub(crate) fn sum(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    axes.iter().for_each(|&axis| dims[axis] = 1);
    dispatch!(x, T => {
        let mut out = vec![T::zero(); dims.iter().product()];
        with_slice::<T, _>(x, |data| {
            sum_runs(data, &merged(x.dims(), axes), &mut out);
            Ok(())
        })?;
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}

/// The axes as (size, summed) from the outermost, neighbours of one kind merged.
fn merged(dims: &[usize], axes: &[usize]) -> Vec<(usize, bool)> {
    let mut runs: Vec<(usize, bool)> = Vec::new();
    for (axis, &size) in dims.iter().enumerate() {
        let summed = axes.contains(&axis);
        match runs.last_mut() {
            Some(last) if last.1 == summed => last.0 *= size,
            _ => runs.push((size, summed)),
        }
    }
    runs
}

/// Adds `x`, laid out as `runs`, onto `out`, laid out as the runs that are not summed.
fn sum_runs<T: Element>(x: &[T], runs: &[(usize, bool)], out: &mut [T]) {
    match runs {
        [] => out[0] += x[0],
        [(_, true)] => out[0] += lane_sum(x),
        [(_, false)] => out.iter_mut().zip(x).for_each(|(out, x)| *out += *x),
        [(size, summed), inner @ ..] if x.len() >= *size && *size > 0 => {
            let step = if *summed { 0 } else { out.len() / size };
            for (i, part) in x.chunks_exact(x.len() / size).enumerate() {
                let start = i * step;
                let end = if *summed { out.len() } else { start + step };
                sum_runs(part, inner, &mut out[start..end]);
            }
        }
        _ => {}
    }
}

/// Σ x in sixteen interleaved partial sums: vectorises, and rounds less than one running sum.
fn lane_sum<T: Element>(x: &[T]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::zero(); LANES];
    let chunks = x.chunks_exact(LANES);
    let rest: T = chunks.remainder().iter().copied().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += *x);
    }
    lanes.into_iter().sum::<T>() + rest
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    #[test]
    fn agrees_with_candle_on_every_choice_of_axes() -> crate::Result<()> {
        let x = Tensor::randn(0.0_f64, 1.0, (3, 4, 5, 37), &Device::Cpu)?;
        for mask in 0_usize..16 {
            let axes: Vec<usize> = (0..4).filter(|axis| mask >> axis & 1 == 1).collect();
            let expected = x.sum_keepdim(axes.as_slice())?;
            let error = (super::sum(&x, &axes)? - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-12, "axes {axes:?}: {error}");
        }
        Ok(())
    }
}
