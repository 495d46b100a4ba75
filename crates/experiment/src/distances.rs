//! Distances between the spectra of one measurement point.

use eigenscape_analysis::uncertainty;
use eigenscape_core::{
    Distance, Spectrum,
    results::{Band, DistanceRecord, PARTS},
};

use crate::{measured::Measured, plan::DistancePlan, raw::Between};

/// The distances of a plan between the spectra of one measured epoch. A pair whose distance is
/// undefined or not finite is left out with a reason, and does not fail the run.
#[must_use]
pub fn distances(
    plan: &DistancePlan,
    epoch: usize,
    spectra: &[Measured],
) -> (Vec<DistanceRecord>, Vec<String>) {
    let (mut records, mut left_out) = (Vec::new(), Vec::new());
    for ((left, from), (right, to)) in pairs(plan.between, spectra) {
        let mut skip = |why: String| {
            let (from, to) = match plan.between {
                Between::Curvatures => (left.of(), right.curvature.to_string()),
                Between::LayersAndFull | Between::AllPairs => (left.group.clone(), right.group.clone()),
            };
            left_out.push(format!(
                "{} from {from} to {to} at epoch {epoch}{}: {why}",
                plan.name,
                left.batch.map(|batch| format!(", batch {batch}")).unwrap_or_default()
            ));
        };
        match plan.distance.distance(from, to) {
            Ok(value) if value.is_finite() => {
                let (stderr, left_out) = error(&*plan.distance, value, from, to);
                records.push(DistanceRecord {
                    epoch,
                    batch: left.batch,
                    metric: plan.name.clone(),
                    curvature: left.curvature.to_string(),
                    right_curvature: (right.curvature != left.curvature).then(|| right.curvature.to_string()),
                    left: left.group.clone(),
                    right: right.group.clone(),
                    value,
                    stderr,
                    left_out,
                    band: band(&*plan.distance, from, to),
                });
            }
            Ok(value) => skip(format!("it is {value}")),
            Err(error) => skip(error.to_string()),
        }
    }
    (records, left_out)
}

/// The standard error of a distance, and its values without each of the random vectors (or parts of
/// them). There is no error if the spectra have different numbers of vectors or a single one, if a
/// spectrum does not record which vector gave which eigenvalue, or if a distance without a part is
/// undefined.
fn error(distance: &dyn Distance, value: f64, left: &Spectrum, right: &Spectrum) -> (Option<f64>, Vec<f64>) {
    let sides = [left, right].into_iter().filter(|spectrum| !spectrum.has_no_chance());
    let random: Vec<&Spectrum> = sides.collect();
    if random.iter().any(|spectrum| spectrum.origins.is_empty()) {
        return (None, Vec::new());
    }
    let random = random.into_iter();
    let mut probes: Vec<usize> = random.map(|spectrum| spectrum.probes.unwrap_or(1)).collect();
    probes.dedup();
    let parts = match probes.as_slice() {
        [] => return (Some(0.0), Vec::new()),
        [several] if *several > 1 => PARTS.min(*several),
        _ => return (None, Vec::new()),
    };
    let without = |part| {
        let value = distance.distance(&left.without_part(part, parts), &right.without_part(part, parts));
        value.ok().filter(|value| value.is_finite())
    };
    match (0..parts).map(without).collect::<Option<Vec<f64>>>() {
        Some(left_out) => (uncertainty::Number::jackknife(value, &left_out).stderr(), left_out),
        None => (None, Vec::new()),
    }
}

/// The distance as a function of the bandwidth, where it is finite.
fn band(distance: &dyn Distance, left: &Spectrum, right: &Spectrum) -> Option<Band> {
    let mut points = distance.band(left, right).ok()?;
    points.retain(|(_, value)| value.is_finite());
    let (bandwidths, values) = points.into_iter().unzip();
    Some(Band { bandwidths, values }).filter(|band| !band.values.is_empty())
}

/// A spectrum with its matrix.
type Placed<'a> = (&'a Measured, &'a Spectrum);

/// Pairs of spectra on the same sample: of different groups with the same curvature, or of
/// different curvatures of the same group. A matrix measured by several estimators counts once,
/// with an exact spectrum if there is one. Numbers and parts are not compared.
fn pairs(between: Between, measured: &[Measured]) -> Vec<(Placed<'_>, Placed<'_>)> {
    let mut once: Vec<Placed> = Vec::new();
    let whole = measured.iter().filter(|measured| measured.part.is_none());
    for placed in whole.filter_map(|measured| Some((measured, measured.estimate.spectrum()?))) {
        let of = |(measured, _): &Placed| (measured.batch, measured.curvature, measured.group.clone());
        match once.iter().position(|other| of(other) == of(&placed)) {
            None => once.push(placed),
            Some(index) if placed.1.exact && !once[index].1.exact => once[index] = placed,
            Some(_) => {}
        }
    }
    let mut pairs = Vec::new();
    for (index, left) in once.iter().enumerate() {
        let of = |(measured, _): &Placed| (measured.batch, measured.curvature);
        let same_curvature = |right: &&Placed| of(right) == of(left);
        match between {
            Between::LayersAndFull if left.0.group == "full" => {}
            Between::LayersAndFull => {
                let mut full = once.iter().filter(same_curvature);
                pairs.extend(full.find(|right| right.0.group == "full").map(|full| (*left, *full)));
            }
            Between::AllPairs => {
                pairs.extend(once[index + 1..].iter().filter(same_curvature).map(|right| (*left, *right)));
            }
            Between::Curvatures => {
                let of = |(measured, _): &Placed| (measured.batch, measured.group.clone());
                let same_group = once[index + 1..].iter().filter(|right| of(right) == of(left));
                pairs.extend(same_group.map(|right| (*left, *right)));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use eigenscape_core::{Curvature, Node, Number, Result};

    use super::*;
    use crate::measured::tests::measured;

    fn names(between: Between, spectra: &[Measured]) -> Vec<String> {
        let name = |(one, spectrum): &Placed| format!("{} {} {}", one.group, one.curvature, spectrum.exact);
        pairs(between, spectra).into_iter().map(|(a, b)| format!("{} - {}", name(&a), name(&b))).collect()
    }

    /// The absolute difference of the means.
    struct Means;

    impl Distance for Means {
        fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
            let mean = |s: &Spectrum| -> f64 { s.atoms().iter().map(|(value, weight)| value * weight).sum() };
            Ok((mean(left) - mean(right)).abs())
        }

        fn is_metric(&self) -> bool {
            false
        }

        fn description(&self) -> String {
            "means".to_owned()
        }
    }

    /// A distance to an exact spectrum has the standard error of the samples' mean, on either side.
    /// There is no error for a single sample or for different numbers of samples on the two sides.
    #[test]
    fn a_distance_has_the_error_of_its_random_vectors() {
        let estimated = |values: &[f64]| {
            let rule = |value: &f64| vec![Node { value: *value, weight: 1.0, residual: 0.0 }];
            let rules: Vec<_> = values.iter().map(rule).collect();
            Spectrum::of_probes(2, rules, (0.0, None), values.len()).unwrap()
        };
        let exact = Spectrum::exact(2, vec![0.0, 0.0], 0).unwrap();
        let of = |left: &Spectrum, right: &Spectrum| {
            error(&Means, Means.distance(left, right).unwrap(), left, right)
        };
        let (three, one) = (estimated(&[1.0, 2.0, 6.0]), estimated(&[5.0]));
        for (left, right) in [(&three, &exact), (&exact, &three)] {
            let (stderr, left_out) = of(left, right);
            assert!((stderr.unwrap() - (7.0_f64 / 3.0).sqrt()).abs() < 1e-14, "{stderr:?}");
            assert_eq!(left_out, [4.0, 3.5, 1.5]);
        }
        // With the same vectors on both sides, their common error cancels.
        let shifted = estimated(&[11.0, 12.0, 16.0]);
        assert!(of(&three, &shifted).0.unwrap() < 1e-14);
        assert_eq!(of(&exact, &exact), (Some(0.0), Vec::new()));
        // An estimate, as from a plugin, that does not record its random vectors.
        let unsaid = Spectrum::estimated(2, vec![(1.0, 1.0)], 2.0, None, 1).unwrap();
        assert_eq!(of(&unsaid, &exact), (None, Vec::new()));
        assert_eq!(of(&three, &unsaid), (None, Vec::new()));
        let coordinates = Spectrum::estimated(2, vec![(1.0, 1.0)], 2.0, Some(0.0), 2).unwrap();
        assert_eq!(of(&coordinates, &exact), (Some(0.0), Vec::new()));
        for (left, right) in [(&one, &exact), (&one, &three), (&three, &one)] {
            assert_eq!(of(left, right), (None, Vec::new()));
        }
        // A thousand vectors in 32 parts: about the same error, 1/√1000 for a deviation of 1.
        let phase = |i: u32| f64::from(i * i % 100_003);
        let many: Vec<f64> = (0..1000).map(|i| 100.0 + 2_f64.sqrt() * phase(i).sin()).collect();
        let (stderr, left_out) = of(&estimated(&many), &exact);
        assert_eq!(left_out.len(), PARTS);
        assert!((stderr.unwrap() * 1000_f64.sqrt() - 1.0).abs() < 0.4, "{stderr:?}");
    }

    #[test]
    fn pairs_are_of_one_sample() {
        let on = |batch, group| Measured { batch: Some(batch), ..measured(group, Curvature::Hessian, true) };
        let spectra = [on(0, "full"), on(0, "a"), on(1, "full"), on(1, "a")];
        let found = pairs(Between::LayersAndFull, &spectra);
        let batches: Vec<_> = found.iter().map(|((a, _), (b, _))| (a.batch, b.batch)).collect();
        assert_eq!(batches, [(Some(0), Some(0)), (Some(1), Some(1))]);
    }

    #[test]
    fn pairs_are_of_one_curvature_and_prefer_exact_spectra() {
        let (h, g) = (Curvature::Hessian, Curvature::GaussNewton);
        let spectra = [
            measured("full", h, false),
            measured("full", g, true),
            measured("a", h, true),
            measured("b", h, true),
            measured("full", h, true),
            measured("a", g, true),
        ];
        assert_eq!(
            names(Between::LayersAndFull, &spectra),
            [
                "a hessian true - full hessian true",
                "b hessian true - full hessian true",
                "a gauss-newton true - full gauss-newton true"
            ]
        );
        assert_eq!(
            names(Between::AllPairs, &spectra),
            [
                "full hessian true - a hessian true",
                "full hessian true - b hessian true",
                "full gauss-newton true - a gauss-newton true",
                "a hessian true - b hessian true"
            ]
        );
        assert_eq!(
            names(Between::Curvatures, &spectra),
            ["full hessian true - full gauss-newton true", "a hessian true - a gauss-newton true"]
        );
        let plan = DistancePlan {
            name: "means".to_owned(),
            distance: Box::new(Means),
            between: Between::Curvatures,
        };
        let (records, left_out) = distances(&plan, 3, &spectra);
        let found: Vec<_> = records.iter().map(|d| (d.left.as_str(), d.right.as_str())).collect();
        assert_eq!((found.as_slice(), left_out.len()), (&[("full", "full"), ("a", "a")][..], 0));
        assert!(records.iter().all(|d| d.curvature == "hessian"));
        assert!(records.iter().all(|d| d.right_curvature.as_deref() == Some("gauss-newton")));
    }

    #[test]
    fn numbers_are_compared_with_nothing() {
        let of = |group: &str| Measured {
            estimate: Number::exact(5, 2.5, 0).unwrap().into(),
            ..measured(group, Curvature::Hessian, true)
        };
        assert!(pairs(Between::AllPairs, &[of("full"), of("a")]).is_empty());
    }
}
