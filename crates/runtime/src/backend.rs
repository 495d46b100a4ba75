//! What runs plans.

use std::fmt::Debug;

use candle_core::{DType, Tensor};

use crate::{error::Result, plan::Plan};

/// Which steps of a program a backend runs as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fusion {
    /// Chains of element-wise operations, and the sum at their end.
    pub chains: bool,
    /// The sum of two results of one convolution.
    pub pairs: bool,
}

impl Fusion {
    /// Every operation is a step of its own.
    pub const NONE: Self = Self { chains: false, pairs: false };
    /// Whatever can be fused.
    pub const ALL: Self = Self { chains: true, pairs: true };
}

/// Runs plans, and the little algebra that products need around them.
///
/// The same plan on the same inputs gives the same bits, for any number of threads.
pub trait Backend: Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// What it fuses.
    fn fusion(&self) -> Fusion;

    /// The outputs of a plan, given inputs of its [signature](crate::Signature). An input that
    /// nothing else holds is freed after its last use.
    ///
    /// # Errors
    /// When an operation fails, or there is no kernel for it.
    fn run(&self, plan: &Plan, inputs: Vec<Tensor>) -> Result<Vec<Tensor>>;

    /// \[K, Σ n\]: Σ factor · vectors over terms whose vectors are in parts of K·n numbers, or of n
    /// numbers that all K rows have alike. The sum is taken in f64 and rounded once to `dtype`.
    ///
    /// # Errors
    /// When there is no part, or an operation fails.
    fn join(&self, terms: &[(f64, Vec<Tensor>)], lens: &[usize], k: usize, dtype: DType) -> Result<Tensor>;

    /// The `results` of a run, those copied that share their memory with each other or with
    /// `others`.
    ///
    /// # Errors
    /// When a copy fails.
    fn own(&self, results: Vec<Tensor>, others: &[Tensor]) -> Result<Vec<Tensor>>;

    /// Takes the memory of tensors for later results. Nothing else may share it: see [`Self::own`].
    fn recycle(&self, tensors: &[Tensor]);

    /// Frees the memory that is kept for later results.
    fn release(&self);
}
