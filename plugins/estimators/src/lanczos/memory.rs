//! The memory that Lanczos holds, and how many probes run together within a limit.

use eigenscape_core::{Account, account::size};

use super::{Lanczos, krylov};
use crate::eigen::bytes_of_ritz_values;

/// The largest number of probes that run together. A product with this many vectors keeps every
/// thread busy; more would only take more memory.
const TOGETHER: usize = 32;
/// Vectors per probe during a product: the operator's input, the product and a copy of the product.
const ON_THE_WAY: usize = 3;
/// Bytes per node, with its weight, residual and probe, while nodes are collected, sorted and
/// split.
const NODE: usize = 10 * size_of::<f64>();
/// Bytes per node that deflation keeps in growing lists: the Ritz value, the end components of its
/// vector, and its entry in the deflated rest.
const RITZ: usize = 9 * size_of::<f64>();

impl Lanczos {
    /// The number of probes, at least one, that run together within `allowed` bytes. `number` is
    /// the size of a number in bytes.
    pub(super) fn together(&self, dimension: usize, number: usize, allowed: usize) -> usize {
        let beside = self.quadrature(dimension).and(self.of_eigenvectors(dimension, number));
        let left = allowed.saturating_sub(beside.total());
        let one = size([self.numbers(dimension)], number);
        (left / one.max(1)).clamp(1, self.probes(dimension).min(TOGETHER))
    }

    /// The memory for an operator of this dimension: within `allowed` bytes, or the minimum if that
    /// is more.
    pub(super) fn account(&self, dimension: usize, number: usize, allowed: usize) -> Account {
        let (steps, probes) = (self.steps(dimension), self.probes(dimension));
        let together = self.together(dimension, number, allowed);
        let what = match (probes, together) {
            (1, _) => format!("the Krylov basis of {steps} steps"),
            (all, some) if all == some => format!("the Krylov bases of {probes} probes of {steps} steps"),
            _ => format!("the Krylov bases of {probes} probes of {steps} steps, {together} at a time"),
        };
        Account::of(what, size([together, self.numbers(dimension)], number))
            .and(self.quadrature(dimension))
            .and(self.of_eigenvectors(dimension, number))
    }

    /// The number of quadrature nodes of all probes.
    pub(super) fn nodes(&self, dimension: usize) -> usize {
        let rules = if self.parameters.averaged { 2 } else { 1 };
        size([self.steps(dimension), self.probes(dimension)], rules)
    }

    /// Steps of each probe.
    pub(super) fn steps(&self, dimension: usize) -> usize {
        self.parameters.steps.get().min(dimension)
    }

    /// The memory of the quadrature, which does not depend on how many probes run together.
    fn quadrature(&self, dimension: usize) -> Account {
        Account::of("Ritz values and vectors", bytes_of_ritz_values(self.steps(dimension))).with(
            "quadrature nodes",
            size([self.nodes(dimension)], NODE + if self.parameters.deflation { RITZ } else { 0 }),
        )
    }

    /// The memory of the eigenvectors; that of measuring their residuals is less than what the
    /// basis took.
    fn of_eigenvectors(&self, dimension: usize, number: usize) -> Account {
        let count = self.eigenvectors.min(self.steps(dimension));
        Account::of(format!("{count} eigenvectors"), size([count, dimension], number))
    }

    /// Numbers stored per probe.
    fn numbers(&self, dimension: usize) -> usize {
        let on_the_way = size([dimension], ON_THE_WAY);
        krylov::numbers(dimension, self.steps(dimension)).saturating_add(on_the_way)
    }
}
