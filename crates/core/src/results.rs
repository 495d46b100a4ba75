//! The results of an experiment: the contents of `results.json`.

mod check;
mod claims;
mod distances;
mod run;
mod spectra;
mod training;
mod variants;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

pub use self::{
    check::Misfit,
    claims::{ClaimRecord, Verdict},
    distances::{Band, DistanceRecord, PARTS},
    run::{ProbeFailure, Run},
    spectra::{EigenpairRecord, MeansRecord, ProbeRecord},
    training::{Divergence, Diverging, PenaltyRecord, TrainingRecord},
    variants::{StatisticRecord, VariantRecord},
};

/// Separates an experiment's name from a number in the names of folders of earlier results. The
/// names of experiments do not contain it.
pub const EARLIER: char = '~';

/// `results.json`: everything that was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// The experiment's name.
    pub name: String,
    /// What wrote the file; absent in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// One entry per combination of the sweep; one entry without a sweep.
    pub runs: Vec<Run>,
    /// Statistics over the reruns of each variant; empty where nothing was trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantRecord>,
    /// The expected claims, and whether they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimRecord>,
}

/// The program that wrote results. The same versions, settings and data give the same bits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The version of this format. It grows when a field changes its meaning; that
    /// fields are added does not change it.
    pub format: u32,
    /// Eigenscape's version, with a hash of its sources: "0.1.0, sources 5f3a9c0d1b2e4f67".
    pub eigenscape: String,
    /// The processor's architecture and the operating system: "x86_64 linux".
    pub platform: String,
    /// The vector instructions of the kernels on the CPU: "avx512", "avx2" or "scalar".
    pub simd: String,
}

/// The version of the format of `results.json`.
pub const FORMAT: u32 = 1;

/// The JSON schema of `results.json`, as this version writes it.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Results>()
        .to_value();
    plain(&mut schema);
    schema
}

/// Writes descriptions without line breaks and the marks of Rust's documentation.
fn plain(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text) if key == "description" => {
                        *text = text.replace('\n', " ").replace("\\[", "[").replace("\\]", "]");
                        *text = text.replace("[`PARTS`]", &PARTS.to_string());
                    }
                    value => plain(value),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(plain),
        _ => {}
    }
}
