//! What a classifier predicts for each sample.

use candle_core::DType;
use eigenscape_program::{Categorical, Predictions};
use eigenscape_runtime::{Error, Part, Result};

use super::{MeanLoss, split::Need};

impl MeanLoss {
    /// The number of classes, and the loss as a categorical loss.
    ///
    /// # Errors
    /// When the loss is not [categorical](eigenscape_program::LossFunction::categorical) with one
    /// label per sample.
    pub fn classes(&self) -> Result<(usize, &dyn Categorical)> {
        let &[classes] = self.network().output_shape() else {
            return Err(Error::shape("predictions", "need one row of outputs a sample"));
        };
        let Some(categorical) = self.programs.loss_function().categorical() else {
            let problem = format!(
                "need a loss that is −log of a class' probability, as the cross-entropy is: `{}` knows no classes",
                self.programs.loss_function().name()
            );
            return Err(Error::shape("predictions", problem));
        };
        Ok((classes, categorical))
    }

    /// What the network predicts for each sample.
    ///
    /// # Errors
    /// When there are no [classes](Self::classes), or the network cannot be evaluated.
    pub fn predictions(&self) -> Result<Box<dyn Predictions>> {
        let (classes, categorical) = self.classes()?;
        let planning = self.point.backend.planning();
        let need = |samples| {
            Ok(Need { residuals: 0, peak: self.programs.loss(samples)?.peak(planning, DType::F64) })
        };
        let split = self.split(self.point.samples(), self.memory, need)?;
        let outputs = Vec::with_capacity(self.point.samples() * classes);
        let outputs = split.parts().fold(&self.interrupt, outputs, |mut outputs, Part { range, .. }| {
            let results = self.programs.loss(range.len())?.at_in_f64(&self.point.narrow(range)?)?;
            outputs.extend(results[1].flatten_all()?.to_vec1::<f64>()?);
            Ok::<_, Error>(outputs)
        })?;
        let targets = self.point.targets.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(categorical.predictions(classes, &outputs, &targets))
    }
}
