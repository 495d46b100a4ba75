//! `lanczos`: Ritz values and stochastic Lanczos quadrature.

mod averaged;
mod bounds;
mod compact;
mod deflated_trace;
mod deflation;
mod kernels;
mod krylov;
mod memory;
mod on_host;
mod pieces;
mod placed;
mod ritz_vectors;
mod skewness;
mod starts;
mod stored;
mod vectors;

use std::num::NonZeroUsize;

use bounds::{Recurrence, bounds};
use candle_core::DType;
use compact::Compact;
use deflated_trace::Known;
use deflation::{Multiple, deflated};
use eigenscape_core::{
    Account, Context, CurvatureOperator, Estimate, Findings, Node, Probe, ProbeEstimator, Registry, Result,
    Spectrum, number::mean, probe::check_count,
};
use krylov::Krylov;
use memory::{Fit, Storage};
use on_host::OnHost;
use placed::Placed;
use ritz_vectors::Best;
use schemars::JsonSchema;
use serde::Deserialize;
use skewness::degrees_of_freedom;
pub(crate) use starts::Starts;
use vectors::Vectors;

use crate::{
    eigen::{Ritz, ritz_values},
    eigenpairs::measured,
    float::{Float, epsilon},
    operator::{dimension, not_finite},
};

/// Parameters of `lanczos`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanczosParameters {
    /// The number of steps m for each random vector, 128 by default; at most P are taken. The
    /// Krylov basis takes m·P numbers per random vector.
    pub steps: NonZeroUsize,
    /// The number of random vectors over which the spectrum is averaged, 1 by default. A single one
    /// gives no standard error. With P or more, the P coordinate unit vectors are used instead:
    /// nothing is random and the trace is exact.
    pub probes: NonZeroUsize,
    /// The distribution of the random vectors: "gaussian" (default), uniform in direction, or
    /// "rademacher". Random signs have a smaller variance where the matrix is nearly diagonal, but
    /// half of them are orthogonal to an eigenvector with two equal non-zero elements: intervals
    /// and bounds hold for uniform directions.
    pub probe: Probe,
    /// Whether a converged Ritz value gets the weight 1/P of one eigenvalue instead of its random
    /// weight: much more accurate where there are a few outliers. The trace stays unbiased; with
    /// one or two random vectors this costs one additional product for each. Off by default.
    pub deflation: bool,
    /// Whether the spectrum of a random vector is the mean of the quadrature rules of m and of m − 1
    /// steps, whose errors mostly have opposite signs: the same accuracy with about two thirds of
    /// the steps. Off by default.
    pub averaged: bool,
}

impl Default for LanczosParameters {
    fn default() -> Self {
        Self {
            steps: const { NonZeroUsize::new(128).unwrap() },
            probes: NonZeroUsize::MIN,
            probe: Probe::Gaussian,
            deflation: false,
            averaged: false,
        }
    }
}

/// Stochastic Lanczos quadrature with full reorthogonalisation.
///
/// From a random unit vector v, m steps build an orthonormal basis Q of the Krylov space span{v,
/// Hv, …, H^{m−1}v} and the tridiagonal QᵀHQ = T. The eigenvalues θ of T (Ritz values) converge
/// first to the extreme eigenvalues of H; with the squared first components w of T's eigenvectors
/// they are the Gauss quadrature rule Σ w θᵏ = vᵀHᵏv for all k ≤ 2m − 1 (Golub & Meurant 1994). The
/// spectrum is the mean of the rules of all probes (Ubaru, Chen & Saad 2017). As E\[v vᵀ\] = I/P,
/// each of its moments up to 2m − 1 is unbiased, and so is the trace: the mean of P·vᵀHv with the
/// standard error of that mean.
///
/// In floating-point arithmetic the three-term recurrence loses orthogonality as soon as a Ritz
/// value converges, and then finds this value repeatedly ("ghosts"). Here each new vector is
/// orthogonalised against all earlier ones, twice where one pass is not enough. A multiple
/// eigenvalue appears once per probe, since a Krylov space contains one vector of its eigenspace.
///
/// With `deflation`, the weights of converged Ritz values do not depend on chance (`deflation.rs`;
/// for the trace `deflated_trace.rs`). With `averaged`, the rules of m and of m − 1 steps are
/// averaged, and the moments up to 2m − 3 are unbiased (`averaged.rs`).
///
/// A probe whose residual β vanishes up to rounding (β ≤ 10 ε ‖T‖) has found an invariant subspace:
/// its quadrature is exact and it stops, while the others continue. Up to 32 probes run together,
/// as many as fit into memory, and share one call of the operator per step; the remaining probes
/// follow. How many run together changes a spectrum only by the rounding of the operator's
/// products.
///
/// Vectors are moved to the memory of the operator's backend once they are drawn, and stay there.
///
/// A basis on the host that does not fit into memory in the operator's type is stored in 16 or 8
/// bits a number (`compact.rs`). How orthogonal it was is measured
/// ([`Spectrum::orthogonality_loss`]), and part of every residual.
///
/// Eigenvectors are the Ritz vectors of one probe: of the one in which most of the largest Ritz
/// values have converged (`ritz_vectors.rs`). Only converged ones are returned, and their residuals
/// are measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lanczos {
    parameters: LanczosParameters,
    /// The number of eigenvectors.
    eigenvectors: usize,
}

impl Lanczos {
    /// The estimator with these parameters.
    #[must_use]
    pub fn new(parameters: LanczosParameters) -> Self {
        Self { parameters, eigenvectors: 0 }
    }

    /// The spectrum, and the eigenpairs that were asked for.
    fn findings(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Findings> {
        let epsilon = epsilon(operator.dtype())?;
        let mut best = Best::of(self.eigenvectors);
        let spectrum = match operator.dtype() {
            DType::F32 => self.run::<f32>(operator, context, epsilon, &mut best)?,
            _ => self.run::<f64>(operator, context, epsilon, &mut best)?,
        };
        let eigenpairs = measured(operator, best.pairs(), context.progress)?;
        let products = spectrum.products + eigenpairs.len();
        let spectrum = Spectrum { products, ..spectrum };
        Ok(Findings { eigenpairs, ..Estimate::from(spectrum).into() })
    }

    /// Runs with vectors in the memory of the operator's backend.
    fn run<T: Float>(
        &self,
        operator: &dyn CurvatureOperator,
        context: &Context,
        epsilon: f64,
        best: &mut Best,
    ) -> Result<Spectrum> {
        match operator.backend().filter(|backend| !backend.is_host()) {
            Some(backend) => {
                self.run_on(&Placed::<T>::new(operator, backend), operator, context, epsilon, best)
            }
            None => match self.fit(operator, context.memory).storage {
                Storage::Full => self.run_on(&OnHost::<T>::new(operator), operator, context, epsilon, best),
                Storage::Bits16 => {
                    self.run_on(&Compact::<T, i16>::new(operator), operator, context, epsilon, best)
                }
                Storage::Bits8 => {
                    self.run_on(&Compact::<T, i8>::new(operator), operator, context, epsilon, best)
                }
            },
        }
    }

    fn run_on<V: Vectors>(
        &self,
        vectors: &V,
        operator: &dyn CurvatureOperator,
        context: &Context,
        epsilon: f64,
        best: &mut Best,
    ) -> Result<Spectrum> {
        let dimension = dimension(operator)?;
        let steps = self.steps(dimension);
        let starts = self.starts(context, dimension);
        let (probes, exact) = (starts.count(), starts.are_coordinates());
        let deflation = self.parameters.deflation;
        // With deflation, a probe must not depend on the vector that follows its own.
        let vector = |index| {
            vectors.place(match deflation && !exact {
                true => starts.independent(index),
                false => starts.different(index),
            })
        };
        let Fit { together, .. } = self.fit(operator, context.memory);
        let (mut rules, mut squares, mut known, mut spent) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let (mut quadrature, mut recurrences): (Vec<Nodes>, Vec<Recurrence>) = (Vec::new(), Vec::new());
        let (mut rounding, mut overlap): (f64, Option<f64>) = (0.0, None);
        for first in (0..probes).step_by(together) {
            let start = |index| Krylov::start(vectors, vector(index)?, steps, epsilon);
            let spaces = (first..probes.min(first + together)).map(start);
            let mut spaces: Vec<Krylov<V>> = spaces.collect::<Result<_>>()?;
            spent += extend(&mut spaces, vectors, operator, context)?;
            for (space, index) in spaces.iter().zip(first..) {
                let of_space = self.rules(space)?;
                best.see(space, &of_space.longer, dimension)?;
                squares.push(space.diagonal()[0]);
                recurrences.push(Recurrence::of(space));
                rounding = rounding.max(space.rounding());
                overlap = [overlap, space.overlap()].into_iter().flatten().reduce(f64::max);
                if deflation {
                    if !exact {
                        known.push(Known::of(space, &vector(next(index, probes))?, dimension)?);
                    }
                    rules.push(of_space);
                } else {
                    quadrature.push(of_space.combined(Rule::nodes));
                }
            }
        }
        let of_coordinates = (squares.iter().sum(), Some(0.0));
        let finished = |spectrum: Spectrum| {
            let extremes = [spectrum.lambda_min(), spectrum.lambda_max()];
            let bounds = bounds(&recurrences, dimension, extremes, rounding, exact);
            let extreme_bounds = Some(bounds);
            let bounded = Spectrum { extreme_bounds, orthogonality_loss: overlap, ..spectrum };
            if exact { bounded.of_coordinates() } else { bounded }
        };
        if !deflation {
            let mean_of = |nodes: &Nodes| nodes.iter().map(|node| node.weight * node.value).sum::<f64>();
            let traces: Vec<f64> = quadrature.iter().map(|nodes| dimension as f64 * mean_of(nodes)).collect();
            if exact {
                return Ok(finished(Spectrum::of_probes(dimension, quadrature, of_coordinates, spent)?));
            }
            let eigenvalues = quadrature.iter().flatten();
            let eigenvalues = eigenvalues.map(|node| (node.value, node.weight * dimension as f64));
            let freedom = degrees_of_freedom(probes, &eigenvalues.collect::<Vec<_>>());
            let found = finished(Spectrum::of_probes(dimension, quadrature, mean(&traces), spent)?);
            return Ok(if probes > 1 { found.with_trace_freedom(freedom) } else { found });
        }
        let multiple = Multiple::of(rules.iter().map(|rules| &rules.longer), dimension);
        let rules = rules.iter().map(|rules| rules.combined(|rule| deflated(rule, dimension, &multiple)));
        let rules = rules.collect();
        if exact {
            return Ok(finished(Spectrum::of_probes(dimension, rules, of_coordinates, spent)?));
        }
        // For each probe, vᵀHv of the vector that its Ritz vectors are combined with.
        if probes <= FEW {
            let further = (0..probes).map(|index| {
                let v = vector(next(index, probes))?;
                square(&v, vectors, operator, context)
            });
            squares = further.collect::<Result<_>>()?;
            spent += probes;
        } else {
            squares.rotate_left(1);
        }
        let (trace, stderr) = deflated_trace::trace(&known, &squares, dimension, epsilon);
        // If vectors coincide by chance, the spread is too small.
        let drawn = if probes <= FEW { 2 * probes } else { probes };
        let stderr = stderr.filter(|_| starts.independent_ones_differ(drawn));
        let found = finished(Spectrum::of_probes(dimension, rules, (trace, stderr), spent)?);
        let freedom = deflated_trace::degrees_of_freedom(&known);
        Ok(if probes > 1 { found.with_trace_freedom(freedom) } else { found })
    }

    /// The start vectors of the probes.
    fn starts(&self, context: &Context, dimension: usize) -> Starts {
        let LanczosParameters { probe, probes, .. } = self.parameters;
        Starts { probe, asked: probes, dimension, random: context.random }
    }

    /// The number of probes for an operator of this dimension.
    fn probes(&self, dimension: usize) -> usize {
        starts::count(self.parameters.probes, dimension)
    }

    /// One probe's quadrature rules.
    fn rules<V: Vectors>(&self, probe: &Krylov<V>) -> Result<Rules> {
        let (diagonal, off_diagonal) = (probe.diagonal(), probe.off_diagonal());
        let rounding = probe.rounding();
        let longer =
            Rule { ritz: ritz_values(diagonal, off_diagonal)?, residual: probe.residual(), rounding };
        // The rule of an invariant subspace is exact.
        let averaged = self.parameters.averaged && probe.residual() > 0.0;
        let shorter = match (diagonal, off_diagonal) {
            ([diagonal @ .., _], [off_diagonal @ .., last]) if averaged => {
                Some(Rule { ritz: ritz_values(diagonal, off_diagonal)?, residual: *last, rounding })
            }
            _ => None,
        };
        Ok(Rules { longer, shorter })
    }
}

/// vᵀHv of an additional vector, at the cost of one product.
fn square<V: Vectors>(
    v: &V::Vector,
    vectors: &V,
    operator: &dyn CurvatureOperator,
    context: &Context,
) -> Result<f64> {
    let product = vectors.products(&[v])?.swap_remove(0);
    context.progress.advance(1);
    let square = vectors.dot(v, &product)?;
    if square.is_finite() { Ok(square) } else { Err(not_finite(operator)) }
}

/// Up to this number, probes are combined with additional vectors instead of each other's start
/// vectors. Two probes combined with each other's would be correlated: for a multiple eigenvalue,
/// both samples depend on the inner product of the two starts' components in its eigenspace.
const FEW: usize = 2;

/// The index of the vector that a probe's converged Ritz vectors are combined with: the start of
/// the next probe in the cycle or, for at most [`FEW`] probes, an additional vector.
fn next(index: usize, probes: usize) -> usize {
    if probes <= FEW { index + probes } else { (index + 1) % probes }
}

/// The nodes of one probe.
type Nodes = Vec<Node>;

/// A Gauss quadrature rule: ascending Ritz values, and Lanczos' β after its last step.
struct Rule {
    ritz: Vec<Ritz>,
    residual: f64,
    /// The rounding error, a lower limit for the residual of every Ritz pair.
    rounding: f64,
}

impl Rule {
    fn node(&self, ritz: &Ritz) -> Node {
        let ((value, weight), residual) = (ritz.node(), self.residual * ritz.last.abs());
        Node { value, weight, residual: residual.max(self.rounding) }
    }

    fn nodes(&self) -> Nodes {
        self.ritz.iter().map(|ritz| self.node(ritz)).collect()
    }
}

/// The rule of all steps of a probe and, if two are averaged, the rule of one step fewer.
struct Rules {
    longer: Rule,
    shorter: Option<Rule>,
}

impl Rules {
    fn combined(&self, nodes: impl Fn(&Rule) -> Nodes) -> Nodes {
        match &self.shorter {
            Some(shorter) => averaged::mean(nodes(&self.longer), nodes(shorter)),
            None => nodes(&self.longer),
        }
    }
}

/// Takes all steps of some probes together; returns the number of products.
fn extend<V: Vectors>(
    spaces: &mut [Krylov<V>],
    vectors: &V,
    operator: &dyn CurvatureOperator,
    context: &Context,
) -> Result<usize> {
    let mut spent = 0;
    loop {
        let mut running: Vec<_> = spaces.iter_mut().filter(|space| space.runs()).collect();
        if running.is_empty() {
            return Ok(spent);
        }
        let advance = running.len();
        let newest: Vec<&V::Vector> = running.iter().map(|space| space.last()).collect();
        let products = vectors.products(&newest)?;
        for (space, product) in running.iter_mut().zip(products) {
            space.extend(product)?.ok_or_else(|| not_finite(operator))?;
        }
        spent += advance;
        context.progress.advance(advance);
    }
}

impl ProbeEstimator for Lanczos {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        Ok(Self { eigenvectors: 0, ..*self }.findings(operator, context)?.estimate)
    }

    fn estimate_parts(
        &self,
        operators: &[&dyn CurvatureOperator],
        context: &Context,
    ) -> Result<Vec<Findings>> {
        operators.iter().map(|operator| self.findings(*operator, context)).collect()
    }

    fn with_eigenvectors(self: Box<Self>, count: NonZeroUsize) -> Option<Box<dyn ProbeEstimator>> {
        Some(Box::new(Self { eigenvectors: count.get(), ..*self }))
    }

    fn has_standard_error(&self) -> bool {
        self.parameters.probes.get() > 1
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        let accounts = operators.iter().map(|operator| self.account(*operator, allowed));
        Ok(accounts.max_by_key(Account::total).unwrap_or_default())
    }

    fn vectors(&self, operator: &dyn CurvatureOperator, allowed: usize) -> usize {
        self.fit(operator, allowed).together
    }

    fn eigenvalues(&self, operator: &dyn CurvatureOperator) -> usize {
        self.nodes(operator.dimension())
    }

    fn products(&self, dimension: usize) -> usize {
        let LanczosParameters { probes, deflation, .. } = self.parameters;
        let few = probes.get() <= FEW && !starts::are_coordinates(probes, dimension);
        let more = if deflation && few { probes.get() } else { 0 };
        let steps = self.steps(dimension);
        let pairs = self.eigenvectors.min(steps);
        steps.saturating_mul(self.probes(dimension)).saturating_add(more).saturating_add(pairs)
    }

    fn description(&self) -> String {
        let LanczosParameters { steps, probes, probe, deflation, averaged } = self.parameters;
        let plural = if probes.get() == 1 { "" } else { "s" };
        let counted = if deflation { ", converged eigenvalues counted" } else { "" };
        let averaged = if averaged { ", two rules averaged" } else { "" };
        format!(
            "Lanczos, {steps} steps, full reorthogonalisation, {probes} {probe} random vector{plural}{counted}{averaged}"
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
