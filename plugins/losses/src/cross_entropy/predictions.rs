//! The predictions of a softmax for each sample.

use eigenscape_program::{Odds, Predictions};

use super::root::combination;

/// Labels and predicted probabilities of N samples over C classes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Softmax {
    classes: usize,
    labels: Vec<Option<usize>>,
    /// The reference m of each sample's odds, as in the exact factor.
    references: Vec<usize>,
    /// √p, \[N, C\].
    roots: Vec<f64>,
    /// w, \[N, C\].
    weights: Vec<f64>,
}

impl Softmax {
    /// From the outputs, evaluated in f64, and the targets: C numbers per sample each.
    pub fn new(classes: usize, outputs: &[f64], targets: &[f64]) -> Self {
        let mut predictions =
            Self { classes, labels: vec![], references: vec![], roots: vec![], weights: vec![] };
        let samples = targets.len() / classes.max(1);
        for (z, t) in outputs.chunks(classes).zip(targets.chunks(classes)) {
            let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let normaliser = largest + z.iter().map(|z| (z - largest).exp()).sum::<f64>().ln();
            let mass: f64 = t.iter().sum();
            let label = (0..classes).reduce(|best, class| if t[class] > t[best] { class } else { best });
            predictions.labels.push(label.filter(|_| mass > 0.0));
            predictions.references.push(z.iter().position(|z| *z >= largest - Odds::SLACK).unwrap_or(0));
            for z in z {
                let root = (0.5 * (z - normaliser)).exp();
                predictions.roots.push(root);
                predictions.weights.push(mass / samples as f64 * root * root);
            }
        }
        predictions
    }
}

impl Predictions for Softmax {
    fn samples(&self) -> usize {
        self.labels.len()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn label(&self, sample: usize) -> Option<usize> {
        self.labels.get(sample).copied().flatten()
    }

    fn weight(&self, sample: usize, class: usize) -> f64 {
        self.weights[sample * self.classes + class]
    }

    fn combination(&self, sample: usize, class: usize) -> Vec<f64> {
        let s = &self.roots[sample * self.classes..][..self.classes];
        combination(s, self.references[sample], class)
    }
}
