//! How much work a run is, counted in floating-point operations before anything is computed, and
//! how long it may take. These are estimates for people who wait: nothing depends on them.

use std::time::{Duration, Instant};

use candle_core::DType;
use eigenscape_core::{Account, Curvature, CurvatureOperator, Group, Landscape, Random, Result};
use eigenscape_curvature::Programs;
use eigenscape_program::Variables;

use crate::{
    evaluate::Batches,
    plan::RegularizerPlan,
    prepare::{Prepared, PreparedProbe},
    weights::Weights,
};

/// The operations of a run, by its parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Work {
    /// An epoch of training.
    epoch: f64,
    /// Losses and accuracies after an epoch, and before the first.
    evaluation: f64,
    /// For each probe the epochs that it measures after, and the operations at each.
    probes: Vec<(Vec<usize>, f64)>,
    epochs: usize,
}

impl Work {
    /// The work of a run, whose programs are built for it.
    ///
    /// # Errors
    /// When a program cannot be built.
    pub fn of(prepared: &Prepared) -> Result<Self> {
        let examples = prepared.train.len();
        let forward = prepared.programs.loss(1)?.flops() as f64;
        let all = examples + prepared.test.as_ref().map_or(0, |test| test.len());
        let epoch = match &prepared.plan.train {
            None => 0.0,
            Some(train) => {
                let batch = train.batch_size.get().min(examples);
                let steps = examples.div_ceil(train.batch_size.get()) as f64;
                let step = prepared.training.training_step(batch)?.flops() as f64;
                let penalties =
                    train.regularizers.iter().map(|plan| penalty(plan, &prepared.training, batch));
                steps * (step + penalties.sum::<Result<f64>>()?)
            }
        };
        let probe = |probe: &PreparedProbe| {
            Ok((probe.plan.epochs.clone(), of_probe(probe)? * probe.batches.len() as f64))
        };
        Ok(Self {
            epoch,
            evaluation: forward * all as f64,
            probes: prepared.probes.iter().map(probe).collect::<Result<_>>()?,
            epochs: prepared.plan.epochs(),
        })
    }

    /// The work of training, of evaluating losses, and of measuring.
    #[must_use]
    pub fn parts(&self) -> [f64; 3] {
        let epochs = self.epochs as f64;
        let measurements = self.probes.iter().map(|(epochs, measurement)| epochs.len() as f64 * measurement);
        [epochs * self.epoch, (epochs + 1.0) * self.evaluation, measurements.sum()]
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.parts().iter().sum()
    }

    /// What is done when the losses after an epoch are evaluated and, if `measured`, the spectra
    /// after it.
    #[must_use]
    pub fn until(&self, epoch: usize, measured: bool) -> f64 {
        let measurements = |(epochs, measurement): &(Vec<usize>, f64)| {
            let done = epochs.iter().filter(|other| **other < epoch || (measured && **other == epoch));
            done.count() as f64 * measurement
        };
        let measured: f64 = self.probes.iter().map(measurements).sum();
        epoch as f64 * self.epoch + (epoch as f64 + 1.0) * self.evaluation + measured
    }
}

/// A penalty in the mean over steps.
fn penalty(plan: &RegularizerPlan, programs: &Programs, batch: usize) -> Result<f64> {
    let program = plan.regularizer.program(programs.network(), programs.loss_function(), batch)?;
    let draws = plan.regularizer.draws(program.probe_shapes()) as f64;
    Ok(draws * program.flops() as f64 / plan.every.get() as f64)
}

/// The spectra of one sample of a probe.
fn of_probe(probe: &PreparedProbe) -> Result<f64> {
    let landscape = probe.landscape_of_shapes()?;
    let estimator = &probe.plan.estimator;
    if estimator.needs_factor() {
        return of_factor(probe, &landscape);
    }
    let mut sum = 0.0;
    for &curvature in &probe.plan.curvatures {
        for activations in [false, true] {
            let ours: Vec<&Group> =
                probe.groups.iter().filter(|group| is_activation(group) == activations).collect();
            let Some(flops) = product(probe, &landscape, curvature, &ours, activations)? else { continue };
            let products = ours.iter().map(|group| estimator.products(group.dimension) as f64);
            sum += flops * products.sum::<f64>();
        }
    }
    Ok(sum)
}

fn is_activation(group: &Group) -> bool {
    matches!(group.variables, Variables::Activation(_))
}

/// The operations of a product for one of the groups, at most: one program stands for those of all
/// groups, since there may be many.
fn product(
    probe: &PreparedProbe,
    landscape: &Landscape,
    curvature: Curvature,
    groups: &[&Group],
    activations: bool,
) -> Result<Option<f64>> {
    let Some(first) = groups.first() else { return Ok(None) };
    let several = (groups.len() > 1).then(|| probe.containing(activations)).flatten();
    let group = several.filter(|group| group.dimension > 0).unwrap_or_else(|| (*first).clone());
    let memory = probe.memory_of_products(&Account::default());
    Ok(Some(landscape.operator(curvature, &group).within(memory).flops()? as f64))
}

/// The rows of the factor that all groups share, their products, and eigenvalues of the smaller
/// matrix.
fn of_factor(probe: &PreparedProbe, landscape: &Landscape) -> Result<f64> {
    let trace = probe.plan.estimator.number().is_some();
    let mut known: Vec<(usize, f64)> = Vec::new();
    let mut sum = 0.0;
    for (curvature, group) in probe.matrices() {
        let operator = landscape.operator(curvature, group);
        let factor = if trace { operator.trace_factor() } else { operator.factor() }?.cheaper()?;
        let columns = factor.source.columns(&factor.variables)?;
        let sizes = columns.sizes();
        // Groups of parameters share their rows, which are computed once for each variable.
        let flops = columns.flops() as f64;
        let single = !matches!(group.variables, Variables::Parameters(_));
        if single || !factor.variables.iter().all(|variable| known.iter().any(|(other, _)| other == variable))
        {
            sum += flops;
            known.extend(factor.variables.iter().map(|variable| (*variable, flops)));
        }
        if trace {
            continue;
        }
        let rows = (factor.source.samples() * factor.source.rank()) as f64;
        let numbers: f64 = sizes.iter().map(|size| size.columns.min(size.numbers) as f64).sum();
        let (dimension, smaller) = (operator.dimension() as f64, rows.min(operator.dimension() as f64));
        sum += (rows * rows * numbers).min(rows * dimension * dimension) + EIGENVALUES * smaller.powi(3);
    }
    Ok(sum)
}

/// Operations for all eigenvalues of a matrix of dimension n, divided by n³.
const EIGENVALUES: f64 = 4.0;

/// How many operations a second this machine does in this network, by evaluating it for a few
/// examples; `None` where that would take long, or on a device other than the CPU.
#[must_use]
pub fn rate(prepared: &Prepared) -> Option<f64> {
    /// The most parameters, and operations of an evaluation.
    const PARAMETERS: usize = 1 << 25;
    const OPERATIONS: usize = 4_000_000_000;
    const EXAMPLES: usize = 32;
    let (programs, network) = (&prepared.programs, prepared.network());
    if !prepared.plan.backend.is_host() || network.dimension() > PARAMETERS {
        return None;
    }
    let one = programs.loss(1).ok()?.flops().max(1);
    let count = (OPERATIONS / one).min(EXAMPLES).min(prepared.train.len());
    if count == 0 {
        return None;
    }
    let weights = Weights::initial(network, Random::new(0)).ok()?.to_dtype(DType::F32).ok()?;
    let few: Vec<u32> = (0..u32::try_from(count).ok()?).collect();
    let batches = Batches::new(&prepared.train, &prepared.labels, DType::F32).ok()?;
    let point = batches.on(&prepared.plan.backend).point(&weights, &few).ok()?;
    let function = programs.loss(count).ok()?;
    let evaluate = || {
        let start = Instant::now();
        function.at(&point, &[]).ok()?;
        Some(start.elapsed())
    };
    // The first evaluation plans.
    evaluate()?;
    let fastest = evaluate()?.min(evaluate()?);
    Some(function.flops() as f64 / fastest.as_secs_f64().max(1e-6))
}

/// What is left of a run, by the time that its work has taken so far.
#[derive(Debug, Clone)]
pub struct Forecast {
    work: Option<Work>,
    start: Instant,
    /// What was done before the start.
    before: f64,
}

impl Forecast {
    /// A forecast that begins now, when `epoch` epochs are done.
    #[must_use]
    pub fn new(prepared: &Prepared, epoch: usize) -> Self {
        let work = Work::of(prepared).ok();
        let done = |work: &Work| epoch.checked_sub(1).map_or(0.0, |before| work.until(before, true));
        Self { before: work.as_ref().map_or(0.0, done), start: Instant::now(), work }
    }

    /// The time left, as "about 40 s left"; `None` where too little is done to tell, or all is.
    #[must_use]
    pub fn left(&self, epoch: usize, measured: bool) -> Option<String> {
        let work = self.work.as_ref()?;
        let (done, elapsed) = (work.until(epoch, measured), self.start.elapsed());
        left(done - self.before, work.total() - done, elapsed)
            .map(|left| format!("about {} left", words(left)))
    }
}

/// The time for the rest of the work, if `done` took `elapsed`.
fn left(done: f64, rest: f64, elapsed: Duration) -> Option<Duration> {
    /// The least share of the work from which the rest is judged.
    const SHARE: f64 = 0.01;
    let known = done > SHARE * (done + rest) && elapsed > Duration::from_millis(100);
    let seconds = elapsed.as_secs_f64() * rest / done;
    // Less than a second is nothing to wait for.
    (known && seconds >= 1.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// A duration in two digits: "40 s", "12 min", "3.5 h", "2 days".
#[must_use]
pub fn words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (minutes, hours, days) = (seconds / 60.0, seconds / 3600.0, seconds / 86400.0);
    match seconds {
        _ if seconds < 1.0 => "1 s".to_owned(),
        _ if seconds < 100.0 => format!("{seconds:.0} s"),
        _ if minutes < 100.0 => format!("{minutes:.0} min"),
        _ if hours < 10.0 => format!("{hours:.1} h"),
        _ if hours < 48.0 => format!("{hours:.0} h"),
        _ if days < 1000.0 => format!("{days:.0} days"),
        _ => "years".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_adds_up_over_the_epochs() {
        let work = Work { epoch: 10.0, evaluation: 1.0, probes: vec![(vec![0, 2], 100.0)], epochs: 2 };
        assert_eq!(work.parts(), [20.0, 3.0, 200.0]);
        assert_eq!([work.until(0, false), work.until(0, true), work.until(1, true)], [1.0, 101.0, 112.0]);
        assert_eq!(work.until(2, true), work.total());
    }

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        let seconds = |done, rest| left(done, rest, Duration::from_secs(10));
        assert_eq!(seconds(5.0, 20.0), Some(Duration::from_secs(40)));
        assert_eq!(seconds(0.0, 20.0), None);
        assert_eq!(seconds(0.001, 20.0), None, "too little to tell");
        assert_eq!(seconds(20.0, 0.0), None, "all is done");
    }

    #[test]
    fn durations_have_few_digits() {
        let said = [0.2, 40.0, 99.0, 120.0, 5000.0, 7000.0, 100_000.0, 1e6, 1e12];
        let said = said.map(|seconds| words(Duration::from_secs_f64(seconds)));
        let expected = ["1 s", "40 s", "99 s", "2 min", "83 min", "1.9 h", "28 h", "12 days", "years"];
        assert_eq!(said, expected);
    }
}
