//! Spectra as probability measures on the line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The largest deviation of a sum of weights from 1 that counts as rounding and not as mass.
pub(crate) const NO_MASS: f64 = 1e-12;

/// A Ritz value θ that Lanczos found from one random vector, as a node of that vector's quadrature
/// rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// θ.
    pub value: f64,
    /// Its weight in the rule.
    pub weight: f64,
    /// ‖H y − θ y‖ of its unit Ritz vector y: some eigenvalue lies within this distance of θ.
    pub residual: f64,
}

/// The eigenvalue distribution of a symmetric operator of dimension P: the probability measure
/// μ = Σᵢ wᵢ δ(λᵢ) + w₀ δ(0), with w₀ = 1 − Σᵢ wᵢ the mass at zero that is not listed.
///
/// An *exact* spectrum lists every non-zero eigenvalue with weight 1/P. An *estimated* one
/// (stochastic Lanczos quadrature, Ubaru, Chen & Saad 2017) lists Ritz values with quadrature
/// weights that sum to 1.
///
/// ```
/// use eigenscape_core::Spectrum;
/// let spectrum = Spectrum::exact(4, vec![1.0, 3.0], 0)?;
/// assert_eq!(spectrum.eigenvalues, [3.0, 1.0]);
/// assert_eq!(spectrum.mass_at_zero(), 0.5);
/// assert_eq!(spectrum.trace, 4.0);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// P, the number of eigenvalues of the operator.
    pub dimension: usize,
    /// Eigenvalues or Ritz values, sorted from the largest.
    pub eigenvalues: Vec<f64>,
    /// The weight of each eigenvalue; with the mass at zero they sum to 1.
    pub weights: Vec<f64>,
    /// An upper bound of the distance from each Ritz value to the nearest eigenvalue; empty where
    /// unknown, and for exact spectra.
    #[serde(default)]
    pub residuals: Vec<f64>,
    /// A lower bound of the smallest eigenvalue and an upper bound of the largest, each with a
    /// probability of 95 %; `None` where unknown, and for exact spectra.
    #[serde(default)]
    pub extreme_bounds: Option<[f64; 2]>,
    /// The index of the random vector that gave each Ritz value; empty where nothing is random.
    #[serde(default)]
    pub origins: Vec<u32>,
    /// Whether every eigenvalue is exact up to rounding (no sampling, no truncation).
    pub exact: bool,
    /// The |λ| below which rounding makes an eigenvalue indistinguishable from 0, so that it is not
    /// listed; `None` where nothing is left out.
    #[serde(default)]
    pub rounding: Option<f64>,
    /// The largest |qᵢᵀqⱼ| of the last vector of a Krylov basis with the others, measured, where
    /// the basis was stored rounded to fit into memory; `None` where it was not.
    #[serde(default)]
    pub orthogonality_loss: Option<f64>,
    /// The trace: Σ of all eigenvalues, or its estimate.
    pub trace: f64,
    /// Standard error of the trace: 0 when exact, `None` when one probe gives no estimate of it.
    pub trace_stderr: Option<f64>,
    /// The number of random vectors averaged over, for an estimate. Student's t for the trace has
    /// one degree of freedom fewer. If there are `dimension` vectors and the standard error of the
    /// trace is 0, they are the unit vectors of the coordinates, and nothing is random.
    pub probes: Option<usize>,
    /// The degrees of freedom of Student's t for the confidence interval of the trace, where they
    /// differ from one fewer than the random vectors.
    #[serde(default)]
    pub trace_freedom: Option<f64>,
    /// The number of operator-vector products spent.
    pub products: usize,
}

impl Spectrum {
    /// An exact spectrum from all non-zero eigenvalues, in any order.
    ///
    /// # Errors
    /// When there are more eigenvalues than dimensions, or one is not finite.
    pub fn exact(dimension: usize, mut nonzero: Vec<f64>, products: usize) -> Result<Self> {
        if nonzero.len() > dimension {
            return Err(Error::input(
                "exact spectrum",
                format!("{} eigenvalues for an operator of dimension {dimension}", nonzero.len()),
                "report this: an estimator returned more eigenvalues than the operator has",
            ));
        }
        check_finite(&nonzero)?;
        nonzero.sort_by(|a, b| b.total_cmp(a));
        let weights = vec![1.0 / dimension as f64; nonzero.len()];
        let trace = nonzero.iter().sum();
        check_finite(&[trace])?;
        Ok(Self {
            dimension,
            eigenvalues: nonzero,
            weights,
            residuals: Vec::new(),
            extreme_bounds: None,
            origins: Vec::new(),
            exact: true,
            rounding: None,
            orthogonality_loss: None,
            trace,
            trace_stderr: Some(0.0),
            probes: None,
            trace_freedom: None,
            products,
        })
    }

    /// An estimated spectrum from (Ritz value, weight) pairs in any order; the weights are
    /// normalised to sum to 1.
    ///
    /// # Errors
    /// When a value or weight is not finite, or no weight is positive.
    pub fn estimated(
        dimension: usize,
        mut nodes: Vec<(f64, f64)>,
        trace: f64,
        trace_stderr: Option<f64>,
        products: usize,
    ) -> Result<Self> {
        nodes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (eigenvalues, mut weights): (Vec<f64>, Vec<f64>) = nodes.into_iter().unzip();
        check_finite(&eigenvalues)?;
        check_finite(&weights)?;
        check_finite(&[trace])?;
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            return Err(Error::input(
                "estimated spectrum",
                "the quadrature weights do not have a positive sum",
                "report this: an estimator returned an empty measure",
            ));
        }
        weights.iter_mut().for_each(|w| *w /= total);
        Ok(Self {
            dimension,
            eigenvalues,
            weights,
            residuals: Vec::new(),
            extreme_bounds: None,
            origins: Vec::new(),
            exact: false,
            rounding: None,
            orthogonality_loss: None,
            trace,
            trace_stderr,
            probes: None,
            trace_freedom: None,
            products,
        })
    }

    /// The mean of quadrature rules, one per random vector, whose weights each sum to 1.
    ///
    /// # Errors
    /// Those of [`Self::estimated`].
    pub fn of_probes(
        dimension: usize,
        rules: Vec<Vec<Node>>,
        (trace, trace_stderr): (f64, Option<f64>),
        products: usize,
    ) -> Result<Self> {
        let probes = rules.len();
        let with_origin = |(rule, origin): (Vec<Node>, u32)| rule.into_iter().map(move |node| (node, origin));
        let mut nodes: Vec<(Node, u32)> = rules.into_iter().zip(0..).flat_map(with_origin).collect();
        nodes.sort_by(|a, b| b.0.value.total_cmp(&a.0.value));
        let residuals: Vec<f64> = nodes.iter().map(|(node, _)| node.residual).collect();
        check_finite(&residuals)?;
        let origins = nodes.iter().map(|(_, origin)| *origin).collect();
        let nodes = nodes.into_iter().map(|(node, _)| (node.value, node.weight)).collect();
        let mean = Self::estimated(dimension, nodes, trace, trace_stderr, products)?;
        Ok(Self { residuals, origins, probes: Some(probes), ..mean })
    }

    /// The mean over all random vectors except those of one part: vector i belongs to part i mod
    /// `parts`. With as many parts as vectors, one vector is left out. A spectrum without
    /// randomness is returned unchanged; the trace is always unchanged.
    #[must_use]
    pub fn without_part(&self, part: usize, parts: usize) -> Cow<'_, Self> {
        if self.origins.is_empty() {
            return Cow::Borrowed(self);
        }
        let stays = |index: &usize| self.origins[*index] as usize % parts != part;
        let kept: Vec<usize> = (0..self.origins.len()).filter(stays).collect();
        let total: f64 = kept.iter().map(|index| self.weights[*index]).sum();
        Cow::Owned(Self {
            eigenvalues: kept.iter().map(|index| self.eigenvalues[*index]).collect(),
            weights: kept.iter().map(|index| self.weights[*index] / total).collect(),
            residuals: Vec::new(),
            origins: kept.iter().map(|index| self.origins[*index]).collect(),
            ..*self
        })
    }

    /// Marks the spectrum as the mean over all unit vectors of the coordinates, which is not
    /// random.
    #[must_use]
    pub fn of_coordinates(self) -> Self {
        Self { origins: Vec::new(), ..self }
    }

    /// The spectrum with the degrees of freedom of the confidence interval of its trace.
    #[must_use]
    pub fn with_trace_freedom(self, freedom: f64) -> Self {
        Self { trace_freedom: Some(freedom), ..self }
    }

    /// An exact spectrum from all eigenvalues, in any order; those with |λ| ≤ `rounding` count as
    /// mass at zero.
    ///
    /// # Errors
    /// Those of [`Self::exact`].
    pub fn exact_above(dimension: usize, rounding: f64, mut all: Vec<f64>, products: usize) -> Result<Self> {
        all.retain(|value| value.is_nan() || value.abs() > rounding);
        Ok(Self { rounding: Some(rounding), ..Self::exact(dimension, all, products)? })
    }

    /// The spectrum of the operator plus `shift` times the identity: every eigenvalue moves by
    /// `shift`. Unlisted eigenvalues at zero become one entry with their total weight.
    #[must_use]
    pub fn shifted(mut self, shift: f64) -> Self {
        if shift == 0.0 {
            return self;
        }
        let zero = self.mass_at_zero();
        if zero > NO_MASS {
            let place = self.eigenvalues.partition_point(|value| *value > 0.0);
            self.eigenvalues.insert(place, 0.0);
            self.weights.insert(place, zero);
            if !self.residuals.is_empty() {
                self.residuals.insert(place, 0.0);
            }
        }
        self.eigenvalues.iter_mut().for_each(|value| *value += shift);
        self.extreme_bounds = self.extreme_bounds.map(|bounds| bounds.map(|bound| bound + shift));
        self.trace += self.dimension as f64 * shift;
        self
    }

    /// 1 − Σᵢ wᵢ: the mass at zero that the list of eigenvalues leaves out.
    #[must_use]
    pub fn mass_at_zero(&self) -> f64 {
        (1.0 - self.weights.iter().sum::<f64>()).max(0.0)
    }

    /// The measure as (location, weight) atoms in ascending order of location, including the mass
    /// at zero.
    #[must_use]
    pub fn atoms(&self) -> Vec<(f64, f64)> {
        let mut atoms: Vec<_> = self.eigenvalues.iter().copied().zip(self.weights.iter().copied()).collect();
        let zero = self.mass_at_zero();
        if zero > NO_MASS {
            atoms.push((0.0, zero));
        }
        atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
        atoms
    }

    /// The largest eigenvalue, counting the unlisted zeros of an exact spectrum; 0 if none is
    /// listed.
    #[must_use]
    pub fn lambda_max(&self) -> f64 {
        let listed = self.eigenvalues.first().copied();
        self.with_zero(listed, f64::max)
    }

    /// The smallest eigenvalue, counting the unlisted zeros of an exact spectrum; 0 if none is
    /// listed.
    #[must_use]
    pub fn lambda_min(&self) -> f64 {
        let listed = self.eigenvalues.last().copied();
        self.with_zero(listed, f64::min)
    }

    fn with_zero(&self, listed: Option<f64>, pick: fn(f64, f64) -> f64) -> f64 {
        match listed {
            None => 0.0,
            Some(value) if self.exact && self.mass_at_zero() > NO_MASS => pick(value, 0.0),
            Some(value) => value,
        }
    }
}

fn check_finite(values: &[f64]) -> Result<()> {
    match values.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::input(
            "spectrum",
            format!("an eigenvalue, a weight or the trace is {value}"),
            "check the parameters and the data for NaN or infinite values",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_random_vectors_is_left_out() -> Result<()> {
        let rule = |values: [f64; 2]| values.map(|value| Node { value, weight: 0.5, residual: 0.1 }).to_vec();
        let rules = vec![rule([1.0, 4.0]), rule([2.0, 5.0]), rule([3.0, 6.0])];
        let mean = Spectrum::of_probes(10, rules, (35.0, Some(1.0)), 6)?;
        assert_eq!((mean.eigenvalues.len(), mean.probes), (6, Some(3)));
        assert_eq!(
            (mean.origins.as_slice(), mean.residuals.as_slice()),
            (&[2, 1, 0, 2, 1, 0][..], &[0.1; 6][..])
        );
        let without = mean.without_part(1, 3);
        assert_eq!(without.eigenvalues, [6.0, 4.0, 3.0, 1.0]);
        assert!(without.weights.iter().all(|weight| (weight - 0.25).abs() < 1e-15));
        // Of two parts, part 0 consists of the vectors 0 and 2.
        assert_eq!(mean.without_part(0, 2).eigenvalues, [5.0, 2.0]);
        let exact = Spectrum::exact(3, vec![1.0], 0)?;
        assert_eq!(*exact.without_part(0, 3), exact);
        Ok(())
    }

    /// Shifts the eigenvalues 3, −1, 0 and 0 by one half.
    #[test]
    fn a_multiple_of_the_identity_moves_every_eigenvalue() -> Result<()> {
        let spectrum = Spectrum::exact(4, vec![3.0, -1.0], 0)?.shifted(0.5);
        assert_eq!(spectrum.eigenvalues, [3.5, 0.5, -0.5]);
        assert_eq!(spectrum.weights, [0.25, 0.5, 0.25]);
        assert_eq!((spectrum.trace, spectrum.mass_at_zero(), spectrum.exact), (4.0, 0.0, true));
        let positive = Spectrum::exact(4, vec![3.0], 0)?;
        assert_eq!((positive.lambda_max(), positive.lambda_min()), (3.0, 0.0));
        let positive = positive.shifted(0.5);
        assert_eq!((positive.lambda_max(), positive.lambda_min()), (3.5, 0.5));
        let estimated = Spectrum::estimated(10, vec![(2.0, 0.5), (-1.0, 0.5)], 5.0, None, 2)?.shifted(0.5);
        assert_eq!((estimated.eigenvalues, estimated.trace), (vec![2.5, -0.5], 10.0));
        Ok(())
    }
}
