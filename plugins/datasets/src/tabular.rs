//! `iris`, `wine-quality` and `diabetes`: small tables embedded in the program, as linfa-datasets
//! publishes them.
//!
//! The tables have no published test split: a fixed random share of the examples is held out.
//! Features (and real targets) are standardised by the mean and deviation of the training split.

use candle_core::{Device, Tensor};
use eigenscape_core::{Dataset, Error, Examples, Random, Result, Split, Targets, dataset::no_test_split};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::Deserialize;

/// The seed of the shuffle, fixed so that the split is the same in every run.
const SHUFFLE: u64 = 0;

/// Parameters of `iris` and `diabetes`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TabularParameters {
    /// Share of the samples that is held out as the test split, from 0 up to but not including 1;
    /// with 0 there is no test split.
    pub test_share: f64,
    /// Whether features and real targets are scaled to mean 0 and deviation 1.
    pub standardise: bool,
}

impl Default for TabularParameters {
    fn default() -> Self {
        Self { test_share: 0.2, standardise: true }
    }
}

/// Parameters of `wine-quality`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WineParameters {
    /// Share of the samples that is held out as the test split, from 0 up to but not including 1;
    /// with 0 there is no test split.
    pub test_share: f64,
    /// Whether features and real targets are scaled to mean 0 and deviation 1.
    pub standardise: bool,
    /// Whether the quality is a real target instead of one of six classes.
    pub regression: bool,
}

impl Default for WineParameters {
    fn default() -> Self {
        Self { test_share: 0.2, standardise: true, regression: false }
    }
}

/// A table, split and standardised.
#[derive(Debug, Clone)]
pub struct Tabular {
    title: &'static str,
    train: Examples,
    test: Option<Examples>,
    class_names: Vec<String>,
    standardised: bool,
}

/// One row per example.
struct Table {
    title: &'static str,
    /// \[N, F\], row-major.
    features: Vec<f64>,
    targets: Column,
    class_names: Vec<String>,
}

enum Column {
    Classes(Vec<u32>),
    Values(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.len(),
        }
    }
}

/// R. Fisher's 150 irises: four lengths, three species.
///
/// # Errors
/// When a parameter is out of range.
pub fn iris(parameters: &TabularParameters) -> Result<Tabular> {
    let data = linfa_datasets::iris();
    let table = Table {
        title: "R. Fisher's irises (linfa-datasets)",
        features: data.records().iter().copied().collect(),
        targets: Column::Classes(data.targets().iter().map(|class| *class as u32).collect()),
        class_names: ["setosa", "versicolor", "virginica"].map(str::to_owned).to_vec(),
    };
    table.split(parameters)
}

/// P. Cortez et al., *Modeling wine preferences by data mining from physicochemical properties*:
/// 1,599 red wines, eleven measurements, and a quality from 3 to 8.
///
/// # Errors
/// When a parameter is out of range.
pub fn wine_quality(parameters: &WineParameters) -> Result<Tabular> {
    const LOWEST: usize = 3;
    let data = linfa_datasets::winequality();
    let quality = data.targets().iter();
    let (targets, class_names) = if parameters.regression {
        (Column::Values(quality.map(|quality| *quality as f64).collect()), Vec::new())
    } else {
        let names = (LOWEST..=8).map(|quality| format!("quality {quality}")).collect();
        (Column::Classes(quality.map(|quality| quality.saturating_sub(LOWEST) as u32).collect()), names)
    };
    let features = data.records().iter().copied().collect();
    let table =
        Table { title: "P. Cortez et al.'s red wines (linfa-datasets)", features, targets, class_names };
    table.split(&TabularParameters { test_share: parameters.test_share, standardise: parameters.standardise })
}

/// B. Efron et al., *Least Angle Regression*: 441 diabetes patients (linfa-datasets leaves out the
/// first of 442), ten measurements, and how far the disease had progressed a year later.
///
/// # Errors
/// When a parameter is out of range.
pub fn diabetes(parameters: &TabularParameters) -> Result<Tabular> {
    let data = linfa_datasets::diabetes();
    let table = Table {
        title: "B. Efron et al.'s diabetes patients (linfa-datasets)",
        features: data.records().iter().copied().collect(),
        targets: Column::Values(data.targets().iter().copied().collect()),
        class_names: Vec::new(),
    };
    table.split(parameters)
}

impl Table {
    fn split(mut self, parameters: &TabularParameters) -> Result<Tabular> {
        let share = parameters.test_share;
        if !(0.0..1.0).contains(&share) {
            let problem = format!("{share} is not a share");
            return Err(Error::input("data.test_share", problem, "use at least 0 and less than 1"));
        }
        let count = self.targets.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut Random::new(SHUFFLE).stream("tabular-split", 0));
        let held_out = ((count as f64 * share).round() as usize).min(count - 1);
        let (test, train) = order.split_at(held_out);
        if parameters.standardise {
            let columns = self.features.len() / count;
            standardise(&mut self.features, columns, train);
            if let Column::Values(values) = &mut self.targets {
                standardise(values, 1, train);
            }
        }
        let test = (!test.is_empty()).then(|| self.examples(test)).transpose()?;
        let train = self.examples(train)?;
        Ok(Tabular {
            title: self.title,
            train,
            test,
            class_names: self.class_names,
            standardised: parameters.standardise,
        })
    }

    fn examples(&self, rows: &[usize]) -> Result<Examples> {
        let count = self.targets.len();
        let columns = self.features.len() / count;
        let row = |row: &usize| &self.features[row * columns..(row + 1) * columns];
        let features: Vec<f32> = rows.iter().flat_map(row).map(|x| *x as f32).collect();
        let targets = match &self.targets {
            Column::Classes(classes) => {
                let labels: Vec<u32> = rows.iter().map(|row| classes[*row]).collect();
                Targets::Classes {
                    labels: Tensor::new(labels, &Device::Cpu)?,
                    classes: self.class_names.len(),
                }
            }
            Column::Values(values) => {
                let values: Vec<f32> = rows.iter().map(|row| values[*row] as f32).collect();
                Targets::Values(Tensor::from_vec(values, (rows.len(), 1), &Device::Cpu)?)
            }
        };
        let inputs = Tensor::from_vec(features, (rows.len(), columns), &Device::Cpu)?.into();
        Ok(Examples { inputs, targets })
    }
}

/// Scales each column to mean 0 and deviation 1 over the given rows; a constant column is only
/// shifted.
fn standardise(numbers: &mut [f64], columns: usize, rows: &[usize]) {
    for column in 0..columns {
        let at = |row: &usize| row * columns + column;
        let count = rows.len() as f64;
        let mean = rows.iter().map(|row| numbers[at(row)]).sum::<f64>() / count;
        let variance = rows.iter().map(|row| (numbers[at(row)] - mean).powi(2)).sum::<f64>() / count;
        let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        for number in numbers.iter_mut().skip(column).step_by(columns) {
            *number = (*number - mean) / deviation;
        }
    }
}

impl Dataset for Tabular {
    fn examples(&self, split: Split) -> Result<Examples> {
        match split {
            Split::Train => Ok(self.train.clone()),
            Split::Test => self.test.clone().ok_or_else(|| no_test_split(self.title)),
        }
    }

    fn has_test_split(&self) -> bool {
        self.test.is_some()
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn description(&self) -> String {
        let test = match &self.test {
            Some(test) => format!("{} test samples", test.len()),
            None => "no test split".to_owned(),
        };
        let standardised = if self.standardised { ", standardised by the training split" } else { "" };
        let features = self.train.inputs.dims()[1];
        format!(
            "{}: {} training samples and {test}, {features} features{standardised}",
            self.title,
            self.train.len()
        )
    }
}
