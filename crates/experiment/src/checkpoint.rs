//! Checkpoints: weights as safetensors by PyTorch's names.

use std::{collections::BTreeMap, fs, path::Path};

use candle_core::{DType, Device, Tensor};
use eigenscape_autodiff::{Network, Parameter};
use eigenscape_core::{Error, Result};

use crate::weights::Weights;

/// PyTorch counts a BatchNorm's batches in a tensor that no computation uses.
const UNUSED: &str = "num_batches_tracked";
/// At most so many lines of a list of differences are shown.
const SHOWN: usize = 20;

/// Writes the weights.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, network: &Network, weights: &Weights) -> Result<()> {
    let tensors = declared(network).zip(weights.parameters.iter().chain(&weights.buffers));
    let tensors: BTreeMap<&str, &Tensor> =
        tensors.map(|(declared, tensor)| (declared.name.as_str(), tensor)).collect();
    safetensors::serialize_to_file(tensors, None, path)
        .map_err(|error| Error::io(path, std::io::Error::other(error)))
}

/// Reads weights for a network, in f64 where all are and in f32 otherwise.
///
/// # Errors
/// When the file cannot be read or is damaged, names or shapes are not the network's (all differences are listed), or a value is
/// not finite.
pub fn load(path: &Path, network: &Network) -> Result<Weights> {
    let subject = path.display().to_string();
    let contents = fs::read(path).map_err(|error| Error::io(path, error))?;
    let mut tensors = candle_core::safetensors::load_buffer(&contents, &Device::Cpu).map_err(|error| {
        Error::input(
            &subject,
            format!("is not a complete safetensors file: {error}"),
            "copy or save the file again (safetensors.torch.save_file(model.state_dict(), path) in PyTorch)",
        )
    })?;
    tensors.retain(|name, _| !name.ends_with(UNUSED));
    let differences = differences(network, &tensors);
    if !differences.is_empty() {
        return Err(Error::input(
            &subject,
            format!("does not fit the network:\n{}", table(&differences)),
            "choose the architecture and settings that the checkpoint was made with",
        ));
    }
    let double = declared(network).all(|declared| tensors[&declared.name].dtype() == DType::F64);
    let dtype = if double { DType::F64 } else { DType::F32 };
    let take = |declared: &Parameter| usable(&subject, &declared.name, &tensors[&declared.name], dtype);
    Ok(Weights {
        parameters: network.parameters().iter().map(take).collect::<Result<_>>()?,
        buffers: network.buffers().iter().map(take).collect::<Result<_>>()?,
    })
}

fn declared(network: &Network) -> impl Iterator<Item = &Parameter> {
    network.parameters().iter().chain(network.buffers())
}

/// A name with its shape in the network and in the file, where they are not the same.
type Difference<'a> = (&'a str, Option<&'a [usize]>, Option<&'a [usize]>);

fn differences<'a>(
    network: &'a Network,
    tensors: &'a std::collections::HashMap<String, Tensor>,
) -> Vec<Difference<'a>> {
    let known = declared(network).map(|declared| {
        let found = tensors.get(&declared.name).map(Tensor::dims);
        (declared.name.as_str(), Some(declared.shape.as_slice()), found)
    });
    let mut unexpected: Vec<Difference> = tensors
        .iter()
        .filter(|(name, _)| !declared(network).any(|declared| declared.name == **name))
        .map(|(name, tensor)| (name.as_str(), None, Some(tensor.dims())))
        .collect();
    unexpected.sort_unstable();
    known.filter(|(_, expected, found)| expected != found).chain(unexpected).collect()
}

fn table(differences: &[Difference]) -> String {
    let cell = |shape: &Option<&[usize]>| shape.map_or("-".to_owned(), |shape| format!("{shape:?}"));
    let header = ("tensor".to_owned(), "network".to_owned(), "file".to_owned());
    let rows = differences
        .iter()
        .take(SHOWN)
        .map(|(name, expected, found)| ((*name).to_owned(), cell(expected), cell(found)));
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let first = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let second = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(name, expected, found)| format!("  {name:first$}  {expected:second$}  {found}"))
        .collect();
    if differences.len() > SHOWN {
        lines.push(format!("  and {} more", differences.len() - SHOWN));
    }
    lines.join("\n")
}

fn usable(subject: &str, name: &str, tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    if !tensor.dtype().is_float() {
        return Err(Error::input(
            subject,
            format!("the tensor {name} is of type {:?}", tensor.dtype()),
            "save it in a floating-point type",
        ));
    }
    let values = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::input(
            subject,
            format!("the tensor {name} holds {} (element {index})", values[index]),
            "use a checkpoint from before the training diverged",
        ));
    }
    Ok(tensor.to_dtype(dtype)?)
}

#[cfg(test)]
mod tests {
    use eigenscape_autodiff::nn;
    use eigenscape_core::Random;

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
