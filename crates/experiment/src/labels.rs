//! What a loss makes of integer labels.

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Loss, class_targets};
use eigenscape_core::{Examples, Result, Targets};

/// PyTorch's label that belongs to no class.
pub const IGNORE_INDEX: i64 = -100;

/// How the cross-entropy reads labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labels {
    /// ε: a label counts 1 − ε for its class and ε/C for every class; in \[0, 1).
    pub smoothing: f64,
    /// The label that is left out of the mean; `None` where every label must be a class.
    pub ignore_index: Option<i64>,
}

impl Default for Labels {
    fn default() -> Self {
        Self { smoothing: 0.0, ignore_index: Some(IGNORE_INDEX) }
    }
}

impl Labels {
    /// These settings for a loss: one that is not the cross-entropy knows neither smoothing nor ignored labels.
    #[must_use]
    pub fn of(self, loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => self,
            _ => Self { smoothing: 0.0, ignore_index: None },
        }
    }

    /// Targets in the shape of the network's outputs: real ones as they are, for classes see [`class_targets`].
    ///
    /// # Errors
    /// When a label is neither a class nor ignored, every label is ignored, or a tensor operation fails.
    pub fn targets(&self, examples: &Examples, dtype: DType) -> Result<Tensor> {
        let targets = match &examples.targets {
            Targets::Values(values) => values.clone(),
            Targets::Classes { labels, classes } => {
                class_targets(labels, *classes, self.smoothing, self.ignore_index)?
            }
        };
        Ok(targets.to_dtype(dtype)?)
    }

    /// The classes in their order, `None` for what is ignored; `None` for real targets.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn classes(&self, targets: &Targets) -> Result<Option<Vec<Option<i64>>>> {
        let Targets::Classes { labels, .. } = targets else { return Ok(None) };
        let labels = labels.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
        let counted = |label| (Some(label) != self.ignore_index).then_some(label);
        Ok(Some(labels.into_iter().map(counted).collect()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn only_the_cross_entropy_ignores() {
        let inputs = Tensor::zeros((2, 1), DType::F32, &Device::Cpu).unwrap();
        let labels = Tensor::new(&[1_i64, IGNORE_INDEX], &Device::Cpu).unwrap();
        let examples = Examples { inputs: inputs.into(), targets: Targets::Classes { labels, classes: 2 } };
        let labels = Labels::default();
        let rows = labels.targets(&examples, DType::F64).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(rows, [[0.0, 2.0], [0.0, 0.0]]);
        assert_eq!(labels.classes(&examples.targets).unwrap(), Some(vec![Some(1), None]));
        assert!(labels.of(Loss::MeanSquaredError).targets(&examples, DType::F64).is_err());
    }
}
