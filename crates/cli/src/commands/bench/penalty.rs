//! A training step with a penalty on the trace of the Hessian: which estimate of the trace is the
//! cheapest at equal standard error.

use std::hint::black_box;

use candle_core::Tensor;
use eigenscape_core::Error;
use eigenscape_curvature::TraceEstimate;
use eigenscape_experiment::Result;

use super::{
    subject::{Model, Subject},
    table::seconds,
    timing::{self, Repetitions},
    work::Task,
};

/// The penalty's factor, as in the peer's program.
const STRENGTH: f64 = 1e-3;
/// The number of draws for estimating standard deviations: with many parameters, and with few.
const DRAWS: [u64; 2] = [16, 64];
const MANY: usize = 1_000_000;

/// An estimate of the trace from one draw of signs and, if it uses fewer samples than the batch, of
/// samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Estimator {
    estimate: TraceEstimate,
    samples: usize,
}

/// The mean and the standard deviation of single draws.
#[derive(Debug, Clone, Copy)]
struct Spread {
    mean: f64,
    deviation: f64,
}

impl Estimator {
    fn hutchinson(subject: &Subject) -> Self {
        Self { estimate: TraceEstimate::Hutchinson, samples: subject.batch() }
    }

    fn spread(self, subject: &Subject) -> Result<Spread> {
        let objective = subject.objective_of(self.samples)?;
        let function = objective.trace(self.estimate, subject.parameters(), &[]).map_err(Error::from)?;
        let draws = DRAWS[usize::from(subject.dimension() < MANY)];
        let mut values = Vec::with_capacity(draws as usize);
        for draw in 0..draws {
            let signs = subject.signs(function.probe_shapes(), draw)?;
            let point = subject.sampled(self.samples, draw)?;
            values.push(function.at(&point, None, [Ok::<_, Error>(signs)])?.mean());
        }
        let mean = values.iter().sum::<f64>() / draws as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Ok(Spread { mean, deviation: (squares / (draws - 1) as f64).sqrt() })
    }

    /// The gradient of the loss and the penalty.
    fn step(self, subject: &Subject) -> Result<Task<'_>> {
        let objective = subject.objective()?;
        let group = subject.parameters();
        if self.samples == subject.batch() {
            // One program for both, so that their cotangents share the backward pass.
            let function = objective.penalised_step(self.estimate, group, STRENGTH).map_err(Error::from)?;
            let signs = subject.signs(function.probe_shapes(), 0)?;
            let flops = Some(function.flops());
            let run = Box::new(move || {
                black_box(function.at(subject.point(), None, [Ok::<_, Error>(signs.clone())])?);
                Ok(())
            });
            return Ok(Task { run, count: 1, flops, bytes_moved: None });
        }
        let gradient = objective.gradient(group).map_err(Error::from)?;
        let part = subject.objective_of(self.samples)?;
        let function = part.trace(self.estimate, group, group).map_err(Error::from)?;
        let signs = subject.signs(function.probe_shapes(), 0)?;
        let flops = Some(gradient.flops() + function.flops());
        let run = Box::new(move || {
            let gradient = gradient.at(subject.point(), &[]).map_err(Error::from)?;
            let point = subject.sampled(self.samples, 0)?;
            let penalty = function.at(&point, None, [Ok::<_, Error>(signs.clone())])?;
            let sums = gradient[2..].iter().zip(&penalty.gradient).map(|(g, t)| g + (t * STRENGTH)?);
            black_box(sums.collect::<candle_core::Result<Vec<Tensor>>>().map_err(Error::from)?);
            Ok(())
        });
        Ok(Task { run, count: 1, flops, bytes_moved: None })
    }

    /// One draw with its gradient.
    fn draw(self, subject: &Subject) -> Result<Task<'_>> {
        let group = subject.parameters();
        let objective = subject.objective_of(self.samples)?;
        let function = objective.trace(self.estimate, group, group).map_err(Error::from)?;
        let signs = subject.signs(function.probe_shapes(), 0)?;
        let flops = Some(function.flops());
        let run = Box::new(move || {
            let point = subject.sampled(self.samples, 0)?;
            black_box(function.at(&point, None, [Ok::<_, Error>(signs.clone())])?);
            Ok(())
        });
        Ok(Task { run, count: 1, flops, bytes_moved: None })
    }
}

/// The per-sample estimate with the fewest samples whose standard error is at most `wanted`, or
/// with all samples if none is good enough.
fn cheapest(subject: &Subject, wanted: f64) -> Result<(Estimator, Spread)> {
    let mut samples = subject.batch().div_ceil(16);
    loop {
        let estimator = Estimator { estimate: TraceEstimate::PerSample, samples };
        let spread = estimator.spread(subject)?;
        if spread.deviation <= wanted || samples == subject.batch() {
            return Ok((estimator, spread));
        }
        samples = (2 * samples).min(subject.batch());
    }
}

/// The spread of Hutchinson's estimate, and the peer's standard error: that of Hutchinson's
/// estimate with the peer's number of probes.
fn wanted(subject: &Subject) -> Result<(Spread, f64)> {
    let spread = Estimator::hutchinson(subject).spread(subject)?;
    Ok((spread, spread.deviation / (subject.probes() as f64).sqrt()))
}

/// The step with the cheapest estimate, chosen by standard errors measured here.
pub fn step(subject: &Subject) -> Result<Task<'_>> {
    let (peer, wanted) = wanted(subject)?;
    let (estimator, spread) = cheapest(subject, wanted)?;
    eprintln!(
        "trace {:.3}: {} random vectors of Hutchinson's estimate have a standard error of {:.1} %, one draw per sample of {} samples {:.1} %",
        peer.mean,
        subject.probes(),
        100.0 * wanted / peer.mean,
        estimator.samples,
        100.0 * spread.deviation / peer.mean,
    );
    estimator.step(subject)
}

/// Prints the cost of every estimate at the peer's standard error, as a Markdown table.
///
/// # Errors
/// When a program cannot be built or evaluated.
pub fn report(model: &Model, subject: &Subject) -> Result<()> {
    let (hutchinson, wanted) = wanted(subject)?;
    let all = |estimate| Estimator { estimate, samples: subject.batch() };
    let (summed, per_sample) = (all(TraceEstimate::Summed), all(TraceEstimate::PerSample));
    let (few, few_spread) = cheapest(subject, wanted)?;
    let rows = [
        ("Hutchinson".to_owned(), all(TraceEstimate::Hutchinson), hutchinson),
        ("summed".to_owned(), summed, summed.spread(subject)?),
        ("per sample".to_owned(), per_sample, per_sample.spread(subject)?),
        (format!("per sample, {} of {}", few.samples, subject.batch()), few, few_spread),
    ];
    let time = |task: Task| {
        let repetitions = Repetitions { least: 3, time: std::time::Duration::from_millis(500) };
        Ok::<f64, eigenscape_experiment::Failure>(timing::median(&timing::samples(repetitions, &*task.run)?))
    };
    let gradient = time(super::work::Work::Gradient.prepare(subject)?)?;
    crate::print(format_args!(
        "{}: trace {:.4}; {} random vectors of Hutchinson's estimate have a standard error of {:.1} %; gradient alone {}",
        model.name,
        hutchinson.mean,
        subject.probes(),
        100.0 * wanted / hutchinson.mean,
        seconds(gradient)
    ))?;
    crate::print(format_args!(
        "| estimate | standard deviation of a draw | draws | one draw with gradient | step |"
    ))?;
    crate::print(format_args!("| --- | ---: | ---: | ---: | ---: |"))?;
    for (name, estimator, spread) in rows {
        let draws = (spread.deviation / wanted).powi(2).ceil().max(1.0);
        let draw = time(estimator.draw(subject)?)?;
        // A single draw of all samples shares the passes of the loss.
        let step = if draws > 1.0 || estimator.samples < subject.batch() {
            gradient + draws * draw
        } else {
            time(estimator.step(subject)?)?
        };
        let share = 100.0 * spread.deviation / hutchinson.mean;
        crate::print(format_args!(
            "| {name} | {share:.1} % | {draws} | {} | {} |",
            seconds(draw),
            seconds(step)
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::subject::MODELS;

    #[test]
    fn a_step_on_some_samples_and_on_all_are_steps() {
        let subject = Subject::new(&MODELS[0], 4, &crate::plugins()).unwrap();
        for samples in [2, 4] {
            let estimator = Estimator { estimate: TraceEstimate::PerSample, samples };
            (estimator.step(&subject).unwrap().run)().unwrap();
            assert!(estimator.spread(&subject).unwrap().deviation > 0.0);
        }
    }
}
