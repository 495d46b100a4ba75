//! Whether samples can be evaluated apart from each other, of a network of which it is not known.

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Error, Result};

use crate::{placed::PlacedPoint, point::Point, programs::Programs};

/// How many of the first samples are compared. Sorting along the samples' axis, say, leaves few
/// samples where they are, but rarely all of these.
const COMPARED: usize = 8;

/// The difference, relative to the largest output, up to which outputs in f64 are the same.
const TOLERANCE: f64 = 1e-9;

/// Refuses a network that [may couple samples](eigenscape_program::Network::may_mix_samples) and
/// does: the outputs of the first samples together are not those of each alone. Micro-batches and
/// rows of single samples would be those of another function. The answer is kept with the point.
pub(super) fn check(programs: &Programs, point: &PlacedPoint) -> Result<()> {
    if !programs.network().may_mix_samples() || programs.network().mixes_samples().is_some() {
        return Ok(());
    }
    if point.independent(|| are_independent(programs, point))? {
        return Ok(());
    }
    Err(Error::unsupported(
        "the outputs of a sample alone are not those that it has among others: an operation of the network works \
         along the axis of the samples, so that they can only be evaluated all at once; use the estimator \
         \"lanczos\", \"dense\" or \"hutchinson\", with enough `memory` for all samples",
    ))
}

/// Whether the outputs of the first samples are the same alone as together. If not, only all
/// samples at once give the network's outputs. True without an evaluation where the network is
/// known not to couple samples.
///
/// # Errors
/// When a program cannot be built or evaluated.
pub fn samples_are_independent(programs: &Programs, point: &Point) -> Result<bool> {
    let network = programs.network();
    if network.mixes_samples().is_some() || !network.may_mix_samples() {
        return Ok(network.mixes_samples().is_none());
    }
    are_independent(programs, &PlacedPoint::from(point.clone()))
}

fn are_independent(programs: &Programs, point: &PlacedPoint) -> Result<bool> {
    let count = point.samples().min(COMPARED);
    let outputs = |range: std::ops::Range<usize>| -> Result<Tensor> {
        let point = point.narrow(range.clone())?;
        Ok(programs.loss(range.len())?.at_in_f64(&point)?.remove(1))
    };
    let together = outputs(0..count)?;
    let alone = (0..count).map(|sample| outputs(sample..sample + 1)).collect::<Result<Vec<_>>>()?;
    let largest = |tensor: &Tensor| -> Result<f64> {
        let numbers = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        // A NaN, which is reported elsewhere, is no sign of coupled samples.
        Ok(numbers.into_iter().map(f64::abs).fold(0.0, f64::max))
    };
    let difference = largest(&(&together - Tensor::cat(&alone, 0)?)?)?;
    Ok(difference <= TOLERANCE * largest(&together)?)
}
