//! The numbers of `results.json` in files for NumPy and pandas, which need no parsing.
//!
//! | file | has |
//! | --- | --- |
//! | `spectra.npz` | an array each of eigenvalues, weights and so on, for each spectrum |
//! | `spectra.parquet` | a row for each spectrum: what was measured, and its numbers |
//! | `eigenvalues.parquet` | a row for each eigenvalue, and one for the mass at zero |
//!
//! `docs/results.md` describes them; `results.json` alone is read again.

use std::io::{self, Write};

use eigenscape_core::results::{ProbeRecord, Results, Run};
use eigenscape_formats::{
    npz::Npz,
    parquet::{Table, Values},
};

/// Writes one of the files.
type Writer = fn(&Results, &mut dyn Write) -> io::Result<()>;

/// The files' names, each with what writes it.
pub const FILES: [(&str, Writer); 3] =
    [("spectra.npz", arrays), ("spectra.parquet", spectra), ("eigenvalues.parquet", eigenvalues)];

/// A spectrum with its run.
type Placed<'a> = (&'a Run, &'a ProbeRecord);

fn placed(results: &Results) -> impl Iterator<Item = Placed<'_>> {
    results.runs.iter().flat_map(|run| run.probes.iter().map(move |probe| (run, probe)))
}

/// `spectra.npz`.
fn arrays(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let mut file = Npz::new(out);
    for (run, probe) in placed(results).filter(|(_, probe)| probe.has_spectrum()) {
        let name = name(run, probe);
        file.add(&format!("{name}/eigenvalues"), &probe.eigenvalues)?;
        file.add(&format!("{name}/weights"), &probe.weights)?;
        file.add(&format!("{name}/mass_at_zero"), &[probe.mass_at_zero.unwrap_or_default()])?;
        if !probe.residuals.is_empty() {
            file.add(&format!("{name}/residuals"), &probe.residuals)?;
        }
        if !probe.origins.is_empty() {
            file.add(&format!("{name}/origins"), &probe.origins)?;
        }
    }
    file.finish().map(drop)
}

/// The name of a spectrum: "probe-1/epoch-3/hessian/fc1.weight", after the run's name if it has
/// one.
fn name(run: &Run, probe: &ProbeRecord) -> String {
    let number = |word: &str, number: Option<usize>| number.map(|number| format!("{word}-{number}"));
    let run = (!run.name.is_empty()).then(|| run.name.clone());
    let epoch = Some(format!("epoch-{}", probe.epoch));
    let matrix = format!("{}/{}", probe.curvature, probe.group);
    [run, number("probe", probe.probe), epoch, number("batch", probe.batch), Some(matrix)]
        .into_iter()
        .flatten()
        .collect::<Vec<String>>()
        .join("/")
}

/// `spectra.parquet`.
fn spectra(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<Placed> = placed(results).collect();
    let mut table = Table::new(out)?;
    matrices(&all, &mut table)?;
    let text = |of: fn(&ProbeRecord) -> Option<&str>| {
        Values::Text(all.iter().map(|(_, probe)| of(probe).unwrap_or_default()).collect())
    };
    table.add("dtype", &text(|probe| probe.dtype.as_deref()))?;
    table.add("split", &text(|probe| probe.split.as_deref()))?;
    table.add("exact", &Values::Flag(all.iter().map(|(_, probe)| probe.exact).collect()))?;
    for (name, of) in WHOLE {
        table.add(name, &Values::Whole(all.iter().map(|(_, probe)| of(probe).and_then(whole)).collect()))?;
    }
    for (name, of) in NUMBERS {
        table.add(name, &Values::Number(all.iter().map(|(_, probe)| of(probe)).collect()))?;
    }
    table.finish().map(drop)
}

fn whole<T: TryInto<i64>>(number: T) -> Option<i64> {
    number.try_into().ok()
}

/// A column with its name.
type Column<T> = (&'static str, fn(&ProbeRecord) -> Option<T>);

/// The whole numbers of a spectrum.
const WHOLE: [Column<usize>; 5] = [
    ("samples", |probe| probe.samples),
    ("dimension", |probe| Some(probe.dimension)),
    ("listed", |probe| Some(probe.eigenvalues.len())),
    ("probes", |probe| probe.probes),
    ("products", |probe| Some(probe.products)),
];

/// The other numbers of a spectrum.
const NUMBERS: [Column<f64>; 18] = [
    ("trace", |probe| Some(probe.trace)),
    ("trace_stderr", |probe| probe.trace_stderr),
    ("trace_freedom", |probe| probe.trace_freedom),
    ("lambda_max", |probe| probe.lambda_max),
    ("lambda_min", |probe| probe.lambda_min),
    ("lambda_max_above", |probe| Some(probe.extreme_bounds?[1])),
    ("lambda_min_below", |probe| Some(probe.extreme_bounds?[0])),
    ("mass_at_zero", |probe| probe.mass_at_zero),
    ("rounding", |probe| probe.rounding),
    ("mean", |probe| Some(probe.moments?.mean)),
    ("mean_stderr", |probe| probe.moments?.mean_stderr),
    ("variance", |probe| probe.moments?.variance),
    ("variance_stderr", |probe| probe.moments?.variance_stderr),
    ("skewness", |probe| probe.moments?.skewness),
    ("skewness_stderr", |probe| probe.moments?.skewness_stderr),
    ("kurtosis", |probe| probe.moments?.kurtosis),
    ("kurtosis_stderr", |probe| probe.moments?.kurtosis_stderr),
    ("seconds", |probe| Some(probe.seconds)),
];

/// A row of `eigenvalues.parquet`, beside its matrix.
struct Row {
    eigenvalue: f64,
    weight: f64,
    residual: Option<f64>,
    vector: Option<u32>,
}

/// `eigenvalues.parquet`.
fn eigenvalues(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let of = |(run, probe)| rows(probe).map(move |row| ((run, probe), row));
    let (matrices_of, rows): (Vec<Placed>, Vec<Row>) = placed(results).flat_map(of).unzip();
    let mut table = Table::new(out)?;
    matrices(&matrices_of, &mut table)?;
    let number = |of: fn(&Row) -> Option<f64>| Values::Number(rows.iter().map(of).collect());
    table.add("eigenvalue", &number(|row| Some(row.eigenvalue)))?;
    table.add("weight", &number(|row| Some(row.weight)))?;
    table.add("residual", &number(|row| row.residual))?;
    table.add("vector", &Values::Whole(rows.iter().map(|row| row.vector.map(i64::from)).collect()))?;
    table.finish().map(drop)
}

/// The listed eigenvalues, and the mass at zero, so that the weights of a spectrum add up to 1.
fn rows(probe: &ProbeRecord) -> impl Iterator<Item = Row> {
    let listed = probe.eigenvalues.iter().zip(&probe.weights).enumerate();
    let row = move |(index, (eigenvalue, weight)): (usize, (&f64, &f64))| Row {
        eigenvalue: *eigenvalue,
        weight: *weight,
        residual: probe.residuals.get(index).copied(),
        vector: probe.origins.get(index).copied(),
    };
    let zero = probe.mass_at_zero.filter(|zero| *zero > 0.0);
    let zero = zero.map(|weight| Row { eigenvalue: 0.0, weight, residual: None, vector: None });
    listed.map(row).chain(zero)
}

/// Adds the columns that say which matrix each row is of.
fn matrices<W: Write>(rows: &[Placed], table: &mut Table<W>) -> io::Result<()> {
    let text = |of: for<'a> fn(&Placed<'a>) -> &'a str| Values::Text(rows.iter().map(of).collect());
    let number = |of: fn(&Placed) -> Option<i64>| Values::Whole(rows.iter().map(of).collect());
    table.add("run", &text(|(run, _)| &run.name))?;
    table.add("variant", &text(|(run, _)| &run.variant))?;
    table.add("seed", &number(|(run, _)| whole(run.seed)))?;
    table.add("probe", &number(|(_, probe)| probe.probe.and_then(whole)))?;
    table.add("epoch", &number(|(_, probe)| whole(probe.epoch)))?;
    table.add("batch", &number(|(_, probe)| probe.batch.and_then(whole)))?;
    table.add("curvature", &text(|(_, probe)| &probe.curvature))?;
    table.add("group", &text(|(_, probe)| &probe.group))?;
    table.add("estimator", &text(|(_, probe)| &probe.estimator))
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Spectrum;
    use eigenscape_formats::zip::Archive;

    use super::*;

    fn results() -> Results {
        let estimate = Spectrum::exact(4, vec![3.0, 1.0], 0).unwrap().into();
        let probe = ProbeRecord {
            epoch: 2,
            probe: Some(1),
            group: "fc.weight".to_owned(),
            curvature: "hessian".to_owned(),
            ..ProbeRecord::from(&estimate)
        };
        let run = Run { name: "lr=0.1".to_owned(), probes: vec![probe], ..Run::default() };
        Results { runs: vec![run], ..Results::default() }
    }

    #[test]
    fn arrays_are_named_by_their_matrix() {
        let mut bytes = Vec::new();
        arrays(&results(), &mut bytes).unwrap();
        let archive = Archive::parse(&bytes).unwrap();
        let names: Vec<&str> = archive.entries().map(|entry| entry.name().unwrap()).collect();
        let of = "lr=0.1/probe-1/epoch-2/hessian/fc.weight";
        let expected = ["eigenvalues", "mass_at_zero", "weights"].map(|array| format!("{of}/{array}.npy"));
        assert_eq!(names, expected);
    }

    #[test]
    fn weights_of_the_rows_add_up_to_one() {
        let results = results();
        let rows: Vec<Row> = rows(&results.runs[0].probes[0]).collect();
        let weights: f64 = rows.iter().map(|row| row.weight).sum();
        assert_eq!((rows.len(), weights, rows[2].eigenvalue), (3, 1.0, 0.0));
    }

    #[test]
    fn every_file_can_be_written_without_spectra() {
        for (name, write) in FILES {
            let mut bytes = Vec::new();
            write(&Results::default(), &mut bytes).unwrap();
            assert!(!bytes.is_empty(), "{name}");
        }
    }
}
