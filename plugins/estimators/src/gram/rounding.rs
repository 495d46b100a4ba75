//! The rounding error of a factor's rows, measured on a few samples.

use eigenscape_core::{Interrupt, Result};

use super::{
    schedule::Schedule,
    target::{Job, Target},
};
use crate::{float::epsilon, rounding::SAFETY};

/// The relative rounding error of a factor's rows.
pub(crate) struct Rounding {
    variables: Vec<usize>,
    /// For each measured sample, \[Σ(φ̃ − φ)², Σφ²\] of each variable's rows; empty where rounding
    /// is not measured, as for rows in f64.
    samples: Vec<Vec<[f64; 2]>>,
    /// The machine epsilon of the rows' type.
    epsilon: f64,
}

impl Rounding {
    /// Measures the error on up to two samples, for the variables of one part of the schedule at a
    /// time.
    pub fn measured(job: &Job, schedule: &Schedule, interrupt: &Interrupt) -> Result<Self> {
        let all = job.source.samples();
        let mut few = vec![all / 4, 3 * all / 4];
        few.dedup();
        let mut samples = vec![Vec::new(); few.len()];
        for part in &schedule.parts {
            let columns = job.source.columns(&schedule.variables[part.variables.clone()])?;
            for (sample, deviations) in few.iter().zip(&mut samples) {
                interrupt.check()?;
                deviations.extend(columns.rounding(*sample)?.into_iter().flatten());
            }
        }
        samples.retain(|deviations| deviations.len() == schedule.variables.len());
        Ok(Self { variables: schedule.variables.clone(), samples, epsilon: epsilon(job.source.dtype())? })
    }

    /// The threshold up to which a target's `eigenvalues` (ascending) cannot be distinguished
    /// from 0.
    ///
    /// The error E of the rows Φ satisfies ‖E‖² ≤ ‖E‖_F² = ρ² ‖Φ‖_F² = ρ² tr, where ρ is the
    /// relative error measured on the samples. Without a measurement, independent relative errors ε
    /// give ‖E‖² of about max(M, P) ε² λ_max. The eigenproblem, in f64, adds n ε₆₄ λ_max. The
    /// threshold is at least the absolute value of the smallest eigenvalue where that is negative,
    /// which only rounding can make it.
    pub fn of_eigenvalues(&self, target: &Target, eigenvalues: &[f64]) -> f64 {
        let largest = eigenvalues.last().copied().unwrap_or(0.0);
        let of_rows = match self.share(target) {
            Some(share) => SAFETY * SAFETY * share * eigenvalues.iter().sum::<f64>(),
            None => target.rows.max(target.dimension) as f64 * self.epsilon * self.epsilon * largest,
        };
        let cut = of_rows + target.n() as f64 * f64::EPSILON * largest;
        cut.max(-eigenvalues.first().copied().unwrap_or(0.0))
    }

    /// ρ² of a target's columns; `None` where it was not measured.
    fn share(&self, target: &Target) -> Option<f64> {
        /// Squared norm up to which nothing is concluded: numbers below 1e-30 lose digits in f32
        /// for another reason, since their products are subnormal.
        const SMALL: f64 = 1e-60;
        let places: Vec<usize> = target
            .variables
            .iter()
            .filter_map(|variable| self.variables.binary_search(variable).ok())
            .collect();
        let deviations = self.samples.iter().flat_map(|sample| places.iter().map(|&i| sample[i]));
        let [error, norm] = deviations.fold([0.0; 2], |[e, n], [error, norm]| [e + error, n + norm]);
        (norm > SMALL).then(|| error / norm)
    }
}
