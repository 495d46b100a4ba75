//! How time and memory grow with samples, classes, parameters, Lanczos steps and probes, at four
//! sizes each.

use std::{fs, path::Path, time::Duration};

use eigenscape_core::{Context, Curvature, Error, ProbeEstimator, Registry};
use eigenscape_experiment::{Failure, Result};
use eigenscape_report::{ScalingCurve, ScalingPanel, scaling};
use serde::{Deserialize, Serialize};

use super::{
    child, memory,
    subject::{Subject, plugin},
    table::seconds,
    timing::{self, Repetitions},
};

const FIGURE: &str = "docs/growth.svg";

/// The measured spectra: those of all layers by `gram`, or that of the whole Hessian by `lanczos`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spectra {
    Exact,
    Lanczos,
}

/// The quantity that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Samples,
    Classes,
    Parameters,
    Steps,
    Probes,
}

/// A value of every quantity that can grow.
#[derive(Debug, Clone, Copy)]
struct Size {
    samples: usize,
    classes: usize,
    /// A factor of the numbers of channels; 0 stands for LeNet itself.
    width: usize,
    steps: usize,
    probes: usize,
}

/// A line of the table: what grows, and the time and memory measured at each size.
struct Line {
    spectra: Spectra,
    axis: Axis,
    sizes: Vec<f64>,
    seconds: Vec<f64>,
    megabytes: Vec<f64>,
}

const LINES: [(Spectra, Axis); 8] = [
    (Spectra::Exact, Axis::Samples),
    (Spectra::Exact, Axis::Classes),
    (Spectra::Exact, Axis::Parameters),
    (Spectra::Lanczos, Axis::Samples),
    (Spectra::Lanczos, Axis::Classes),
    (Spectra::Lanczos, Axis::Parameters),
    (Spectra::Lanczos, Axis::Steps),
    (Spectra::Lanczos, Axis::Probes),
];

impl Spectra {
    fn name(self) -> &'static str {
        match self {
            Self::Exact => "layers, exact",
            Self::Lanczos => "whole, Lanczos",
        }
    }

    fn base(self) -> Size {
        match self {
            // Few samples, so that the Gram matrix of forty classes is still moderate.
            Self::Exact => Size { samples: 50, classes: 10, width: 0, steps: 0, probes: 0 },
            Self::Lanczos => Size { samples: 100, classes: 10, width: 0, steps: 32, probes: 1 },
        }
    }
}

impl Axis {
    fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Classes => "classes",
            Self::Parameters => "parameters",
            Self::Steps => "steps",
            Self::Probes => "probes",
        }
    }

    fn sizes(self, base: Size) -> [Size; 4] {
        [0, 1, 2, 3].map(|i| match self {
            Self::Samples => Size { samples: base.samples << i, ..base },
            Self::Classes => Size { classes: 5 << i, ..base },
            Self::Parameters => Size { width: 1 << i, ..base },
            Self::Steps => Size { steps: base.steps << i, ..base },
            Self::Probes => Size { probes: 1 << i, ..base },
        })
    }

    /// Upper bounds of the exponents of time and memory, from the algorithms.
    fn bounds(self, spectra: Spectra) -> [f64; 2] {
        match (spectra, self) {
            // The eigenproblem of the Gram matrix, which has N(C − 1) rows if that is the smaller
            // side.
            (Spectra::Exact, Self::Samples | Self::Classes) => [3.0, 2.0],
            // Reorthogonalisation: each of m steps against all previous ones.
            (Spectra::Lanczos, Self::Steps) => [2.0, 1.0],
            _ => [1.0, 1.0],
        }
    }
}

impl Size {
    fn subject(self, registry: &Registry) -> Result<Subject> {
        if self.width == 0 {
            return Subject::of("lenet", "", &[1, 32, 32], self.classes, self.samples, registry);
        }
        let (few, many) = (8 * self.width, 16 * self.width);
        let layers = format!(
            r#"layers = [
                {{ op = "conv2d", in = 1, out = {few}, kernel = 5 }}, {{ op = "relu" }}, {{ op = "max_pool2d", kernel = 4 }},
                {{ op = "conv2d", out = {many}, kernel = 3 }}, {{ op = "relu" }}, {{ op = "flatten" }},
                {{ op = "linear", out = 10 }},
            ]"#
        );
        Subject::of("sequential", &layers, &[1, 32, 32], self.classes, self.samples, registry)
    }

    fn along(self, axis: Axis, subject: &Subject) -> usize {
        match axis {
            Axis::Samples => self.samples,
            Axis::Classes => self.classes,
            Axis::Parameters => subject.dimension(),
            Axis::Steps => self.steps,
            Axis::Probes => self.probes,
        }
    }
}

/// Measures every line, prints the table and writes the figure.
///
/// # Errors
/// When an estimator fails or the figure cannot be written.
pub fn report() -> Result<()> {
    let folder = Path::new(FIGURE).parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::Usage {
            problem: format!("{FIGURE} cannot be written: there is no folder {}", folder.display()),
            remedy: "run this in the repository's folder".to_owned(),
        });
    }
    let lines = (0..LINES.len()).map(measure).collect::<Result<Vec<Line>>>()?;
    crate::print(format_args!(
        "| spectra | of | sizes | time | exponent | at most | memory, MB | exponent | at most |"
    ))?;
    crate::print(format_args!("| --- | --- | --- | --- | ---: | ---: | --- | ---: | ---: |"))?;
    lines.iter().try_for_each(|line| crate::print(row(line)))?;
    let Some(figure) = figure(&lines) else { return Ok(()) };
    fs::write(FIGURE, figure).map_err(|error| Error::io(Path::new(FIGURE), error))?;
    crate::print(FIGURE)
}

/// The measurement of one size, as the child process prints it.
#[derive(Debug, Serialize, Deserialize)]
struct Point {
    size: usize,
    seconds: f64,
    megabytes: f64,
}

fn measure(index: usize) -> Result<Line> {
    let (spectra, axis) = LINES[index];
    let mut line = Line { spectra, axis, sizes: Vec::new(), seconds: Vec::new(), megabytes: Vec::new() };
    for size in 0..axis.sizes(spectra.base()).len() {
        let Point { size, seconds, megabytes } =
            child::measure(&["--growth-point", &index.to_string(), &size.to_string()])?;
        eprintln!("{}: {} {size}", spectra.name(), axis.name());
        line.sizes.push(size as f64);
        line.seconds.push(seconds);
        line.megabytes.push(megabytes);
    }
    Ok(line)
}

/// Measures one size of one line and prints it.
///
/// # Errors
/// When there is no such line or size, or an estimator fails.
pub fn point(line: usize, size: usize, registry: &Registry) -> Result<()> {
    let sizes = LINES.get(line).map(|&(spectra, axis)| (spectra, axis, axis.sizes(spectra.base())));
    let Some((spectra, axis, Some(size))) = sizes.map(|(s, a, sizes)| (s, a, sizes.get(size).copied()))
    else {
        return Err(Failure::Usage {
            problem: format!("`growth` has no line {line} with a size {size}"),
            remedy: format!("there are {} lines of 4 sizes, counted from 0", LINES.len()),
        });
    };
    let subject = size.subject(registry)?;
    let estimator = match spectra {
        Spectra::Exact => plugin(&registry.estimators, "gram", "")?,
        Spectra::Lanczos => {
            let settings = format!("steps = {}\nprobes = {}", size.steps, size.probes);
            plugin(&registry.estimators, "lanczos", &settings)?
        }
    };
    memory::reset_peak();
    let before = memory::peak_mb().unwrap_or(0.0);
    run(spectra, &*estimator, &subject)?;
    let megabytes = (memory::peak_mb().unwrap_or(0.0) - before).max(0.1);
    let repetitions = Repetitions { least: 3, time: Duration::from_millis(300) };
    let seconds = timing::median(&timing::samples(repetitions, &|| run(spectra, &*estimator, &subject))?);
    child::print(&Point { size: size.along(axis, &subject), seconds, megabytes })
}

fn run(spectra: Spectra, estimator: &dyn ProbeEstimator, subject: &Subject) -> Result<()> {
    let landscape = subject.landscape()?;
    match spectra {
        Spectra::Exact => subject.layer_spectra(&landscape).map(drop),
        Spectra::Lanczos => {
            let operator = landscape.operator(Curvature::Hessian, subject.full());
            estimator.estimate(&operator, &Context::silent(0))?;
            Ok(())
        }
    }
}

fn row(line: &Line) -> String {
    let list = |values: &[f64], show: &dyn Fn(f64) -> String| {
        values.iter().map(|value| show(*value)).collect::<Vec<_>>().join(", ")
    };
    let [time, memory] = line.axis.bounds(line.spectra);
    format!(
        "| {} | {} | {} | {} | {:.2} | {time:.0} | {} | {:.2} | {memory:.0} |",
        line.spectra.name(),
        line.axis.name(),
        list(&line.sizes, &|size| format!("{size:.0}")),
        list(&line.seconds, &seconds),
        exponent(&line.sizes, &line.seconds),
        list(&line.megabytes, &|mb| format!("{mb:.0}")),
        exponent(&line.sizes, &line.megabytes),
    )
}

/// The slope of the least-squares line through the logarithms.
fn exponent(sizes: &[f64], values: &[f64]) -> f64 {
    let logs: Vec<(f64, f64)> = sizes.iter().zip(values).map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let (x, y) = logs.iter().fold((0.0, 0.0), |(x, y), log| (x + log.0 / n, y + log.1 / n));
    let covariance: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    covariance / logs.iter().map(|log| (log.0 - x).powi(2)).sum::<f64>()
}

fn figure(lines: &[Line]) -> Option<String> {
    let panel = |y_title: &str, values: fn(&Line) -> &[f64]| {
        let curves = lines.iter().map(|line| {
            let relative = |values: &[f64]| values.iter().map(|value| value / values[0]).collect::<Vec<_>>();
            ScalingCurve {
                label: format!("{}: {}", line.spectra.name(), line.axis.name()),
                colour: line.axis as usize,
                dashed: line.spectra == Spectra::Lanczos,
                points: relative(&line.sizes).into_iter().zip(relative(values(line))).collect(),
            }
        });
        ScalingPanel { y_title: y_title.to_owned(), curves: curves.collect() }
    };
    let panels =
        [panel("time, relative", |line| &line.seconds), panel("memory, relative", |line| &line.megabytes)];
    scaling("How time and memory grow", "size, relative", &panels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_powers() {
        let sizes = [5.0, 10.0, 20.0, 40.0];
        let cubes = sizes.map(|size: f64| 3.0 * size.powi(3));
        assert!((exponent(&sizes, &cubes) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn every_line_can_be_measured_and_drawn() {
        let registry = crate::plugins();
        for (spectra, axis) in LINES {
            let sizes = axis.sizes(Size { samples: 2, steps: 2, ..spectra.base() });
            let lengths = sizes.map(|size| size.along(axis, &size.subject(&registry).unwrap()));
            assert!(lengths.is_sorted() && lengths[0] < lengths[3], "{}: {lengths:?}", axis.name());
        }
        let line = |spectra, axis| Line {
            spectra,
            axis,
            sizes: vec![1.0, 2.0, 4.0, 8.0],
            seconds: vec![0.1, 0.2, 0.4, 0.8],
            megabytes: vec![1.0, 2.0, 3.0, 4.0],
        };
        let lines = LINES.map(|(spectra, axis)| line(spectra, axis));
        assert!(figure(&lines).unwrap().contains("whole, Lanczos: steps"));
        assert!(row(&lines[0]).contains("| 1, 2, 4, 8 | 100 ms, 200 ms, 400 ms, 800 ms | 1.00 | 3 |"));
    }
}
