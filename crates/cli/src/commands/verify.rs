//! `verify`: compares PyTorch's derivatives of a network with ours.

use std::{path::Path, sync::Arc};

use candle_core::DType;
use eigenscape_core::{
    Registry,
    registry::{Environment, PluginError},
};
use eigenscape_cpu::Cpu;
use eigenscape_experiment::{
    Failure, Result, check,
    checkpoint::Selection,
    diagnostic::suggestion,
    extends,
    plan::LossPlan,
    raw, read,
    verify::{Errors, Verified, verify},
};
use eigenscape_program::Mode;

use crate::{
    cli::{Precision, Verify},
    json_file::JsonFile,
};

/// Prints the relative errors; fails if one exceeds the tolerance.
pub fn run(arguments: &Verify, registry: &Registry) -> Result<()> {
    let base = Path::new(&arguments.model).parent().map(Path::to_owned).unwrap_or_default();
    let environment = Environment { base, ..Environment::default() };
    if !arguments.file.is_file() {
        let what = if arguments.file.exists() { "is not a file" } else { "does not exist" };
        return Err(Failure::Usage {
            problem: format!("{} {what}", arguments.file.display()),
            remedy: "name the file that export_for_verify.py wrote (docs/checkpoints.md)".to_owned(),
        });
    }
    let Model { name, parameters, names, loss, mode } = Model::of(&arguments.model, registry)?;
    let built = registry.architectures.build(&name, parameters, &environment);
    let architecture = built.map_err(|error| {
        let (problem, remedy) = words(error);
        let problem = format!("the architecture `{name}` of --model {}: {problem}", arguments.model);
        Failure::Usage { problem, remedy }
    })?;
    let dtype = match arguments.dtype {
        Precision::F32 => DType::F32,
        Precision::F64 => DType::F64,
    };
    let backend = Arc::new(Cpu::with(registry.operations.clone()));
    let json = arguments.json.as_deref().map(JsonFile::create).transpose()?;
    let Verified { loss, errors } =
        verify(&arguments.file, architecture.plugin.into(), &names, &loss, (backend, dtype), mode)?;
    crate::print(format_args!("derivatives of the loss: {loss}"))?;
    for (name, error) in errors.named() {
        crate::print(format_args!("{name:8} relative error {error:.1e}"))?;
    }
    json.map_or(Ok(()), |file| file.write(&errors))?;
    crate::print(verdict(&errors, arguments.tolerance, &arguments.file)?)
}

/// Whether all errors are within the tolerance.
///
/// # Errors
/// When they are not.
fn verdict(errors: &Errors, tolerance: f64, file: &Path) -> Result<String> {
    let worst = errors.named().into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(name, _)| name);
    let largest = format!("the largest relative error, of {worst}, is {:.1e}", errors.worst());
    let allowed = format!("at most {tolerance:.1e} is allowed (--tolerance)");
    if errors.worst() <= tolerance {
        return Ok(format!("verdict: they agree: {largest}, and {allowed}"));
    }
    Err(Failure::Run {
        problem: format!("verdict: {} and Eigenscape do not agree: {largest}", file.display()),
        remedy: Some(allowed),
    })
}

/// What is wrong with an architecture, and what to do about it.
fn words(error: PluginError) -> (String, String) {
    match error {
        PluginError::UnknownName { name, known, .. } => {
            ("there is none of this name".to_owned(), suggestion(&name, "architectures", &known))
        }
        PluginError::Parameter { problem, .. } => {
            let remedy =
                "give an experiment's file, whose table [model] has the keys that the architecture needs";
            (problem, remedy.to_owned())
        }
        PluginError::Build(error) => {
            let (problem, remedy) = error.into_words();
            (problem, remedy.unwrap_or_default())
        }
    }
}

/// The model that `--model` names.
struct Model {
    /// The architecture's name.
    name: String,
    /// The architecture's keys.
    parameters: toml::Table,
    /// How the names in its checkpoint map to those of the network.
    names: Selection,
    /// The loss.
    loss: LossPlan,
    /// The mode of BatchNorm.
    mode: Mode,
}

impl Model {
    /// From an architecture's name, or from an experiment's file, of which only the table \[model\]
    /// and the loss are used.
    fn of(argument: &str, registry: &Registry) -> Result<Self> {
        let path = Path::new(argument);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let loss = LossPlan {
                named: None,
                parameters: toml::Table::new(),
                defaults: check::default_losses(registry),
            };
            let (parameters, names) = (toml::Table::new(), Selection::default());
            return Ok(Self { name: argument.to_owned(), parameters, names, loss, mode: Mode::Eval });
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
        let loss = check::loss(&document, registry)?;
        let mode = model.batch_norm.into();
        Ok(Self { name: model.name, parameters: model.parameters, names, loss, mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_the_largest_error() {
        let errors = Errors { loss: 1e-9, logits: 2e-8, grad: 0.0, hv: 3e-6, ggnv: 1e-7 };
        let said = verdict(&errors, 1e-3, Path::new("net.pth")).unwrap();
        assert_eq!(
            said,
            "verdict: they agree: the largest relative error, of hv, is 3.0e-6, and at most 1.0e-3 is allowed (--tolerance)"
        );
        let nan = Errors { grad: f64::NAN, ..errors };
        for (errors, worst) in [(&errors, "of hv"), (&nan, "of grad, is NaN")] {
            let failure = verdict(errors, 1e-7, Path::new("net.pth")).unwrap_err();
            let said = failure.to_string();
            assert!(
                said.starts_with("verdict: net.pth and Eigenscape do not agree") && said.contains(worst),
                "{said}"
            );
            assert_eq!(failure.exit_code(), 1);
        }
    }
}
