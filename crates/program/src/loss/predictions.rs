//! What a classifier predicts for each sample, and the extended gradients that follow from it.

/// Labels and predicted probabilities of N samples under a cross-entropy over C classes.
///
/// With these the Gauss-Newton matrix is a second moment of *extended gradients* (Papyan 2020), the
/// gradients that sample n would have if its label were c': δ_{n,c'} = Jₙᵀ(e_{c'} − pₙ) (up to the
/// sign), and G = Σ_{n,c'} w_{n,c'} δ_{n,c'} δ_{n,c'}ᵀ with the weights w_{n,c'} = tₙ p_{n,c'} / N,
/// where tₙ is the sum of the sample's targets: 1 for a label, 0 for one that is ignored.
pub trait Predictions {
    /// N.
    fn samples(&self) -> usize;

    /// C.
    fn classes(&self) -> usize;

    /// The class of a sample, the one with the largest target; `None` for a sample that is ignored.
    fn label(&self, sample: usize) -> Option<usize>;

    /// w_{n,c'}.
    fn weight(&self, sample: usize, class: usize) -> f64;

    /// The column of Bₙ, C − 1 numbers, with √w_{n,c'} δ_{n,c'} = Φₙᵀ Bₙ e_{c'} for the C − 1 rows
    /// Φₙ of sample n in the exact factor.
    fn combination(&self, sample: usize, class: usize) -> Vec<f64>;
}

/// A loss that is the cross-entropy of classes: of a row of weight w, its Hessian in the outputs is
/// w (diag(p) − ppᵀ)/R.
pub trait Categorical {
    /// What is predicted for each sample, from its outputs in f64 and its targets, C numbers each.
    fn predictions(&self, classes: usize, outputs: &[f64], targets: &[f64]) -> Box<dyn Predictions>;
}
