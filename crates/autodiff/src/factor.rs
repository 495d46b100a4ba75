//! Exact factors of a Gauss-Newton matrix: the per-sample rows whose Gram matrix has its non-zero spectrum.

use candle_core::Tensor;

/// Φ with G = Φᵀ Φ, one [`Rows`] a parameter tensor of the group: Φ = \[Φ₁ Φ₂ ...\], Φ Φᵀ = Σₜ Φₜ Φₜᵀ.
#[derive(Debug, Clone)]
pub struct Factor {
    /// M, the number of rows: N times the rank of the loss' Hessian in the outputs.
    pub rows: usize,
    /// The columns that belong to each parameter tensor of the group, in the group's order.
    pub tensors: Vec<Rows>,
}

/// The M × Pₜ columns of Φ that belong to one parameter tensor. Row r·N + n belongs to column r of the loss factor Sₙ.
#[derive(Debug, Clone)]
pub enum Rows {
    /// The rows themselves, \[M, Pₜ\].
    Explicit(Tensor),
    /// Row (r, n) is the outer product `left[r, n, :] ⊗ right[n, :]` with `left` \[R, N, o\] and `right` \[N, i\], Pₜ = o·i:
    /// a linear layer, whose Gram matrix is (left·left') ∘ (right·right').
    Outer {
        /// The cotangents of the layer's outputs.
        left: Tensor,
        /// The layer's inputs.
        right: Tensor,
    },
}
