//! What a classifier predicts for each sample, and the extended gradients that follow from it.

use candle_core::DType;
use eigenscape_program::{Loss, SLACK};
use eigenscape_runtime::{Error, Result};

use super::{MeanLoss, split::Need};

/// Labels and predicted probabilities of N samples under the cross-entropy over C classes.
///
/// With these the Gauss-Newton matrix is a second moment of *extended gradients* (Papyan 2020), the gradients that sample n would
/// have if its label were c': δ_{n,c'} = Jₙᵀ(e_{c'} − pₙ) (up to the sign), and G = Σ_{n,c'} w_{n,c'} δ_{n,c'} δ_{n,c'}ᵀ with the weights
/// w_{n,c'} = tₙ p_{n,c'} / N, where tₙ is the sum of the sample's targets: 1 for a label, 0 for one that is ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    classes: usize,
    labels: Vec<Option<usize>>,
    /// The reference m of each sample's odds, as in [`Loss::factor`].
    references: Vec<usize>,
    /// √p, \[N, C\].
    roots: Vec<f64>,
    /// √w, \[N, C\].
    weights: Vec<f64>,
}

impl Predictions {
    /// From the outputs, evaluated in f64, and targets of each sample, C numbers each.
    fn new(classes: usize, outputs: &[f64], targets: &[f64]) -> Self {
        let mut predictions =
            Self { classes, labels: vec![], references: vec![], roots: vec![], weights: vec![] };
        let samples = targets.len() / classes.max(1);
        for (z, t) in outputs.chunks(classes).zip(targets.chunks(classes)) {
            let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let normaliser = largest + z.iter().map(|z| (z - largest).exp()).sum::<f64>().ln();
            let mass: f64 = t.iter().sum();
            let label = (0..classes).reduce(|best, class| if t[class] > t[best] { class } else { best });
            predictions.labels.push(label.filter(|_| mass > 0.0));
            predictions.references.push(z.iter().position(|z| *z >= largest - SLACK).unwrap_or(0));
            for z in z {
                let root = (0.5 * (z - normaliser)).exp();
                predictions.roots.push(root);
                predictions.weights.push(mass / samples as f64 * root * root);
            }
        }
        predictions
    }

    /// N.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.labels.len()
    }

    /// C.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The class of a sample, the one with the largest target; `None` for a sample that is ignored.
    #[must_use]
    pub fn label(&self, sample: usize) -> Option<usize> {
        self.labels.get(sample).copied().flatten()
    }

    /// w_{n,c'}.
    #[must_use]
    pub fn weight(&self, sample: usize, class: usize) -> f64 {
        self.weights[sample * self.classes + class]
    }

    /// The column of Bₙ, C − 1 numbers, with √w_{n,c'} δ_{n,c'} = Φₙᵀ Bₙ e_{c'} for the C − 1 rows Φₙ of sample n in the exact factor.
    ///
    /// With s = √p and the reflection Q that maps s to −e_m, Φₙ has the columns of diag(s) Q but the m-th as cotangents (see
    /// [`Loss::factor`]), and the extended gradients have diag(s)(I − ssᵀ) = diag(s) Q (I − e_m e_mᵀ) Q: Bₙ is the rows of Q but the m-th, the last
    /// taking its place.
    #[must_use]
    pub fn combination(&self, sample: usize, class: usize) -> Vec<f64> {
        let s = &self.roots[sample * self.classes..][..self.classes];
        let (last, m) = (self.classes - 1, self.references[sample]);
        let axis = s[class] + f64::from(u8::from(class == m));
        let unit = |row: usize| f64::from(u8::from(row == class));
        let rows = (0..last).map(|row| if row == m { last } else { row });
        rows.map(|row| unit(row) - s[row] * axis / (1.0 + s[m])).collect()
    }
}

impl MeanLoss {
    /// What the network predicts for each sample.
    ///
    /// # Errors
    /// When the loss is not the cross-entropy of one label a sample, or the network cannot be evaluated.
    pub fn predictions(&self) -> Result<Predictions> {
        let &[classes] = self.network().output_shape() else {
            return Err(Error::shape("predictions", "need one row of outputs a sample"));
        };
        if self.programs.loss_kind() != Loss::CrossEntropy {
            return Err(Error::shape("predictions", "need the cross-entropy: other losses know no classes"));
        }
        let fusion = self.point.backend.fusion();
        let need =
            |samples| Ok(Need { residuals: 0, peak: self.programs.loss(samples)?.peak(fusion, DType::F64) });
        let split = self.split(self.point.samples(), self.memory, need)?;
        let mut outputs = Vec::with_capacity(self.point.samples() * classes);
        for index in 0..split.count {
            let range = split.range(index);
            let results = self.programs.loss(range.len())?.at_in_f64(&self.point.narrow(range)?)?;
            outputs.extend(results[1].flatten_all()?.to_vec1::<f64>()?);
        }
        let targets = self.point.targets.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(Predictions::new(classes, &outputs, &targets))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use eigenscape_program::{Network, nn};

    use crate::objective::Objective;

    use super::*;
    use crate::Point;

    #[test]
    fn combinations_of_the_rows_are_extended_gradients() -> Result<()> {
        const C: usize = 4;
        let network = Network::new(&[3], |scope, x| nn::linear(&mut scope.at("fc"), x, C, true))?;
        let tensor = |shape: &[usize], phase: f64| {
            let count = shape.iter().product::<usize>();
            let values =
                Tensor::from_iter((0..count).map(|i| 2.0 * (i as f64 * 1.3 + phase).sin()), &Device::Cpu);
            values?.reshape(shape)
        };
        let mut targets = vec![0.0; 5 * C];
        // The last sample is ignored.
        [1, 3, 0, 3].into_iter().enumerate().for_each(|(n, label)| targets[n * C + label] = 1.25);
        let point = Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters: vec![tensor(&[C, 3], 0.1)?, tensor(&[C], 0.7)?],
            buffers: vec![],
            inputs: tensor(&[5, 3], 0.4)?,
            targets: Tensor::from_vec(targets, (5, C), &Device::Cpu)?,
            masks: vec![],
        };
        let objective = Objective::new(&network, Loss::CrossEntropy, 5)?;
        let outputs = objective.loss()?.at(&point, &[])?.remove(1).to_vec2::<f64>()?;
        let factor = objective.loss_factor()?.rounded_at(&point)?.remove(0).to_vec3::<f64>()?;
        let predictions = MeanLoss::new(&network, Loss::CrossEntropy, point, usize::MAX)?.predictions()?;
        let labels: Vec<_> = (0..5).map(|n| predictions.label(n)).collect();
        assert_eq!(labels, [Some(1), Some(3), Some(0), Some(3), None]);
        for (n, z) in outputs.iter().enumerate() {
            let mass = if n < 4 { 1.25 } else { 0.0 };
            let total: f64 = z.iter().map(|z| z.exp()).sum();
            for class in 0..C {
                let weight = mass * z[class].exp() / total / 5.0;
                assert!((predictions.weight(n, class) - weight).abs() < 1e-15);
                let combination = predictions.combination(n, class);
                for output in 0..C {
                    let found: f64 = (0..C - 1).map(|r| factor[n][output][r] * combination[r]).sum();
                    let unit = f64::from(u8::from(output == class));
                    let expected = weight.sqrt() * (unit - z[output].exp() / total);
                    assert!((found - expected).abs() < 1e-15, "{n} {class} {output}: {found} {expected}");
                }
            }
        }
        Ok(())
    }
}
