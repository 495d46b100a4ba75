//! What a classifier predicts for each sample, and the extended gradients that follow from it.

use candle_core::DType;

use super::{MeanLoss, split::Need};
use crate::{
    error::{Error, Result},
    objective::Objective,
};

/// Labels and predicted probabilities of N samples under a cross-entropy over C classes.
///
/// With these the Gauss-Newton matrix is a second moment of *extended gradients* (Papyan 2020), the gradients that sample n would
/// have if its label were c': δ_{n,c'} = Jₙᵀ(e_{c'} − pₙ) (up to the sign), and G = Σ_{n,c'} w_{n,c'} δ_{n,c'} δ_{n,c'}ᵀ with the weights
/// w_{n,c'} = tₙ p_{n,c'} / N, where tₙ is the sum of the sample's targets: 1 for a label, 0 for one that is ignored.
pub trait Predictions {
    /// N.
    fn samples(&self) -> usize;

    /// C.
    fn classes(&self) -> usize;

    /// The class of a sample, the one with the largest target; `None` for a sample that is ignored.
    fn label(&self, sample: usize) -> Option<usize>;

    /// w_{n,c'}.
    fn weight(&self, sample: usize, class: usize) -> f64;

    /// The column of Bₙ, C − 1 numbers, with √w_{n,c'} δ_{n,c'} = Φₙᵀ Bₙ e_{c'} for the C − 1 rows Φₙ of sample n in the exact factor.
    fn combination(&self, sample: usize, class: usize) -> Vec<f64>;
}

impl MeanLoss {
    /// What the network predicts for each sample.
    ///
    /// # Errors
    /// When the loss is not [categorical](crate::LossFunction::categorical) with one label a
    /// sample, or the network cannot be evaluated.
    pub fn predictions(&self) -> Result<Box<dyn Predictions>> {
        let &[classes] = self.network.output_shape() else {
            return Err(Error::shape("predictions", "need one row of outputs a sample"));
        };
        let Some(categorical) = self.loss.categorical() else {
            let problem = format!(
                "need a loss that is −log of a class' probability: `{}` knows no classes",
                self.loss.name()
            );
            return Err(Error::shape("predictions", problem));
        };
        let function = |samples| Objective::new(&self.network, &self.loss, samples)?.loss();
        let need = |samples| Ok(Need { residuals: 0, peak: size_of::<f64>() * function(samples)?.peak() });
        let split = self.split(self.point.samples(), self.memory, need)?;
        let mut outputs = Vec::with_capacity(self.point.samples() * classes);
        for index in 0..split.count {
            let range = split.range(index);
            let results = function(range.len())?.at_in_f64(&self.point.narrow(range)?)?;
            outputs.extend(results[1].flatten_all()?.to_vec1::<f64>()?);
        }
        let targets = self.point.targets.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(categorical.predictions(classes, &outputs, &targets))
    }
}
