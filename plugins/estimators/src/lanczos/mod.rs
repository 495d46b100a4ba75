//! `lanczos`: Ritz values and stochastic Lanczos quadrature.

mod averaged;
mod basis;
mod deflation;
mod kernels;
mod krylov;
mod memory;
mod probe;

use std::num::NonZeroUsize;

use candle_core::DType;
use deflation::deflated;
use eigenscape_core::{
    Account, Context, CurvatureOperator, Estimate, Probe, ProbeEstimator, Registry, Result, Spectrum,
    number::mean, probe::check_count,
};
use krylov::Krylov;
pub(crate) use probe::unit_vector;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    eigen::{Ritz, ritz_values},
    float::{Float, epsilon},
    operator::{dimension, not_finite, products},
};

/// Parameters of `lanczos`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanczosParameters {
    /// Steps m of each probe, 128 by default; at most P are taken. The Krylov basis takes steps·P numbers a probe.
    pub steps: NonZeroUsize,
    /// How many random vectors the spectrum is averaged over, 1 by default. With one there is no standard error.
    pub probes: NonZeroUsize,
    /// What the random vectors are: "rademacher" (default) or "gaussian".
    pub probe: Probe,
    /// Whether a converged Ritz value counts as one eigenvalue, with the weight 1/P, instead of with the weight that it has by chance in
    /// the random vector: much closer where a few eigenvalues stand out, and not for multiple eigenvalues. Off by default.
    pub deflation: bool,
    /// Whether the spectrum of a probe is the mean of the quadrature rules of m and of m − 1 steps, whose errors mostly have opposite signs: as
    /// close with about two thirds of the steps. Off by default.
    pub averaged: bool,
}

impl Default for LanczosParameters {
    fn default() -> Self {
        Self {
            steps: const { NonZeroUsize::new(128).unwrap() },
            probes: NonZeroUsize::MIN,
            probe: Probe::Rademacher,
            deflation: false,
            averaged: false,
        }
    }
}

/// Stochastic Lanczos quadrature with full reorthogonalisation.
///
/// From a random unit vector v, m steps build an orthonormal basis Q of the Krylov space span{v, Hv, …, H^{m−1}v} and the tridiagonal
/// QᵀHQ = T. The eigenvalues θ of T (Ritz values) converge first to the extreme eigenvalues of H; with the squared first components
/// w of T's eigenvectors they are the Gauss quadrature rule Σ w θᵏ = vᵀHᵏv for all k ≤ 2m − 1 (Golub & Meurant 1994). The spectrum is the
/// mean of the rules of all probes (Ubaru, Chen & Saad 2017). As E\[v vᵀ\] = I/P, each of its moments up to 2m − 1 is
/// unbiased, and so is the trace: the mean of P·vᵀHv with the standard error of that mean.
///
/// In floating-point arithmetic Lanczos' three-term recurrence loses orthogonality as soon as a Ritz value converges, and then finds it
/// again and again ("ghosts"). Here each new vector is orthogonalised against all before, again where one pass was not
/// enough: a multiple eigenvalue still appears once a probe, since one Krylov space holds one vector of its eigenspace.
///
/// With `deflation`, what has converged no longer depends on chance (`deflation.rs`); with `averaged`, the rules of m and of m − 1 steps are
/// averaged, and unbiased are the moments up to 2m − 3 (`averaged.rs`).
///
/// A probe whose residual β vanishes to rounding (β ≤ 10 ε ‖T‖) has found an invariant subspace and its quadrature is exact; it stops, the
/// others go on. Probes run together as far as their bases fit into memory (up to 32), and then share one product of the operator a step; the rest
/// follow when these are done. How many run together changes a spectrum by the rounding of the operator's products alone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lanczos {
    parameters: LanczosParameters,
}

impl Lanczos {
    /// The estimator with these parameters.
    #[must_use]
    pub fn new(parameters: LanczosParameters) -> Self {
        Self { parameters }
    }

    fn run<T: Float>(
        &self,
        operator: &dyn CurvatureOperator,
        context: &Context,
        epsilon: f64,
    ) -> Result<Spectrum> {
        let dimension = dimension(operator)?;
        let steps = self.steps(dimension);
        let probes = self.parameters.probes.get();
        let together = self.together(dimension, size_of::<T>(), context.memory);
        let (mut rules, mut spent) = (Vec::with_capacity(probes), 0);
        for first in (0..probes).step_by(together) {
            let start = |index| {
                let mut generator = context.random.stream("lanczos", index as u64);
                let vector = unit_vector(self.parameters.probe, dimension, &mut generator);
                Krylov::<T>::start(vector, steps, epsilon)
            };
            let mut spaces: Vec<_> = (first..probes.min(first + together)).map(start).collect();
            spent += extend(&mut spaces, operator, context, dimension)?;
            for space in &spaces {
                rules.push(self.rule(space, dimension)?);
            }
        }
        average(dimension, rules, spent)
    }

    /// One probe's quadrature rule.
    fn rule<T: Float>(&self, probe: &Krylov<T>, dimension: usize) -> Result<Vec<(f64, f64)>> {
        let quadrature = |diagonal: &[f64], off_diagonal: &[f64], residual: f64| -> Result<Vec<(f64, f64)>> {
            let ritz = ritz_values(diagonal, off_diagonal)?;
            Ok(match self.parameters.deflation {
                true => deflated(&ritz, residual, dimension),
                false => ritz.iter().map(Ritz::node).collect(),
            })
        };
        let (diagonal, off_diagonal) = (probe.diagonal(), probe.off_diagonal());
        let rule = quadrature(diagonal, off_diagonal, probe.residual())?;
        // That of an invariant subspace is exact.
        let averaged = self.parameters.averaged && probe.residual() > 0.0;
        Ok(match (diagonal, off_diagonal) {
            ([diagonal @ .., _], [off_diagonal @ .., last]) if averaged => {
                averaged::mean(rule, quadrature(diagonal, off_diagonal, *last)?)
            }
            _ => rule,
        })
    }
}

/// Takes all steps of some probes; returns how many products that took.
fn extend<T: Float>(
    spaces: &mut [Krylov<T>],
    operator: &dyn CurvatureOperator,
    context: &Context,
    dimension: usize,
) -> Result<usize> {
    let mut spent = 0;
    loop {
        let mut running: Vec<_> = spaces.iter_mut().filter(|space| space.runs()).collect();
        if running.is_empty() {
            return Ok(spent);
        }
        let vectors = running.iter().flat_map(|space| space.last()).copied().collect();
        let advance = running.len();
        for (space, product) in running.iter_mut().zip(products(operator, vectors, dimension)?) {
            space.extend(product).ok_or_else(|| not_finite(operator))?;
        }
        spent += advance;
        context.progress.advance(advance);
    }
}

/// The mean of the probes' quadrature rules, with the mean and standard error of their traces.
fn average(dimension: usize, rules: Vec<Vec<(f64, f64)>>, products: usize) -> Result<Spectrum> {
    let trace = |rule: &Vec<(f64, f64)>| {
        dimension as f64 * rule.iter().map(|(node, weight)| weight * node).sum::<f64>()
    };
    let traces: Vec<f64> = rules.iter().map(trace).collect();
    let (trace, trace_stderr) = mean(&traces);
    // Each rule's weights sum to 1; `estimated` makes them sum to 1 together.
    let nodes = rules.into_iter().flatten().collect();
    Ok(Spectrum::estimated(dimension, nodes, trace, trace_stderr, products)?.over(traces.len()))
}

impl ProbeEstimator for Lanczos {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        let epsilon = epsilon(operator.dtype())?;
        let spectrum = match operator.dtype() {
            DType::F32 => self.run::<f32>(operator, context, epsilon),
            _ => self.run::<f64>(operator, context, epsilon),
        };
        Ok(spectrum?.into())
    }

    fn has_standard_error(&self) -> bool {
        self.parameters.probes.get() > 1
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        let of = |operator: &&dyn CurvatureOperator| {
            self.account(operator.dimension(), operator.dtype().size_in_bytes(), allowed)
        };
        Ok(operators.iter().map(of).max_by_key(Account::total).unwrap_or_default())
    }

    fn eigenvalues(&self, operator: &dyn CurvatureOperator) -> usize {
        self.nodes(operator.dimension())
    }

    fn products(&self, dimension: usize) -> usize {
        self.steps(dimension).saturating_mul(self.parameters.probes.get())
    }

    fn description(&self) -> String {
        let LanczosParameters { steps, probes, probe, deflation, averaged } = self.parameters;
        let plural = if probes.get() == 1 { "" } else { "s" };
        let counted = if deflation { ", converged eigenvalues counted" } else { "" };
        let averaged = if averaged { ", two rules averaged" } else { "" };
        format!(
            "Lanczos, {steps} steps, full reorthogonalisation, {probes} {probe} probe{plural}{counted}{averaged}"
        )
    }
}

/// Adds `lanczos` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<LanczosParameters>(
        "lanczos",
        "stochastic Lanczos quadrature with full reorthogonalisation: extreme eigenvalues and density of any operator",
        |parameters, _| {
            check_count(parameters.probes)?;
            Ok(Box::new(Lanczos::new(parameters)))
        },
    );
}

#[cfg(test)]
mod tests;
