//! What Lanczos holds in memory, and how many probes run together within it.

use eigenscape_core::{Account, account::size};

use super::{Lanczos, krylov};
use crate::eigen::bytes_of_ritz_values;

/// The most probes that run at the same time: more would only take more memory, a product of so
/// many vectors keeps every thread busy.
const TOGETHER: usize = 32;
/// Vectors of a probe on the way to the operator and back: itself, its product, and a copy of that.
const ON_THE_WAY: usize = 3;
/// Bytes of a node with its weight, its residual and its probe, while they are collected, sorted
/// and taken apart.
const NODE: usize = 10 * size_of::<f64>();
/// Bytes of a node's Ritz value, the ends of its vector and what is left of it, which deflation
/// keeps in lists that grow.
const RITZ: usize = 9 * size_of::<f64>();

impl Lanczos {
    /// How many probes run at the same time so that all fits into `allowed` bytes: one at least.
    /// `number` is the bytes of a number.
    pub(super) fn together(&self, dimension: usize, number: usize, allowed: usize) -> usize {
        let left = allowed.saturating_sub(self.quadrature(dimension).total());
        let one = size([self.numbers(dimension)], number);
        (left / one.max(1)).clamp(1, self.probes(dimension).min(TOGETHER))
    }

    /// What is held for an operator of this dimension within `allowed` bytes, or at the least.
    pub(super) fn account(&self, dimension: usize, number: usize, allowed: usize) -> Account {
        let (steps, probes) = (self.steps(dimension), self.probes(dimension));
        let together = self.together(dimension, number, allowed);
        let what = match (probes, together) {
            (1, _) => format!("the Krylov basis of {steps} steps"),
            (all, some) if all == some => format!("the Krylov bases of {probes} probes of {steps} steps"),
            _ => format!("the Krylov bases of {probes} probes of {steps} steps, {together} at a time"),
        };
        Account::of(what, size([together, self.numbers(dimension)], number)).and(self.quadrature(dimension))
    }

    /// Quadrature nodes of all probes.
    pub(super) fn nodes(&self, dimension: usize) -> usize {
        let rules = if self.parameters.averaged { 2 } else { 1 };
        size([self.steps(dimension), self.probes(dimension)], rules)
    }

    /// Steps of each probe.
    pub(super) fn steps(&self, dimension: usize) -> usize {
        self.parameters.steps.get().min(dimension)
    }

    /// What the quadrature takes, however many probes run together.
    fn quadrature(&self, dimension: usize) -> Account {
        Account::of("Ritz values and vectors", bytes_of_ritz_values(self.steps(dimension))).with(
            "quadrature nodes",
            size([self.nodes(dimension)], NODE + if self.parameters.deflation { RITZ } else { 0 }),
        )
    }

    /// Numbers that a probe takes.
    fn numbers(&self, dimension: usize) -> usize {
        let on_the_way = size([dimension], ON_THE_WAY);
        krylov::numbers(dimension, self.steps(dimension)).saturating_add(on_the_way)
    }
}
