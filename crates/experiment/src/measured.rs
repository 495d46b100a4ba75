//! A measured spectrum or number, and its records.

use std::{borrow::Cow, num::NonZeroUsize};

use eigenscape_core::{
    ClassMeans, Curvature, Estimate, Split,
    results::{MeansRecord, ProbeRecord},
};

use crate::{prepare::PreparedProbe, vectors::Stored};

/// A measured spectrum or number, with the matrix that it belongs to.
pub struct Measured {
    /// The probe's number and what it measures on.
    pub over: Over,
    /// The curvature.
    pub curvature: Curvature,
    /// The index of the sample, if there are several.
    pub batch: Option<usize>,
    /// The part of the matrix ("G1"); `None` for the whole matrix.
    pub part: Option<Cow<'static, str>>,
    /// The group's name.
    pub group: String,
    /// The estimator's name.
    pub estimator: String,
    /// The spectrum, or the number.
    pub estimate: Estimate,
    /// The class means, if the whole matrix was decomposed by classes.
    pub means: Option<ClassMeans>,
    /// The eigenpairs of the whole matrix, from the largest in magnitude.
    pub eigenpairs: Vec<Stored>,
    /// Wall-clock seconds; the mean over matrices that were estimated together.
    pub seconds: f64,
}

impl Measured {
    /// The matrix: "hessian of fc1.weight".
    #[must_use]
    pub fn of(&self) -> String {
        let part = self.part.as_ref().map(|part| format!(" {part}")).unwrap_or_default();
        format!("{}{part} of {}", self.curvature, self.group)
    }

    /// The record for `results.json`.
    #[must_use]
    pub fn record(&self, epoch: usize) -> ProbeRecord {
        ProbeRecord {
            epoch,
            batch: self.batch,
            group: self.group.clone(),
            curvature: match &self.part {
                None => self.curvature.to_string(),
                Some(part) => format!("{} {part}", self.curvature),
            },
            estimator: self.estimator.clone(),
            probe: Some(self.over.probe),
            dtype: Some(self.over.dtype.to_owned()),
            samples: Some(self.over.samples),
            split: Some(self.over.split.to_owned()),
            eigenpairs: self.eigenpairs.iter().map(|pair| pair.record.clone()).collect(),
            seconds: self.seconds,
            ..ProbeRecord::from(&self.estimate)
        }
    }

    /// The record of the class means, where there are some.
    #[must_use]
    pub fn means(&self, epoch: usize) -> Option<MeansRecord> {
        Some(MeansRecord {
            epoch,
            batch: self.batch,
            group: self.group.clone(),
            curvature: self.curvature.to_string(),
            estimator: self.estimator.clone(),
            means: self.means.clone()?,
        })
    }
}

/// What one probe measures on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Over {
    /// Which `[[probe]]`, counted from 1.
    pub probe: usize,
    /// The floating-point type of products.
    pub dtype: &'static str,
    /// The number of samples.
    pub samples: usize,
    /// The split that they are from, by its name in files.
    pub split: &'static str,
}

impl Over {
    /// What the `number`-th probe (counted from 1) measures on.
    pub fn of(probe: &PreparedProbe, number: usize) -> Self {
        let split = match probe.plan.split {
            Split::Train => "train",
            Split::Test => "test",
        };
        Self { probe: number, dtype: probe.plan.dtype.as_str(), samples: probe.samples(), split }
    }
}

/// Why there are fewer eigenvectors than were asked for; `None` if there are not.
#[must_use]
pub fn fewer_eigenvectors(asked: Option<NonZeroUsize>, epoch: usize, measured: &Measured) -> Option<String> {
    let (asked, found) = (asked?.get(), measured.eigenpairs.len());
    let spectrum = measured.estimate.spectrum().filter(|_| measured.part.is_none() && found < asked)?;
    let is_zero = spectrum.lambda_max() == 0.0 && spectrum.lambda_min() == 0.0;
    let why = match spectrum.exact {
        _ if is_zero => "the matrix is zero",
        true => "the matrix has no more non-zero eigenvalues",
        false => "no more of the largest eigenvalues have converged: take more `steps`",
    };
    let batch = measured.batch.map(|batch| format!(", batch {batch}")).unwrap_or_default();
    let Measured { curvature, group, .. } = measured;
    Some(format!(
        "{} of {asked} eigenvectors of {curvature} of {group} after epoch {epoch}{batch}: {why}",
        asked - found
    ))
}

/// How orthogonal a Krylov basis was that was stored rounded to fit into memory.
pub fn rounded_basis(measured: &Measured) -> Option<String> {
    let loss = measured.estimate.spectrum()?.orthogonality_loss?;
    let Measured { curvature, group, .. } = measured;
    Some(format!(
        "the Krylov basis of {curvature} of {group} was stored rounded to fit into memory; its vectors are orthogonal up to \
         {loss:.0e}, which is part of the bounds of its eigenvalues"
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use eigenscape_core::{Number, Spectrum};

    use super::*;

    pub fn measured(group: &str, curvature: Curvature, exact: bool) -> Measured {
        let mut spectrum = Spectrum::exact(2, vec![1.0, 2.0], 0).unwrap();
        spectrum.exact = exact;
        let (group, estimator) = (group.to_owned(), "x".to_owned());
        let estimate = spectrum.into();
        let (means, eigenpairs) = (None, Vec::new());
        Measured {
            over: Over::default(),
            curvature,
            batch: None,
            part: None,
            group,
            estimator,
            estimate,
            means,
            eigenpairs,
            seconds: 0.0,
        }
    }

    #[test]
    fn a_number_is_recorded_as_a_number() {
        let of = |number: Number, group: &str| Measured {
            estimate: number.into(),
            ..measured(group, Curvature::Hessian, true)
        };
        let estimated = of(Number::estimated(5, &[1.0, 3.0], 2).unwrap(), "full");
        let exact = of(Number::exact(5, 2.5, 0).unwrap(), "a");
        let json = serde_json::to_value(estimated.record(3)).unwrap();
        for (key, value) in [("value", 2.0), ("value_stderr", 1.0), ("trace", 2.0), ("trace_stderr", 1.0)] {
            assert_eq!(json[key], value, "{key}");
        }
        assert_eq!((&json["probes"], &json["exact"]), (&2.into(), &false.into()));
        assert!(json["lambda_max"].is_null() && json["lambda_min"].is_null());
        assert!(json["eigenvalues"].as_array().unwrap().is_empty());
        let json = serde_json::to_value(exact.record(3)).unwrap();
        assert_eq!((&json["value"], &json["value_stderr"]), (&2.5.into(), &0.0.into()));
        assert_eq!((&json["exact"], json.get("probes")), (&true.into(), None));
    }
}
