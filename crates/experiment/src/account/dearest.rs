//! Which matrix of a probe takes the most memory, without building the program of each, which takes
//! long where there are many.
//!
//! Products of some variables hold no more than products of all of them while all samples are
//! evaluated at once; where that is too much for the memory there is, both hold at most what they
//! may. So one program bounds all others of its curvature, and only what may be the largest is
//! looked at.

use std::cmp::Reverse;

use eigenscape_core::{Account, Curvature, CurvatureOperator, Error, Group, Landscape, Result};
use eigenscape_program::Variables;

use crate::prepare::PreparedProbe;

/// Programs that are built for the probes of one run, at most, each counted by the tensors of the
/// network: beyond them a bound is said to be taken.
pub(super) const TENSORS: usize = 8_000;

/// A matrix with what is known of it at once.
pub(super) struct Candidate<'a> {
    pub curvature: Curvature,
    pub group: &'a Group,
    /// What the estimator holds.
    pub held: Account,
    /// How many vectors it hands to one product.
    pub vectors: usize,
    /// Bytes that products may take.
    pub allowed: usize,
}

/// What is the same of two probes on as many samples whose matrices take the same.
pub(super) type Signature = Vec<(Curvature, Variables, [usize; 3])>;

/// The candidates as far as what they take depends on them.
pub(super) fn signature(candidates: &[Candidate]) -> Signature {
    let of = |one: &Candidate| {
        let numbers = [one.held.total(), one.vectors, one.allowed];
        (one.curvature, one.group.variables.clone(), numbers)
    };
    candidates.iter().map(of).collect()
}

/// What is known of the bytes that products take.
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

/// What the most demanding of these matrices takes; `affordable` is what is left of [`TENSORS`].
///
/// # Errors
/// The number of a candidate whose products cannot be taken, and why.
pub(super) fn dearest(
    probe: &PreparedProbe,
    landscape: &Landscape,
    candidates: &[Candidate],
    affordable: &mut usize,
) -> Result<Account, (usize, Error)> {
    let known = bounds(probe, landscape, candidates);
    // The first of several that take the same.
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

/// What is known of each candidate's products from one program for all parameters that the groups
/// have, and one for the activation that is computed first.
fn bounds(probe: &PreparedProbe, landscape: &Landscape, candidates: &[Candidate]) -> Vec<Known> {
    let mut known = vec![Known::Nothing; candidates.len()];
    let is_activation = |group: &Group| matches!(group.variables, Variables::Activation(_));
    for &curvature in &probe.plan.curvatures {
        for activations in [false, true] {
            let ours = |index: &usize| {
                let one = &candidates[*index];
                one.curvature == curvature && is_activation(one.group) == activations
            };
            let ours: Vec<usize> = (0..candidates.len()).filter(ours).collect();
            let allowed = ours.iter().map(|&index| candidates[index].allowed).min();
            let (Some(allowed), true) = (allowed, ours.len() > 1) else { continue };
            let Some(all) = probe.containing(activations) else { continue };
            let operator = landscape.operator(curvature, &all).within(allowed);
            // What does not fit says nothing of its parts.
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
