//! Selects one of a network's outputs.

use eigenscape_core::{Error, Result};
use eigenscape_formats::pt2::{Argument, OutputSpec, Package};
use schemars::JsonSchema;
use serde::Deserialize;

/// An output by its name or number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of an output, or its number")]
pub enum Output {
    /// Its number, counted from 0.
    Number(usize),
    /// Its name: its key in the dictionary that `forward` returns, or its name in the graph.
    Name(String),
}

/// The selected output's name in the graph; by default that of the first output that is a tensor.
///
/// # Errors
/// When no tensor output has the requested name or number, or there is no tensor output at all.
pub(super) fn chosen(file: &str, package: &Package, asked: Option<&Output>) -> Result<String> {
    let outputs = package.signature.output_specs.iter().filter_map(|spec| match spec {
        OutputSpec::User(Argument::Tensor(name)) => Some(Some(name)),
        OutputSpec::User(_) => Some(None),
        OutputSpec::Other(_) => None,
    });
    let outputs: Vec<Option<&String>> = outputs.collect();
    let keys = if package.results.len() == outputs.len() { package.results.as_slice() } else { &[] };
    let place = match asked {
        None => outputs.iter().position(Option::is_some),
        Some(Output::Number(number)) => Some(*number),
        Some(Output::Name(name)) => {
            let own = || outputs.iter().position(|output| *output == Some(name));
            keys.iter().position(|key| key == name).or_else(own)
        }
    };
    let found = place.and_then(|place| outputs.get(place).copied().flatten());
    found.cloned().ok_or_else(|| {
        let named = |(number, output): (usize, &Option<&String>)| {
            let name = keys.get(number).or(*output).map_or("no tensor", String::as_str);
            format!("{number} ({name})")
        };
        let all: Vec<String> = outputs.iter().enumerate().map(named).collect();
        let problem = match asked {
            None => "has no output that is a tensor".to_owned(),
            Some(Output::Number(number)) => format!("has no output {number} that is a tensor"),
            Some(Output::Name(name)) => format!("has no output \"{name}\" that is a tensor"),
        };
        Error::input(file, problem, format!("set `output` in [model] to one of {}", all.join(", ")))
    })
}
