//! Consistency checks of eigenpairs.

use super::{Misfit, ROUNDING, demand};
use crate::results::{EigenpairRecord, ProbeRecord};

/// The tolerance for the inverse participation ratio of a vector in f32.
const OF_UNIT_VECTOR: f64 = 1e-3;

impl ProbeRecord {
    /// Checks that eigenpairs are of listed eigenvalues, from the largest in magnitude, with a file
    /// each, and that their numbers are those of unit vectors.
    pub(super) fn check_eigenpairs(&self) -> Result<(), Misfit> {
        let count = self.eigenpairs.len();
        demand(count <= self.dimension, "eigenpairs", || {
            format!("{count} of a matrix of dimension {}", self.dimension)
        })?;
        for (index, pair) in self.eigenpairs.iter().enumerate() {
            let before = &self.eigenpairs[..index];
            self.check_eigenpair(pair, before).map_err(|misfit| misfit.in_list("eigenpairs", index))?;
        }
        Ok(())
    }

    fn check_eigenpair(&self, pair: &EigenpairRecord, before: &[EigenpairRecord]) -> Result<(), Misfit> {
        let EigenpairRecord { value, residual, inverse_participation_ratio: ratio, file } = pair;
        let largest = self.eigenvalues.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let is_it = |listed: &f64| (listed - value).abs() <= ROUNDING * largest;
        let listed = self.eigenvalues.iter().any(is_it);
        demand(listed, "value", || format!("{value} is no eigenvalue that is listed"))?;
        let descends = before.last().is_none_or(|before| value.abs() <= before.value.abs());
        demand(descends, "value", || format!("{value} is larger in magnitude than the one before it"))?;
        let is_distance = *residual >= 0.0 && residual.is_finite();
        demand(is_distance, "residual", || format!("{residual} is no distance"))?;
        // At least 1/P, by Cauchy and Schwarz.
        let ratios = 1.0 - OF_UNIT_VECTOR..=(1.0 + OF_UNIT_VECTOR) * self.dimension as f64;
        let is_ratio = ratios.contains(&(ratio * self.dimension as f64));
        demand(is_ratio, "inverse_participation_ratio", || format!("{ratio} is that of no unit vector"))?;
        let inside = !file.is_empty() && !file.split(['/', '\\']).any(|step| step.is_empty() || step == "..");
        demand(inside, "file", || format!("`{file}` is no file in the folder of results"))?;
        let is_new = before.iter().all(|other| other.file != *file);
        demand(is_new, "file", || format!("`{file}` is that of another eigenpair"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ProbeRecord {
        let pair = |value: f64, file: &str| EigenpairRecord {
            value,
            residual: 1e-9,
            inverse_participation_ratio: 0.5,
            file: format!("vectors/{file}.safetensors"),
        };
        ProbeRecord {
            dimension: 3,
            eigenvalues: vec![1.0, -2.0],
            eigenpairs: vec![pair(-2.0, "0"), pair(1.0, "1")],
            ..ProbeRecord::default()
        }
    }

    #[test]
    fn what_is_no_eigenpair_is_named() {
        record().check_eigenpairs().unwrap();
        type Change = fn(&mut Vec<EigenpairRecord>);
        let cases: [(&str, Change); 10] = [
            ("eigenpairs: 4 of a matrix of dimension 3", |pairs| pairs.extend(pairs.clone())),
            ("eigenpairs[1].value: 1.5 is no eigenvalue", |pairs| pairs[1].value = 1.5),
            ("eigenpairs[1].value: -2 is larger", |pairs| pairs.reverse()),
            ("eigenpairs[0].residual: -1 is no distance", |pairs| pairs[0].residual = -1.0),
            ("eigenpairs[0].residual: NaN is no distance", |pairs| pairs[0].residual = f64::NAN),
            ("eigenpairs[0].inverse_participation_ratio: 0.3 is", |pairs| {
                pairs[0].inverse_participation_ratio = 0.3;
            }),
            ("eigenpairs[1].inverse_participation_ratio: 1.1 is", |pairs| {
                pairs[1].inverse_participation_ratio = 1.1;
            }),
            ("eigenpairs[1].file: `vectors/0.safetensors` is that", |pairs| {
                pairs[1].file = "vectors/0.safetensors".to_owned();
            }),
            ("eigenpairs[0].file: `../key` is no file", |pairs| pairs[0].file = "../key".to_owned()),
            ("eigenpairs[0].file: `/etc/key` is no file", |pairs| pairs[0].file = "/etc/key".to_owned()),
        ];
        for (expected, change) in cases {
            let mut record = record();
            change(&mut record.eigenpairs);
            let misfit = record.check_eigenpairs().unwrap_err().to_string();
            assert!(misfit.starts_with(expected), "{misfit}");
        }
    }
}
