//! Predictions of a classifier, and the extended gradients that follow from them.

/// Labels and predicted probabilities of N samples under a cross-entropy over C classes.
///
/// With these the Gauss-Newton matrix is a second moment of *extended gradients* (Papyan 2020), the
/// gradients that sample n would have if its label were c': δ_{n,c'} = Jₙᵀ(e_{c'} − pₙ) (up to the
/// sign), and G = Σ_{n,c'} w_{n,c'} δ_{n,c'} δ_{n,c'}ᵀ with the weights w_{n,c'} = tₙ p_{n,c'} / N,
/// where tₙ is the sum of the sample's targets: 1 for a label, 0 for one that is ignored.
pub trait Predictions {
    /// N, the number of samples.
    fn samples(&self) -> usize;

    /// C, the number of classes.
    fn classes(&self) -> usize;

    /// The class of a sample, the one with the largest target; `None` for a sample that is ignored.
    fn label(&self, sample: usize) -> Option<usize>;

    /// The weight w_{n,c'}.
    fn weight(&self, sample: usize, class: usize) -> f64;

    /// Column c' of Bₙ (C − 1 numbers), defined by √w_{n,c'} δ_{n,c'} = Φₙᵀ Bₙ e_{c'}, where Φₙ
    /// consists of the C − 1 rows of sample n in the exact factor.
    fn combination(&self, sample: usize, class: usize) -> Vec<f64>;
}

/// A cross-entropy over classes: its Hessian in the outputs of a row of weight w is w (diag(p) −
/// ppᵀ)/R.
pub trait Categorical {
    /// The predictions for all samples, from their outputs in f64 and their targets, each C numbers
    /// a sample.
    fn predictions(&self, classes: usize, outputs: &[f64], targets: &[f64]) -> Box<dyn Predictions>;
}
