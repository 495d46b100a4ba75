//! Files of eigenvectors: one for each vector, with a tensor for each parameter of the group, under
//! its name as in a checkpoint, and in its shape.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use candle_core::Tensor;
use eigenscape_core::{
    Eigenpair, Error, Group, Result,
    results::{EigenpairRecord, Run},
};
use eigenscape_program::{Network, Slice, Variables};
use safetensors::SafeTensorError;
use serde::{Deserialize, Serialize};

use crate::{sealed, state_folder::checksum};

/// The folder of these files, in a run's folder and in the results.
pub const VECTORS: &str = "vectors";
/// The name of a file while it is written.
const NEW: &str = "vector.new";

/// An eigenpair whose vector is in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The record, with the file's name.
    pub record: EigenpairRecord,
    /// The CRC-32 of the file.
    pub sum: u32,
}

/// The files of one run.
pub struct VectorFiles {
    folder: PathBuf,
    /// A folder on the same file system.
    by_way_of: PathBuf,
}

impl VectorFiles {
    /// The files in `folder`, which need not exist, written by way of another folder.
    #[must_use]
    pub fn of(folder: PathBuf, by_way_of: PathBuf) -> Self {
        Self { folder, by_way_of }
    }

    /// Writes the vectors of a group's eigenpairs; their files' names begin with `name`.
    ///
    /// # Errors
    /// When they cannot be written; none of them is then left.
    pub fn write(
        &self,
        network: &Network,
        group: &Group,
        name: &str,
        pairs: &[Eigenpair],
    ) -> Result<Vec<Stored>> {
        let file = |index: usize| format!("{name}-{index}.safetensors");
        let write = |(index, pair): (usize, &Eigenpair)| {
            let record = EigenpairRecord {
                value: pair.value,
                residual: pair.residual,
                inverse_participation_ratio: pair.inverse_participation_ratio()?,
                file: file(index),
            };
            let tensors = by_name(network, group, &pair.vector)?;
            let path = self.folder.join(&record.file);
            let sum = self.replace(&path, &tensors).map_err(|error| Error::io(&path, error))?;
            Ok(Stored { record, sum })
        };
        let written: Result<Vec<Stored>> = pairs.iter().enumerate().map(write).collect();
        written.inspect_err(|_| {
            (0..pairs.len()).for_each(|index| drop(fs::remove_file(self.folder.join(file(index)))));
        })
    }

    /// Writes a file; returns its checksum.
    fn replace(&self, path: &Path, tensors: &BTreeMap<&str, Tensor>) -> io::Result<u32> {
        fs::create_dir_all(&self.folder)?;
        fs::create_dir_all(&self.by_way_of)?;
        sealed::replace(path, &self.by_way_of.join(NEW), |new| {
            safetensors::serialize_to_file(tensors.iter(), None, new).map_err(|error| match error {
                SafeTensorError::IoError(error) => error,
                other => io::Error::other(other),
            })
        })?;
        checksum(path)
    }

    /// Whether a file is as it was written.
    #[must_use]
    pub fn has(&self, stored: &Stored) -> bool {
        checksum(&self.folder.join(&stored.record.file)).is_ok_and(|sum| sum == stored.sum)
    }
}

/// A vector's elements by the names of the group's parameters.
fn by_name<'a>(network: &'a Network, group: &'a Group, vector: &Tensor) -> Result<BTreeMap<&'a str, Tensor>> {
    let shapes: Vec<(&str, Vec<usize>)> = match &group.variables {
        Variables::Parameters(indices) => {
            let parameters = indices.iter().filter_map(|&index| network.parameters().get(index));
            parameters.map(|parameter| (parameter.name.as_str(), parameter.shape.clone())).collect()
        }
        Variables::Slice(Slice { parameter, axis, range }) => {
            let mut shape = network.parameters().get(*parameter).map_or(Vec::new(), |of| of.shape.clone());
            shape.iter_mut().skip(*axis).take(1).for_each(|size| *size = range.len());
            vec![(group.name.as_str(), shape)]
        }
        // Refused before the run starts.
        Variables::Activation(_) => vec![(group.name.as_str(), vec![group.dimension])],
    };
    let mut first = 0;
    let tensor = |(name, shape): (&'a str, Vec<usize>)| {
        let size = shape.iter().product();
        let tensor = vector.narrow(0, first, size)?.reshape(shape)?;
        first += size;
        Ok((name, tensor))
    };
    shapes.into_iter().map(tensor).collect()
}

/// Sets the folder of the files in a run's records.
pub fn relocate(run: &mut Run, folder: &str) {
    for pair in run.probes.iter_mut().flat_map(|probe| &mut probe.eigenpairs) {
        let name = pair.file.rsplit('/').next().unwrap_or_default();
        pair.file = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use eigenscape_core::{GroupSelector, results::ProbeRecord};
    use eigenscape_program::nn;

    use super::*;

    /// A linear layer with a weight [2, 3] and a bias.
    fn network() -> Network {
        Network::new(&[3], |scope, x| nn::linear(&mut scope.at("fc"), x, 2, true)).unwrap()
    }

    fn written(selector: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let (network, folder) = (network(), tempfile::tempdir().unwrap());
        let group = GroupSelector::from(selector).resolve(&network, 1).unwrap().remove(0);
        let files = VectorFiles::of(folder.path().join("vectors"), folder.path().join("state"));
        let vector = Tensor::arange(0_f32, group.dimension as f32, &Device::Cpu).unwrap();
        let pairs = [Eigenpair { value: 2.0, residual: 0.5, vector }];
        let stored = files.write(&network, &group, "a", &pairs).unwrap();
        assert!(stored.len() == 1 && stored[0].record.file == "a-0.safetensors" && files.has(&stored[0]));
        let path = folder.path().join("vectors/a-0.safetensors");
        let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        fs::write(&path, "other").unwrap();
        assert!(!files.has(&stored[0]));
        let read = |(name, tensor): (String, Tensor)| {
            (name, tensor.dims().to_vec(), tensor.flatten_all().unwrap().to_vec1().unwrap())
        };
        let mut found: Vec<_> = tensors.into_iter().map(read).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    #[test]
    fn a_file_has_the_parameters_by_name() {
        let bias = ("fc.bias".to_owned(), vec![2], vec![6.0, 7.0]);
        let weight = ("fc.weight".to_owned(), vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(written("full"), [bias, weight]);
        let slice = "fc.weight[:, 1:3]";
        assert_eq!(written(slice), [(slice.to_owned(), vec![2, 2], vec![0.0, 1.0, 2.0, 3.0])]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_that_names_the_file() {
        let (network, folder) = (network(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("vectors"), "no folder").unwrap();
        let files = VectorFiles::of(folder.path().join("vectors"), folder.path().join("state"));
        let group = GroupSelector::from("fc.bias").resolve(&network, 1).unwrap().remove(0);
        let vector = Tensor::new(&[1_f32, 0.0], &Device::Cpu).unwrap();
        let pairs = [Eigenpair { value: 2.0, residual: 0.5, vector }];
        let error = files.write(&network, &group, "a", &pairs).unwrap_err().to_string();
        assert!(error.contains("a-0.safetensors"), "{error}");
    }

    #[test]
    fn files_move_with_their_run() {
        let record = |file: &str| EigenpairRecord { file: file.to_owned(), ..EigenpairRecord::default() };
        let probe = ProbeRecord { eigenpairs: vec![record("a-0.safetensors")], ..ProbeRecord::default() };
        let mut run = Run { probes: vec![probe], ..Run::default() };
        for (folder, expected) in
            [("vectors/seed=1", "vectors/seed=1/a-0.safetensors"), ("", "a-0.safetensors")]
        {
            relocate(&mut run, folder);
            assert_eq!(run.probes[0].eigenpairs[0].file, expected);
        }
    }
}
