//! `verify`: PyTorch's derivatives of a network compared with ours.

use std::path::Path;

use candle_core::DType;
use eigenscape_core::{
    Registry,
    registry::{Environment, PluginError},
};
use eigenscape_experiment::{Failure, Result, document::Node, raw, read, verify::verify};

use crate::{
    cli::{Precision, Verify},
    json_file::JsonFile,
};

/// Prints the relative errors; fails when one exceeds the tolerance.
pub fn run(arguments: &Verify, registry: &Registry) -> Result<()> {
    let environment = Environment::default();
    let (name, parameters) = model(&arguments.model)?;
    let built = registry.architectures.build(&name, parameters, &environment);
    let architecture = built.map_err(|error| Failure::Usage {
        problem: format!("the architecture `{name}` of --model {} cannot be built", arguments.model),
        remedy: match error {
            PluginError::UnknownName { known, .. } => format!("known architectures: {}", known.join(", ")),
            PluginError::Parameter { problem, .. } => problem,
            PluginError::Build(error) => error.to_string(),
        },
    })?;
    let dtype = match arguments.dtype {
        Precision::F32 => DType::F32,
        Precision::F64 => DType::F64,
    };
    let json = arguments.json.as_deref().map(JsonFile::create).transpose()?;
    let errors = verify(&arguments.file, architecture.plugin.into(), dtype)?;
    for (name, error) in errors.named() {
        crate::print(format_args!("{name:8} relative error {error:.1e}"));
    }
    json.map_or(Ok(()), |file| file.write(&errors))?;
    if errors.worst() <= arguments.tolerance {
        return Ok(());
    }
    Err(Failure::Run {
        problem: format!(
            "{}: the largest relative error is {:.1e}",
            arguments.file.display(),
            errors.worst()
        ),
        remedy: Some(format!("at most {:.1e} was expected (--tolerance)", arguments.tolerance)),
    })
}

/// An architecture's name with its keys: an experiment's file stands for its table \[model\].
fn model(argument: &str) -> Result<(String, toml::Table)> {
    let path = Path::new(argument);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok((argument.to_owned(), toml::Table::new()));
    }
    let document = Node::read(path)?;
    read::finite(&document, "")?;
    let table = document.get("model").map(Node::to_value);
    let Some(raw::Model { name, parameters, .. }) = table.and_then(|table| table.try_into().ok()) else {
        return Err(Failure::Usage {
            problem: format!("{argument} has no table [model] with a `name`"),
            remedy: "give an architecture's name, or an experiment's file".to_owned(),
        });
    };
    Ok((name, parameters))
}
