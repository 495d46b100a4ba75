//! The arguments of the command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use eigenscape_experiment::choices::{Choices, Profile};

/// Curvature spectra of neural networks: an experiment is a TOML file, its results are a folder
/// with a report.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run experiments: train, measure spectra and distances, write results and a report
    Reproduce(Reproduce),
    /// Show what would be run, without running it
    Check {
        /// Experiment files, or names of files in experiments/
        #[arg(required = true, value_name = "FILE|NAME")]
        experiments: Vec<String>,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// List everything that can be chosen by name, the keys of one name, or an experiment's groups
    List {
        /// dataset, architecture, layer (of sequential), loss, estimator, distance, regularizer,
        /// optimizer or schedule; or groups
        kind: Option<String>,
        /// One name of this kind; with groups: the experiment file, or the name of a file in
        /// experiments/
        #[arg(value_name = "NAME|FILE")]
        name: Option<String>,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Measure speed and memory, next to those of PyTorch if --torch is given
    Bench(Bench),
    /// Write the report of a finished run again, or one report that compares several
    Report {
        /// A folder of results, as in runs/quickstart; several are compared on one page
        #[arg(required = true, value_name = "RUN_DIR")]
        directories: Vec<PathBuf>,
        /// The folder for the page that compares [default: comparison]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Show which data sets are on this machine, or where one is searched for and how to get it
    Data {
        /// The data set's name, as in fashion-mnist; if none is given, all of them
        name: Option<String>,
    },
    /// Compare another program's derivatives of a network with those of Eigenscape
    Verify(Verify),
    /// Write a template of a crate that adds a plugin, with tests and an experiment;
    /// examples/plugin explains it
    New {
        /// architecture, distance, estimator or primitive (an operation, with an architecture that
        /// uses it); other kinds have no template
        kind: String,
        /// The name of the plugin, of the crate and of the folder
        name: String,
    },
    /// Print the JSON schema of experiment files, for editors, or that of results.json
    Schema {
        /// The file
        #[arg(value_enum, default_value = "experiment")]
        of: Schema,
    },
}

/// The files with a JSON schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    /// An experiment's TOML file
    Experiment,
    /// The results.json of a folder of results (docs/results.md)
    Results,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// A safetensors or torch.save file with x, y, the weights, v.NAME, loss, logits, grad.NAME,
    /// hv.NAME and ggnv.NAME
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The architecture, as in lenet, or an experiment's file that names it
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub model: String,
    /// The floating-point type to compute in
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: Precision,
    /// The largest relative error that counts as agreement
    #[arg(long, default_value_t = 1e-3, value_parser = tolerance, allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Also write {loss, logits, grad, hv, ggnv} to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if number >= 0.0 { Ok(number) } else { Err("it must be at least 0".to_owned()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    F32,
    F64,
}

/// Changes to the experiments' files.
#[derive(Debug, Args)]
pub struct Overrides {
    /// Replace a value of the files, as in --set train.epochs=2
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Only the experiment of this name, from a file with several (`[[case]]`); may be repeated
    #[arg(long, value_name = "CASE")]
    pub only: Vec<String>,
    /// Use the files' [profile.small], which shortens runs that would take days, or [profile.full]
    /// [default: small, without a GPU]
    #[arg(long, value_enum)]
    pub profile: Option<Size>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Size {
    Small,
    Full,
}

impl Overrides {
    /// The choices with these overrides and with `out` as the folder for the results.
    pub fn choices(&self, out: Option<&Path>) -> Choices {
        let profile = self.profile.map_or_else(Profile::default, |size| match size {
            Size::Small => Profile::Small,
            Size::Full => Profile::Full,
        });
        Choices { profile, set: self.set.clone(), out: out.map(Path::to_owned), only: self.only.clone() }
    }
}

#[derive(Debug, Args)]
pub struct Reproduce {
    /// Experiment files, or names of files in experiments/; if none is given, all of experiments/
    /// that can run here
    #[arg(value_name = "FILE|NAME")]
    pub experiments: Vec<String>,
    /// The folder for the experiments' folders of results [default: the file's `out`, or runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Start from scratch: repeat what an interrupted call has finished
    #[arg(long)]
    pub fresh: bool,
    /// Print only errors and the reports' paths
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Bench {
    /// Models and kinds of work to measure, as in lenet or hvp; if none is given, all of them. Or
    /// studies: accuracy, growth, traces
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Also write the results to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// A Python with PyTorch, which measures the same work between our own runs
    #[arg(long, value_name = "PYTHON")]
    pub torch: Option<PathBuf>,
    /// The device: "cpu", "cuda:0" (an NVIDIA GPU by its number), or "cuda" (a free one)
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Measure one work in this process, whose peak memory is then that of this work alone
    #[arg(long, hide = true, num_args = 2, value_names = ["MODEL", "WORK"])]
    pub sitting: Option<Vec<String>>,
    /// Measure one size of one line of `growth` in this process
    #[arg(long, hide = true, num_args = 2, value_names = ["LINE", "SIZE"])]
    pub growth_point: Option<Vec<usize>>,
}
