use eigenscape_core::results::{
    Band, DistanceRecord, Divergence, Diverging, ProbeFailure, ProbeRecord, TrainingRecord,
};

use super::*;
use crate::expectation::{Counting, When};

pub(crate) fn probe(epoch: usize, group: &str, eigenvalues: &[f64]) -> ProbeRecord {
    ProbeRecord {
        epoch,
        batch: None,
        group: group.into(),
        curvature: "hessian".into(),
        estimator: "dense".into(),
        exact: true,
        rounding: None,
        dimension: 1000,
        eigenvalues: eigenvalues.to_vec(),
        weights: vec![1e-3; eigenvalues.len()],
        trace: eigenvalues.iter().sum(),
        trace_stderr: Some(0.0),
        lambda_max: Some(eigenvalues.first().copied().unwrap_or(0.0)),
        lambda_min: Some(0.0),
        ..ProbeRecord::default()
    }
}

pub(crate) fn distance(epoch: usize, layer: &str, value: f64) -> DistanceRecord {
    let [metric, curvature, left, right] = ["wasserstein", "hessian", layer, "full"].map(String::from);
    let stderr = Some(0.0);
    DistanceRecord { epoch, metric, curvature, left, right, value, stderr, ..DistanceRecord::default() }
}

fn failure(epoch: usize, group: &str) -> ProbeFailure {
    let [group, curvature, estimator] = [group, "hessian", "lanczos"].map(String::from);
    let problem = "has NaN or infinite values".to_owned();
    ProbeFailure { epoch, probe: 1, batch: None, group, curvature, estimator, problem, remedy: None }
}

pub(crate) fn divergence() -> Divergence {
    Divergence {
        what: Diverging::Loss,
        value: "NaN".into(),
        epoch: 2,
        step: 7,
        learning_rate: 0.5,
        last_finite_loss: Some(81.0),
    }
}

pub(crate) fn trained(epoch: usize, accuracy: f64) -> TrainingRecord {
    TrainingRecord {
        epoch,
        train_loss: 1.0 - accuracy,
        train_accuracy: Some(accuracy),
        test_loss: Some(1.0 - accuracy),
        test_accuracy: Some(accuracy),
        ..TrainingRecord::default()
    }
}

fn subject(quantity: Quantity) -> Subject {
    Subject {
        quantity,
        epoch: When::Last,
        group: "full".into(),
        curvature: "hessian".into(),
        metric: "wasserstein".into(),
        counting: Counting::Gap,
    }
}

fn verdict(quantity: Quantity, relation: Relation, variant: Option<&str>, runs: &[Run]) -> ClaimRecord {
    let expectation = Expectation {
        claim: "it is so".into(),
        paper: None,
        subject: subject(quantity),
        relation,
        variant: variant.map(str::to_owned),
        from: 0,
    };
    let runs: Vec<Classified> = runs.iter().map(|run| (run, Some(2))).collect();
    check(&expectation, &runs)
}

fn run(variant: &str, accuracy: f64, trace: f64) -> Run {
    Run {
        variant: variant.into(),
        training: vec![trained(0, 0.1), trained(1, accuracy)],
        probes: vec![
            probe(0, "full", &[90.0, 10.0]),
            probe(1, "full", &[trace / 2.0, trace / 2.5, trace / 10.0]),
        ],
        ..Run::default()
    }
}

#[test]
fn a_trace_falls_or_rises_beyond_its_interval() {
    let falls = |trace, error, probes| {
        let mut run = run("", 0.5, trace);
        let last = &mut run.probes[1];
        (last.exact, last.trace_stderr, last.probes) = (false, error, Some(probes));
        verdict(Quantity::Trace, Relation::OverTraining(Direction::Down), None, &[run])
    };
    // Starting from an exact 100. Student's t: 12.71 with one degree of freedom, 2.36 with seven.
    for (trace, error, probes, verdict) in [
        (50.0, 0.0, 8, Verdict::Holds),
        (150.0, 0.0, 8, Verdict::DoesNotHold),
        (100.0, 0.0, 8, Verdict::DoesNotHold),
        (99.0, 1.0, 8, Verdict::Undecided),
        (101.0, 1.0, 8, Verdict::Undecided),
        (97.0, 1.0, 8, Verdict::Holds),
        (103.0, 1.0, 8, Verdict::DoesNotHold),
        (97.0, 1.0, 2, Verdict::Undecided),
        (88.0, 1.0, 2, Verdict::Undecided),
        (87.0, 1.0, 2, Verdict::Holds),
        (113.0, 1.0, 2, Verdict::DoesNotHold),
    ] {
        assert_eq!(falls(trace, Some(error), probes).verdict, verdict, "{trace} ± {error}, {probes}");
    }
}

/// Nothing follows from unknown standard errors, whatever the numbers are.
#[test]
fn one_probe_measures_no_fall() {
    for trace in [1.0, 99.0, 150.0] {
        let mut run = run("", 0.5, trace);
        for record in &mut run.probes {
            (record.exact, record.trace_stderr, record.probes) = (false, None, Some(1));
        }
        let found = verdict(Quantity::Trace, Relation::OverTraining(Direction::Down), None, &[run.clone()]);
        assert_eq!(found.verdict, Verdict::NotMeasured);
        assert!(found.measured.starts_with("one random vector has no standard error"), "{}", found.measured);
        assert!(found.measured.contains("probes = 4") && found.measured.contains("± ?"), "{found:?}");
        // Another estimator of the same group whose error is known takes precedence.
        let known = ProbeRecord { trace_stderr: Some(0.1), probes: Some(8), ..run.probes[0].clone() };
        let number = |epoch, value| ProbeRecord { epoch, trace: value, value: Some(value), ..known.clone() };
        run.probes.extend([number(0, 100.0), number(1, 50.0)]);
        let found = verdict(Quantity::Trace, Relation::OverTraining(Direction::Down), None, &[run]);
        assert_eq!(found.verdict, Verdict::Holds, "{}", found.measured);
    }
}

/// A run whose largest Ritz values are `values`, each with the amount by which the eigenvalue may
/// exceed it.
fn ritz(values: [(f64, f64); 2]) -> Run {
    let record = |(epoch, (value, above)): (usize, (f64, f64))| ProbeRecord {
        exact: false,
        extreme_bounds: Some([0.0, value + above]),
        ..probe(epoch, "full", &[value, 0.5])
    };
    let probes = values.into_iter().enumerate().map(record).collect();
    Run { training: vec![trained(0, 0.1), trained(1, 0.2 + values[1].0 / 1000.0)], probes, ..Run::default() }
}

#[test]
fn a_largest_eigenvalue_falls_or_rises_beyond_what_has_not_converged() {
    let judge = |values, direction| {
        verdict(Quantity::LambdaMax, Relation::OverTraining(direction), None, &[ritz(values)])
    };
    for (values, falls) in [
        ([(9.0, 1e-9), (8.0, 1e-9)], Verdict::Holds),
        ([(9.0, 3.0), (8.0, 0.9)], Verdict::Holds),
        ([(9.0, 3.0), (8.0, 1.1)], Verdict::Undecided),
        ([(9.0, 0.5), (9.6, 7.0)], Verdict::DoesNotHold),
        ([(9.0, 0.7), (9.6, 7.0)], Verdict::Undecided),
    ] {
        assert_eq!(judge(values, Direction::Down).verdict, falls, "{values:?}");
        let rises = match falls {
            Verdict::Holds => Verdict::DoesNotHold,
            Verdict::DoesNotHold => Verdict::Holds,
            open => open,
        };
        assert_eq!(judge(values, Direction::Up).verdict, rises, "{values:?}");
    }
    let found = judge([(9.0, 3.0), (8.0, 1.1)], Direction::Down).measured;
    assert_eq!(
        found,
        "9.0000 [9.0000, 12.0000] after epoch 0, 8.0000 [8.0000, 9.1000] after epoch 1; difference -1.0000 [-4.0000, 0.1000]"
    );
    let mut old = ritz([(9.0, 0.0), (1.0, 0.0)]);
    old.probes.iter_mut().for_each(|record| record.extreme_bounds = None);
    let found = verdict(Quantity::LambdaMax, Relation::OverTraining(Direction::Down), None, &[old.clone()]);
    assert_eq!(found.verdict, Verdict::NotMeasured);
    assert!(found.measured.contains("earlier version"), "{}", found.measured);
    let reference = Reference::Number(5.0);
    let below = Relation::Against { direction: Direction::Down, strict: true, reference };
    let found = verdict(Quantity::LambdaMax, below, None, &[old.clone(), old]);
    assert_eq!(found.verdict, Verdict::NotMeasured, "{}", found.measured);
}

/// The mean over runs may be larger by the mean of what each run may be larger by; a regression
/// uses only converged values.
#[test]
fn runs_are_compared_with_what_has_not_converged() {
    let runs = |above: f64| -> Vec<Run> {
        [4.0, 4.1, 3.9, 4.05].map(|value| ritz([(9.0, 0.0), (value, above)])).to_vec()
    };
    let below = |number, above| {
        let reference = Reference::Number(number);
        let relation = Relation::Against { direction: Direction::Down, strict: true, reference };
        verdict(Quantity::LambdaMax, relation, None, &runs(above)).verdict
    };
    assert_eq!(
        [below(5.0, 0.0), below(5.0, 0.7), below(5.0, 2.0)],
        [Verdict::Holds, Verdict::Holds, Verdict::Undecided]
    );
    assert_eq!(below(3.0, 2.0), Verdict::DoesNotHold);
    let with = || Relation::With(Direction::Up, Box::new(subject(Quantity::LambdaMax)));
    assert_eq!(verdict(Quantity::TestAccuracy, with(), None, &runs(1e-3)).verdict, Verdict::Holds);
    let found = verdict(Quantity::TestAccuracy, with(), None, &runs(0.1));
    assert_eq!(found.verdict, Verdict::NotMeasured);
    assert!(found.measured.contains("more steps"), "{}", found.measured);
}

/// An estimator of a single number gives no eigenvalues.
#[test]
fn a_number_has_no_largest_eigenvalue() {
    let mut run = run("", 0.5, 50.0);
    for record in &mut run.probes {
        let (epoch, trace) = (record.epoch, record.trace);
        *record = ProbeRecord {
            value: Some(trace),
            lambda_max: None,
            lambda_min: None,
            ..probe(epoch, "full", &[])
        };
        record.trace = trace;
    }
    for quantity in [Quantity::LambdaMax, Quantity::Outliers] {
        let found = verdict(quantity, Relation::OverTraining(Direction::Down), None, &[run.clone()]).verdict;
        assert_eq!(found, Verdict::NotMeasured);
    }
    let found = verdict(Quantity::Trace, Relation::OverTraining(Direction::Down), None, &[run]);
    assert_eq!(found.verdict, Verdict::Holds);
}

#[test]
fn an_accuracy_is_compared_by_its_interval() {
    let against = |strict, ours: &[f64], theirs: &[f64]| {
        let runs: Vec<Run> = ours
            .iter()
            .map(|accuracy| run("htr", *accuracy, 1.0))
            .chain(theirs.iter().map(|accuracy| run("sgd", *accuracy, 1.0)))
            .collect();
        let reference = Reference::Variant("sgd".into());
        let relation = Relation::Against { direction: Direction::Up, strict, reference };
        verdict(Quantity::TestAccuracy, relation, Some("htr"), &runs).verdict
    };
    let (low, high, wide) = ([0.90, 0.91, 0.92], [0.96, 0.97, 0.98], [0.85, 0.93, 0.94]);
    assert_eq!(against(false, &high, &low), Verdict::Holds);
    assert_eq!(against(true, &high, &low), Verdict::Holds);
    assert_eq!(against(false, &wide, &low), Verdict::Undecided);
    assert_eq!(against(true, &wide, &low), Verdict::Undecided);
    assert_eq!(against(true, &low, &high), Verdict::DoesNotHold);
    assert_eq!(against(false, &low, &high), Verdict::DoesNotHold);
    assert_eq!(against(false, &[0.9], &low), Verdict::NotMeasured);
    // With equal means neither is above the other, and each is at least the other.
    let equal = [0.9, 0.9];
    assert_eq!(against(true, &equal, &equal), Verdict::DoesNotHold);
    assert_eq!(against(false, &equal, &equal), Verdict::Holds);
}

/// Runs with different settings are not a sample of one quantity: a claim that fails in one variant
/// does not hold.
#[test]
fn a_mean_is_compared_in_every_variant() {
    let runs: Vec<Run> =
        [("good", [0.9, 0.91, 0.92]), ("bad", [0.2, 0.21, 0.22]), ("fine", [0.8, 0.81, 0.82])]
            .iter()
            .flat_map(|(variant, values)| values.iter().map(|accuracy| run(variant, *accuracy, 1.0)))
            .collect();
    let above = |reference, runs: &[Run]| {
        let relation = Relation::Against { direction: Direction::Up, strict: true, reference };
        verdict(Quantity::TestAccuracy, relation, None, runs)
    };
    let found = above(Reference::Number(0.5), &runs);
    assert_eq!(found.verdict, Verdict::DoesNotHold, "{}", found.measured);
    let start = "holds in 2 of 3 variants; does not hold in bad (bad: ";
    assert!(found.measured.starts_with(start), "{}", found.measured);
    assert_eq!(above(Reference::Number(0.1), &runs).verdict, Verdict::Holds);
    // A variant is not compared with itself.
    assert_eq!(above(Reference::Variant("bad".into()), &runs).verdict, Verdict::Holds);
    assert_eq!(above(Reference::Variant("good".into()), &runs).verdict, Verdict::DoesNotHold);
    assert_eq!(above(Reference::Variant("good".into()), &runs[..3]).verdict, Verdict::NotMeasured);
}

/// Of two opposite claims at most one holds, however wide the interval is.
#[test]
fn an_accuracy_is_compared_with_a_number_by_its_interval_between_0_and_1() {
    let against = |direction, number, ours: &[f64]| {
        let runs: Vec<Run> = ours.iter().map(|accuracy| run("", *accuracy, 1.0)).collect();
        let reference = Reference::Number(number);
        verdict(
            Quantity::TestAccuracy,
            Relation::Against { direction, strict: false, reference },
            None,
            &runs,
        )
    };
    let (wide, narrow) = ([0.4, 0.9], [0.90, 0.91, 0.92]);
    for (direction, number, ours, expected) in [
        (Direction::Up, 0.99, &wide[..], Verdict::Undecided),
        (Direction::Down, 0.1, &wide, Verdict::Undecided),
        (Direction::Up, 0.0, &wide, Verdict::Holds),
        (Direction::Down, 1.0, &wide, Verdict::Holds),
        (Direction::Up, 0.99, &narrow, Verdict::DoesNotHold),
        (Direction::Up, 0.88, &narrow, Verdict::Holds),
        (Direction::Down, 0.88, &narrow, Verdict::DoesNotHold),
        (Direction::Up, 0.92, &narrow, Verdict::Undecided),
    ] {
        assert_eq!(against(direction, number, ours).verdict, expected, "{direction:?} {number} {ours:?}");
    }
    let found = against(Direction::Up, 0.99, &wide).measured;
    assert_eq!(found, "65.00 % [0.00 %, 100.00 %] (2 runs) against 99.00 %");
    let found = against(Direction::Up, 0.99, &narrow).measured;
    assert_eq!(found, "91.0 ± 2.5 % (3 runs) against 99.00 %");
}

#[test]
fn the_estimator_is_named_where_several_measured_the_same() {
    let mut twice = run("", 0.5, 50.0);
    let again = twice.probes.iter().filter(|record| record.group == "full");
    let again: Vec<ProbeRecord> =
        again.map(|record| ProbeRecord { estimator: "gram".into(), ..record.clone() }).collect();
    twice.probes.extend(again);
    let found = verdict(Quantity::Trace, Relation::OverTraining(Direction::Down), None, &[twice]);
    let named = " (by dense, one of 2 measurements of the same matrix)";
    assert!(found.measured.ends_with(named), "{}", found.measured);
}

#[test]
fn outliers_are_as_many_as_classes() {
    let relation = || Relation::EqualToClasses;
    assert_eq!(verdict(Quantity::Outliers, relation(), None, &[run("", 0.5, 10.0)]).verdict, Verdict::Holds);
    let mut three = run("", 0.5, 10.0);
    three.probes.push(probe(2, "full", &[9.0, 8.0, 7.0, 1.0]));
    let found = verdict(Quantity::Outliers, relation(), None, &[three]);
    assert_eq!(found.verdict, Verdict::DoesNotHold);
    assert_eq!(found.measured, "3 outliers, 2 classes after epoch 2");
}

#[test]
fn what_is_said_of_all_runs_must_be_so_in_all() {
    let relation = Relation::OverTraining(Direction::Down);
    let mut runs = [run("a", 0.5, 50.0), run("b", 0.5, 150.0)];
    runs[0].name = "a".into();
    let found = verdict(Quantity::Trace, relation, None, &runs);
    assert_eq!(found.verdict, Verdict::DoesNotHold);
    let start = "holds in 1 of 2 runs; does not hold in no. 2 (a: ";
    assert!(found.measured.starts_with(start), "{}", found.measured);
    let open = |name| {
        let mut run = run(name, 0.5, 99.0);
        let last = &mut run.probes[1];
        (last.exact, last.trace_stderr, last.probes) = (false, Some(1.0), Some(8));
        run
    };
    for (runs, expected) in [
        ([open("a"), run("b", 0.5, 50.0)], Verdict::Undecided),
        ([open("a"), run("b", 0.5, 150.0)], Verdict::DoesNotHold),
    ] {
        let relation = Relation::OverTraining(Direction::Down);
        let found = verdict(Quantity::Trace, relation, None, &runs);
        assert_eq!(found.verdict, expected);
        assert!(found.measured.contains("; undecided in no. 1 ("), "{}", found.measured);
        // t(0.975; 7) = 2.36 times the standard error 1.
        assert!(found.measured.contains("; difference -1.0 ± 2.4;"), "{}", found.measured);
    }
}

#[test]
fn a_run_that_misses_a_spectrum_of_what_is_claimed_proves_nothing() {
    let falls = || Relation::OverTraining(Direction::Down);
    let partial = |group| Run { failures: vec![failure(1, group)], ..run("a", 0.5, 50.0) };
    let found = verdict(Quantity::Trace, falls(), None, &[partial("full")]);
    assert_eq!(found.verdict, Verdict::Holds, "another estimator measured it");
    let missing = || Run { failures: vec![failure(3, "full")], ..run("a", 0.5, 50.0) };
    let found = verdict(Quantity::Trace, falls(), None, &[missing()]);
    assert_eq!(found.verdict, Verdict::NotMeasured);
    assert!(found.measured.ends_with("(a run of which a spectrum is missing is left out)"), "{found:?}");
    let relation = Relation::With(Direction::Down, Box::new(subject(Quantity::Trace)));
    let found = verdict(Quantity::TestAccuracy, relation, None, &[missing()]);
    assert!(found.measured.ends_with("is missing is left out)"), "{found:?}");
    // No remark if the claim is about other matrices.
    for found in [
        verdict(Quantity::Trace, falls(), None, &[partial("fc.weight")]),
        verdict(Quantity::TrainLoss, falls(), None, &[missing()]),
    ] {
        assert!(!found.measured.contains("missing"), "{found:?}");
    }
}

#[test]
fn a_run_that_diverged_proves_nothing() {
    let falls = || Relation::OverTraining(Direction::Down);
    let diverged = || Run { diverged: Some(divergence()), ..run("b", 0.5, 150.0) };
    let found = verdict(Quantity::Trace, falls(), None, &[run("a", 0.5, 50.0), diverged()]);
    assert_eq!(found.verdict, Verdict::Holds);
    assert!(found.measured.ends_with("(a run that diverged is left out)"), "{}", found.measured);
    assert_eq!(verdict(Quantity::Trace, falls(), None, &[diverged()]).verdict, Verdict::NotMeasured);
    // No remark if the claim is about other runs.
    let found = verdict(Quantity::Trace, falls(), Some("a"), &[run("a", 0.5, 50.0), diverged()]);
    assert!(!found.measured.contains("diverged"), "{}", found.measured);
}

#[test]
fn a_slope_is_told_from_none() {
    let relation = Relation::With(Direction::Down, Box::new(subject(Quantity::Trace)));
    let line: Vec<Run> = (1..6).map(|i| run("", 0.9 - 0.1 * f64::from(i), 10.0 * f64::from(i))).collect();
    assert_eq!(verdict(Quantity::TestAccuracy, relation.clone(), None, &line).verdict, Verdict::Holds);
    assert_eq!(verdict(Quantity::TestAccuracy, relation, None, &line[..2]).verdict, Verdict::NotMeasured);
}

#[test]
fn the_middle_half_is_of_the_depth() {
    let with = |values: [f64; 5]| {
        let distances = values.iter().enumerate().map(|(i, value)| distance(1, &format!("l{i}"), *value));
        let run = Run { distances: distances.collect(), ..Run::default() };
        verdict(Quantity::Distance, Relation::LeastInTheMiddleHalf, None, &[run]).verdict
    };
    assert_eq!(with([3.0, 1.0, 2.0, 2.0, 3.0]), Verdict::Holds);
    assert_eq!(with([0.5, 1.0, 2.0, 2.0, 3.0]), Verdict::DoesNotHold);
}

#[test]
fn an_order_that_the_probes_do_not_tell_is_undecided() {
    let with = |stderr, left_out: [[f64; 3]; 5]| {
        let record = |(i, left_out): (usize, [f64; 3])| DistanceRecord {
            stderr,
            left_out: if stderr.is_some() { left_out.to_vec() } else { Vec::new() },
            ..distance(1, &format!("l{i}"), left_out.iter().sum::<f64>() / 3.0)
        };
        let distances = left_out.into_iter().enumerate().map(record).collect();
        let run = Run { distances, ..Run::default() };
        verdict(Quantity::Distance, Relation::LeastInTheMiddleHalf, None, &[run])
    };
    let far = [5.0, 5.1, 4.9];
    let near = [far, [1.0, 1.2, 1.1], [1.0, 1.3, 1.2], far, far];
    assert_eq!(with(Some(0.1), near).verdict, Verdict::Holds, "whichever of the two it is");
    let first = [[1.05, 1.1, 1.2], [1.0, 1.2, 1.1], far, far, far];
    let found = with(Some(0.1), first);
    assert_eq!(found.verdict, Verdict::Undecided);
    assert_eq!(
        found.measured,
        "least at l1, depth 0.25 (not certain: l0 is as near within the error); next l0, 2 % farther; the middle half is l1 to l3"
    );
    let found = with(None, near);
    assert_eq!(found.verdict, Verdict::Undecided);
    assert!(
        found.measured.contains("the error is not known") && found.measured.contains("probes = 4"),
        "{found:?}"
    );
}

#[test]
fn a_verdict_that_another_bandwidth_turns_says_so() {
    let measured = |narrow: [f64; 5]| {
        let record = |(i, value): (usize, f64)| DistanceRecord {
            band: Some(Band { bandwidths: vec![0.002, 0.01], values: vec![narrow[i], value] }),
            ..distance(1, &format!("l{i}"), value)
        };
        let distances = [3.0, 1.0, 2.0, 2.0, 3.0].into_iter().enumerate().map(record).collect();
        let run = Run { distances, ..Run::default() };
        let found = verdict(Quantity::Distance, Relation::LeastInTheMiddleHalf, None, &[run]);
        assert_eq!(found.verdict, Verdict::Holds);
        found.measured
    };
    let next = "; next l2, 100 % farther; the middle half is l1 to l3";
    let flips = measured([0.1, 1.0, 2.0, 2.0, 3.0]);
    assert_eq!(flips, format!("least at l1, depth 0.25; the answer changes at bandwidth 0.002{next}"));
    assert_eq!(measured([3.0, 3.0, 1.0, 2.0, 3.0]), format!("least at l1, depth 0.25{next}"));
}
