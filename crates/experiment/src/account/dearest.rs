//! Finds the matrix of a probe that takes the most memory without building a program for each
//! matrix, which is slow for many matrices.
//!
//! While all samples are evaluated at once, products for some of the variables hold no more than
//! products for all of them. Where that exceeds the memory limit, both hold at most the limit. One
//! program therefore bounds all others of the same curvature, and only candidates that may be the
//! largest are examined.

use std::cmp::Reverse;

use eigenscape_core::{Account, Curvature, CurvatureOperator, Error, Group, Landscape, Result};
use eigenscape_program::Variables;

use crate::prepare::PreparedProbe;

/// The budget for programs built for the probes of one run, counted in parameter tensors of the
/// network. Once it is spent, upper bounds are reported instead of exact sizes.
pub(super) const TENSORS: usize = 8_000;

/// A matrix with the numbers that are known without building its program.
pub(super) struct Candidate<'a> {
    pub curvature: Curvature,
    pub group: &'a Group,
    /// The memory that the estimator holds.
    pub held: Account,
    /// The maximum number of vectors that the estimator passes to one product.
    pub vectors: usize,
    /// Bytes that products may take.
    pub allowed: usize,
}

/// Identifies probes whose matrices take the same memory, given the same number of samples and the
/// same type.
pub(super) type Signature = Vec<(Curvature, Variables, [usize; 3])>;

/// The properties of the candidates that determine their memory.
pub(super) fn signature(candidates: &[Candidate]) -> Signature {
    let of = |one: &Candidate| {
        let numbers = [one.held.total(), one.vectors, one.allowed];
        (one.curvature, one.group.variables.clone(), numbers)
    };
    candidates.iter().map(of).collect()
}

/// What is known about the bytes that a candidate's products take.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    AtMost(usize),
    Exactly(usize),
}

impl Known {
    fn at_most(self) -> usize {
        match self {
            Self::Nothing => usize::MAX,
            Self::AtMost(bytes) | Self::Exactly(bytes) => bytes,
        }
    }
}

/// The memory of the most demanding candidate. `affordable` is what is left of the budget
/// [`TENSORS`].
///
/// # Errors
/// When the products of a candidate cannot be built: its index and the reason.
pub(super) fn dearest(
    probe: &PreparedProbe,
    landscape: &Landscape,
    candidates: &[Candidate],
    affordable: &mut usize,
) -> Result<Account, (usize, Error)> {
    let known = bounds(probe, landscape, candidates);
    // Ties go to the first candidate.
    let key =
        |index: usize, bytes: usize| (candidates[index].held.total().saturating_add(bytes), Reverse(index));
    let mut order: Vec<_> = (0..known.len()).map(|index| key(index, known[index].at_most())).collect();
    order.sort_unstable_by_key(|bound| Reverse(*bound));
    let mut most: Option<((usize, Reverse<usize>), usize)> = None;
    for bound in order {
        if most.is_some_and(|(most, _)| most >= bound) {
            break;
        }
        let (_, Reverse(index)) = bound;
        let bytes = match known[index] {
            Known::Exactly(bytes) => bytes,
            Known::AtMost(bytes) if *affordable == 0 => bytes,
            Known::AtMost(_) | Known::Nothing => {
                *affordable = affordable.saturating_sub(probe.tensors());
                let one = &candidates[index];
                let operator = landscape.operator(one.curvature, one.group).within(one.allowed);
                operator.memory(one.vectors).map_err(|error| (index, error))?
            }
        };
        let found = key(index, bytes);
        if most.is_none_or(|(most, _)| most < found) {
            most = Some((found, bytes));
        }
    }
    let Some(((_, Reverse(index)), bytes)) = most else { return Ok(Account::default()) };
    let Candidate { curvature, group, held, .. } = &candidates[index];
    let description = landscape.operator(*curvature, group).description();
    Ok(held.clone().with(format!("products with the {description}"), bytes))
}

/// Bounds on each candidate's products. For each curvature, one program for all parameters of the
/// groups bounds the others, and so does one program for the activation that is computed first.
/// Slices of parameters are not bounded: their programs join the pieces.
fn bounds(probe: &PreparedProbe, landscape: &Landscape, candidates: &[Candidate]) -> Vec<Known> {
    let mut known = vec![Known::Nothing; candidates.len()];
    let is_activation = |group: &Group| matches!(group.variables, Variables::Activation(_));
    for &curvature in &probe.plan.curvatures {
        for activations in [false, true] {
            let ours = |index: &usize| {
                let one = &candidates[*index];
                let is_slice = matches!(one.group.variables, Variables::Slice(_));
                one.curvature == curvature && is_activation(one.group) == activations && !is_slice
            };
            let ours: Vec<usize> = (0..candidates.len()).filter(ours).collect();
            let allowed = ours.iter().map(|&index| candidates[index].allowed).min();
            let (Some(allowed), true) = (allowed, ours.len() > 1) else { continue };
            let Some(all) = probe.containing(activations) else { continue };
            let operator = landscape.operator(curvature, &all).within(allowed);
            // A program that does not fit gives no bound for its parts.
            if operator.memory(1).is_err() {
                continue;
            }
            for index in ours {
                let one = &candidates[index];
                let itself = one.group.variables == all.variables && one.allowed == allowed;
                known[index] = if itself {
                    operator.memory(one.vectors).map_or(Known::Nothing, Known::Exactly)
                } else {
                    operator.memory_of_parts(one.vectors).map_or(Known::Nothing, |bytes| {
                        Known::AtMost(bytes.map_or(one.allowed, |bytes| bytes.min(one.allowed)))
                    })
                };
            }
        }
    }
    known
}
