//! Checkpoints: weights under PyTorch's names, from a safetensors file or a file written by
//! `torch.save`.
//!
//! No code of a file is executed, and no allocation is sized by what a file claims: tensors stay in
//! the file ([`Stored`](eigenscape_formats::Stored)) until the network needs one of their
//! shape.

mod difference;
mod fit;
mod guess;
mod naming;
#[cfg(test)]
mod naming_tests;
mod orientation;
mod pattern;
mod remedy;
mod rename;
mod search;
mod state_dict;

use std::{collections::BTreeMap, io, path::Path};

use candle_core::Tensor;
use eigenscape_core::Result;
use eigenscape_formats::{Refusal, checkpoint::Contents, regular_file};
use eigenscape_program::Network;
use safetensors::SafeTensorError;

pub(crate) use self::naming::lenient;
pub use self::pattern::Rename;
pub use self::state_dict::{Item, Selection, StateDict};
use crate::weights::Weights;

/// Writes the weights as a safetensors file.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, network: &Network, weights: &Weights) -> io::Result<()> {
    let tensors = difference::declared(network).zip(weights.parameters.iter().chain(&weights.buffers));
    let tensors: BTreeMap<&str, &Tensor> =
        tensors.map(|(declared, tensor)| (declared.name.as_str(), tensor)).collect();
    safetensors::serialize_to_file(tensors, None, path).map_err(|error| match error {
        SafeTensorError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

/// Weights from a file, with notes and warnings about their origin.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The weights, in f64 if all of them are f64 in the file, otherwise in f32.
    pub weights: Weights,
    /// Which dictionary was chosen without a `key`, and what was left out.
    pub notes: Vec<String>,
    /// How the network probably differs from the one that wrote the file.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Weights of which nothing needs to be known.
    pub(crate) fn of(weights: Weights) -> Self {
        Self { weights, notes: Vec::new(), warnings: Vec::new() }
    }
}

/// Reads weights for a network.
///
/// # Errors
/// When the file cannot be read, is damaged or of another format, or has no dictionary of tensors
/// or several; when names or shapes differ from the network's (all differences are listed), or a
/// value is not finite.
pub fn load(selection: &Selection, network: &Network) -> Result<Loaded> {
    let file = regular_file::read(&selection.path)?;
    read(&file, selection, network)
}

/// Like [`load`], for a file's contents. The path is used only as the file's name in messages.
///
/// # Errors
/// As [`load`].
pub fn read(file: &[u8], selection: &Selection, network: &Network) -> Result<Loaded> {
    with_state_dict(file, selection, |_, state, mut notes| {
        let (weights, doubt) = fit::weights(selection, network, state)?;
        notes.extend(doubt);
        let warnings = fit::other_gelu(network, state)?.into_iter().collect();
        Ok(Loaded { weights, notes, warnings })
    })
}

/// Why the kept tensors of a state dict do not fit a network under the names that `names` maps them
/// to; `None` if they fit. `is_kept` selects tensors by their names in the file.
///
/// # Errors
/// When two equally specific entries of `rename` give a name different targets.
pub(crate) fn misfit(
    state: &StateDict,
    names: &Selection,
    network: &Network,
    is_kept: impl Fn(&str) -> bool,
) -> Result<Option<Refusal>, Refusal> {
    Ok(fit::misfit(names, network, &state.clone().lenient(names, is_kept)?))
}

/// Calls `then` with the file's name, the selected tensors, and notes on the selection.
///
/// # Errors
/// When the contents are damaged, of another format, or have no dictionary of tensors or several;
/// and the errors of `then`.
pub fn with_state_dict<T>(
    file: &[u8],
    selection: &Selection,
    then: impl FnOnce(&str, &StateDict, Vec<String>) -> Result<T>,
) -> Result<T> {
    let subject = selection.path.display().to_string();
    let contents = Contents::parse(file).map_err(|refusal| refusal.about(&subject))?;
    let (state, mut notes) =
        StateDict::find(&contents, selection).map_err(|refusal| refusal.about(&subject))?;
    notes.extend(contents.left_out());
    then(&subject, &state, notes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use candle_core::Device;
    use eigenscape_core::Random;
    use eigenscape_program::nn;

    use super::*;

    fn network(width: usize) -> Network {
        Network::new(&[3], move |scope, x| nn::linear(&mut scope.at("fc"), x, width, true)).unwrap()
    }

    fn saved(folder: &tempfile::TempDir, width: usize) -> std::path::PathBuf {
        let path = folder.path().join("a.safetensors");
        let weights = Weights::initial(&network(width), Random::new(1)).unwrap();
        save(&path, &network(width), &weights).unwrap();
        path
    }

    fn load(path: &Path, network: &Network) -> Result<Weights> {
        let selection = Selection { path: path.to_owned(), ..Selection::default() };
        super::load(&selection, network).map(|loaded| loaded.weights)
    }

    #[test]
    fn come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let weights = Weights::initial(&network(4), Random::new(1)).unwrap();
        let loaded = load(&saved(&folder, 4), &network(4)).unwrap();
        for (a, b) in weights.parameters.iter().zip(&loaded.parameters) {
            assert_eq!(
                a.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
                b.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            );
        }
    }

    #[test]
    fn of_another_shape_are_refused_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(&saved(&folder, 4), &network(5)).unwrap_err().to_string();
        let expected = "does not fit the network:
  tensor     network  file
  fc.weight  [5, 3]   [4, 3]
  fc.bias    [5]      [4]";
        assert!(error.contains(expected), "{error}");
        let other = Network::new(&[3], |scope, x| nn::linear(&mut scope.at("head"), x, 4, false)).unwrap();
        let error = load(&saved(&folder, 4), &other).unwrap_err().to_string();
        for line in ["  head.weight  [4, 3]   -", "  fc.bias      -        [4]"] {
            assert!(error.contains(line), "{error}");
        }
    }

    /// A network whose embedding table is also the output layer's weight, under another name.
    fn tied() -> Network {
        Network::new(&[2], |scope, x| {
            let x = nn::embedding(&mut scope.at("wte"), x, 3, 2)?;
            let init = eigenscape_program::Init::Zeros;
            let table = scope.at("wte").parameter("weight", &[3, 2], init)?;
            let head = &mut scope.at("head");
            head.alias("weight", table)?;
            head.unused("mask");
            head.graph().linear(x, table)
        })
        .unwrap()
    }

    fn saved_tensors(folder: &tempfile::TempDir, tensors: &[(&str, Vec<f32>)]) -> std::path::PathBuf {
        let path = folder.path().join("tied.safetensors");
        let tensor = |values: &[f32]| Tensor::from_slice(values, (3, 2), &Device::Cpu).unwrap();
        let tensors: BTreeMap<_, _> = tensors.iter().map(|(name, values)| (*name, tensor(values))).collect();
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        path
    }

    #[test]
    fn of_tied_weights_list_them_under_either_name_or_both() {
        let folder = tempfile::tempdir().unwrap();
        let values = || vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for names in [&["wte.weight"][..], &["head.weight"], &["wte.weight", "head.weight", "head.mask"]] {
            let tensors: Vec<_> = names.iter().map(|name| (*name, values())).collect();
            let weights = load(&saved_tensors(&folder, &tensors), &tied()).unwrap();
            assert_eq!(weights.parameters.len(), 1);
            let found = weights.parameters[0].flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(found, values(), "{names:?}");
        }
        let mut other = values();
        other[5] = 7.0;
        let path = saved_tensors(&folder, &[("wte.weight", values()), ("head.weight", other)]);
        let error = load(&path, &tied()).unwrap_err().to_string();
        assert!(error.contains("head.weight and wte.weight differ"), "{error}");
    }

    #[test]
    fn with_nan_or_cut_short_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(&folder, 4);
        let mut weights = Weights::initial(&network(4), Random::new(1)).unwrap();
        weights.parameters[1] = Tensor::new(&[0_f32, f32::NAN, 0.0, 0.0], &Device::Cpu).unwrap();
        save(&path, &network(4), &weights).unwrap();
        let error = load(&path, &network(4)).unwrap_err().to_string();
        assert!(
            error.contains("fc.bias") && error.contains("NaN") && error.contains("a.safetensors"),
            "{error}"
        );
        let contents = fs::read(saved(&folder, 4)).unwrap();
        for length in [0, 4, 40, contents.len() - 1] {
            fs::write(&path, &contents[..length]).unwrap();
            let error = load(&path, &network(4)).unwrap_err().to_string();
            assert!(error.contains("not a complete safetensors file"), "{length}: {error}");
        }
    }
}
