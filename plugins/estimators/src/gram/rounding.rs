//! How far rounding has moved the rows of a factor, measured on a few samples.

use eigenscape_core::Result;

use super::{
    schedule::Schedule,
    target::{Job, Target},
};
use crate::{float::epsilon, rounding::SAFETY};

/// The share of the factor's rows that is rounding.
pub(crate) struct Rounding {
    variables: Vec<usize>,
    /// For some samples, \[Σ(φ̃ − φ)², Σφ²\] of each variable's rows; none where the rows are in
    /// f64.
    samples: Vec<Vec<[f64; 2]>>,
    /// The machine epsilon of the rows' type.
    epsilon: f64,
}

impl Rounding {
    /// Measures it, some of the variables at a time as in the schedule.
    pub fn measured(job: &Job, schedule: &Schedule) -> Result<Self> {
        let all = job.source.samples();
        let mut few = vec![all / 4, 3 * all / 4];
        few.dedup();
        let mut samples = vec![Vec::new(); few.len()];
        for part in &schedule.parts {
            let columns = job.source.columns(&schedule.variables[part.variables.clone()])?;
            for (sample, deviations) in few.iter().zip(&mut samples) {
                deviations.extend(columns.rounding(*sample)?.into_iter().flatten());
            }
        }
        samples.retain(|deviations| deviations.len() == schedule.variables.len());
        Ok(Self { variables: schedule.variables.clone(), samples, epsilon: epsilon(job.source.dtype())? })
    }

    /// The eigenvalue up to which a target's eigenvalues, ascending, are not told from 0.
    ///
    /// With the error E of the rows Φ, ‖E‖² ≤ ‖E‖_F² = ρ² ‖Φ‖_F² = ρ² tr, where ρ is the relative
    /// error of the rows of the samples. Where nothing was measured, independent relative errors ε
    /// have ‖E‖² of about max(M, P) ε² λ_max. The eigenproblem itself, in f64, adds n ε₆₄ λ_max. A
    /// negative eigenvalue is rounding in any case.
    pub fn of_eigenvalues(&self, target: &Target, eigenvalues: &[f64]) -> f64 {
        let largest = eigenvalues.last().copied().unwrap_or(0.0);
        let of_rows = match self.share(target) {
            Some(share) => SAFETY * SAFETY * share * eigenvalues.iter().sum::<f64>(),
            None => target.rows.max(target.dimension) as f64 * self.epsilon * self.epsilon * largest,
        };
        let cut = of_rows + target.n() as f64 * f64::EPSILON * largest;
        cut.max(-eigenvalues.first().copied().unwrap_or(0.0))
    }

    /// ρ² of a target's columns.
    fn share(&self, target: &Target) -> Option<f64> {
        /// Smaller numbers than 1e-30 lose digits in f32 for another reason: their products are no
        /// longer normal.
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
