//! The memory that Lanczos holds, and how many probes run together within a limit.

use eigenscape_core::{Account, CurvatureOperator, account::size};

use super::{
    Lanczos,
    compact::RECENT,
    pieces::{PIECE, Pieces},
};
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

/// In which type a basis is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// In the operator's.
    Full,
    /// As integers of 16 bits (`compact.rs`).
    Bits16,
    /// As integers of 8 bits.
    Bits8,
}

/// A basis that fits into memory: how it is stored, and for how many probes at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub storage: Storage,
    /// At least one.
    pub together: usize,
}

impl Lanczos {
    /// How the basis of an operator is stored within `allowed` bytes: in the operator's type if
    /// that of one probe fits, else in the most bits that do. In a device's memory it is always in
    /// the operator's type.
    pub(super) fn fit(&self, operator: &dyn CurvatureOperator, allowed: usize) -> Fit {
        let (dimension, number) = (operator.dimension(), operator.dtype().size_in_bytes());
        let beside = self.quadrature(dimension).and(self.of_eigenvectors(dimension, number));
        let left = allowed.saturating_sub(beside.total());
        let storages: &[Storage] = match operator.backend().is_none_or(|backend| backend.is_host()) {
            true => &[Storage::Full, Storage::Bits16, Storage::Bits8],
            false => &[Storage::Full],
        };
        let together = |storage| left / self.of_probe(dimension, number, storage).max(1);
        let storage = storages.iter().find(|storage| together(**storage) > 0).or(storages.last());
        let storage = storage.copied().unwrap_or(Storage::Full);
        let most = self.probes(dimension).clamp(1, TOGETHER);
        Fit { storage, together: together(storage).clamp(1, most) }
    }

    /// The memory for an operator: within `allowed` bytes, or the minimum if that is more.
    pub(super) fn account(&self, operator: &dyn CurvatureOperator, allowed: usize) -> Account {
        let (dimension, number) = (operator.dimension(), operator.dtype().size_in_bytes());
        let (steps, probes) = (self.steps(dimension), self.probes(dimension));
        let Fit { storage, together } = self.fit(operator, allowed);
        let what = match (probes, together) {
            (1, _) => format!("the Krylov basis of {steps} steps"),
            (all, some) if all == some => {
                format!("the Krylov bases of {probes} random vectors, {steps} steps each")
            }
            _ => format!(
                "the Krylov bases of {probes} random vectors, {steps} steps each, {together} at a time"
            ),
        };
        let bits = match storage {
            Storage::Full => "",
            Storage::Bits16 => " in 16 bits",
            Storage::Bits8 => " in 8 bits",
        };
        let bases = size([together], self.of_probe(dimension, number, storage));
        Account::of(format!("{what}{bits}"), bases)
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

    /// Bytes per probe: the basis with the factors of its pieces, vectors that are kept as they
    /// are, a copy of the newest one, and those of a product.
    fn of_probe(&self, dimension: usize, number: usize, storage: Storage) -> usize {
        let steps = self.steps(dimension);
        let (stored, kept) = match storage {
            Storage::Full => (number, 0),
            Storage::Bits16 => (size_of::<i16>(), RECENT),
            Storage::Bits8 => (size_of::<i8>(), RECENT),
        };
        let basis = size([Pieces::<f64>::numbers(dimension, steps)], stored);
        let factors = size([steps, dimension.div_ceil(PIECE)], size_of::<f64>());
        let vectors = size([kept + 1 + ON_THE_WAY, dimension], number);
        basis.saturating_add(factors).saturating_add(vectors)
    }
}
