//! `verify`: PyTorch's derivatives of a network compared with ours.

use std::path::Path;

use candle_core::DType;
use eigenscape_core::{
    Registry,
    registry::{Environment, PluginError},
};
use eigenscape_experiment::{
    Failure, Result, check, checkpoint::Selection, diagnostic::suggestion, extends, raw, read, verify::verify,
};

use crate::{
    cli::{Precision, Verify},
    json_file::JsonFile,
};

/// Prints the relative errors; fails when one exceeds the tolerance.
pub fn run(arguments: &Verify, registry: &Registry) -> Result<()> {
    let environment = Environment::default();
    if !arguments.file.is_file() {
        let what = if arguments.file.exists() { "is not a file" } else { "does not exist" };
        return Err(Failure::Usage {
            problem: format!("{} {what}", arguments.file.display()),
            remedy: "name the file that export_for_verify.py wrote (docs/checkpoints.md)".to_owned(),
        });
    }
    let (name, parameters, names) = model(&arguments.model)?;
    let built = registry.architectures.build(&name, parameters, &environment);
    let architecture = built.map_err(|error| Failure::Usage {
        problem: format!("the architecture `{name}` of --model {}: {}", arguments.model, problem(&error)),
        remedy: remedy(error),
    })?;
    let dtype = match arguments.dtype {
        Precision::F32 => DType::F32,
        Precision::F64 => DType::F64,
    };
    let json = arguments.json.as_deref().map(JsonFile::create).transpose()?;
    let losses = check::default_losses(registry);
    let errors = verify(&arguments.file, architecture.plugin.into(), &names, &losses, dtype)?;
    for (name, error) in errors.named() {
        crate::print(format_args!("{name:8} relative error {error:.1e}"))?;
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

fn problem(error: &PluginError) -> String {
    match error {
        PluginError::UnknownName { .. } => "there is none of this name".to_owned(),
        PluginError::Parameter { problem, .. } => problem.clone(),
        PluginError::Build(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

fn remedy(error: PluginError) -> String {
    match error {
        PluginError::UnknownName { nearest, known, .. } => {
            suggestion(nearest.as_deref(), "architectures", &known)
        }
        PluginError::Parameter { .. } => {
            "give an experiment's file, whose table [model] has the keys that the architecture needs"
                .to_owned()
        }
        PluginError::Build(error) => error.remedy().to_owned(),
    }
}

/// An architecture's name with its keys, and what its checkpoint's names are: an experiment's file stands for its table \[model\].
fn model(argument: &str) -> Result<(String, toml::Table, Selection)> {
    let path = Path::new(argument);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok((argument.to_owned(), toml::Table::new(), Selection::default()));
    }
    let document = extends::read(path)?;
    read::finite(&document, "")?;
    let table = document.get("model").map(|node| node.to_value());
    let Some(model) = table.and_then(|table| table.try_into::<raw::Model>().ok()) else {
        return Err(Failure::Usage {
            problem: format!("{argument} has no table [model] with a `name`"),
            remedy: "give an architecture's name, or an experiment's file".to_owned(),
        });
    };
    let names = check::checkpoint_names(&document, &model)?;
    Ok((model.name, model.parameters, names))
}
