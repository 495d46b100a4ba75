//! Compares another program's derivatives with ours, so that a user coming from PyTorch can check
//! the numbers for their network.

mod brought;
mod target;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{DType, Tensor};
use eigenscape_core::{Architecture, Error, Result};
use eigenscape_curvature::{MeanLoss, Point};
use eigenscape_formats::{Refusal, regular_file};
use eigenscape_program::{Mode, Network, Parameter};
use eigenscape_runtime::Backend;
use serde::Serialize;

use self::target::Target;
use crate::{
    checkpoint::{self, Item, Selection, StateDict},
    memory,
    objective::{self, classes_last},
    plan::LossPlan,
};

/// The remedy for a missing tensor.
const EVERYTHING: &str =
    "write x, y, the weights, v.NAME, loss, logits, grad.NAME, hv.NAME and ggnv.NAME from the same network";

/// The remedy for shapes of another network.
const ANOTHER_MODEL: &str = "name the model that wrote the file (--model)";

/// The prefixes of a parameter's name.
const PREFIXES: [&str; 4] = ["v.", "grad.", "hv.", "ggnv."];
/// The names that are not of parameters.
const OTHERS: [&str; 4] = ["x", "y", "loss", "logits"];

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The loss whose derivatives were compared, as text.
    pub loss: String,
    /// The differences.
    pub errors: Errors,
}

/// Relative errors ‖ours − theirs‖ / ‖theirs‖, in the Euclidean norm over all parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// The mean loss.
    pub loss: f64,
    /// The outputs.
    pub logits: f64,
    /// The gradient.
    pub grad: f64,
    /// The Hessian times v.
    pub hv: f64,
    /// The Gauss-Newton matrix times v.
    pub ggnv: f64,
}

impl Errors {
    /// Each with its name, as in the file.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 5] {
        let Self { loss, logits, grad, hv, ggnv } = *self;
        [("loss", loss), ("logits", logits), ("grad", grad), ("hv", hv), ("ggnv", ggnv)]
    }

    /// The largest; NaN if any is.
    #[must_use]
    pub fn worst(&self) -> f64 {
        // `f64::max` ignores NaN.
        let larger = |worst: f64, (_, error): (_, f64)| {
            if worst.is_nan() || error.is_nan() { f64::NAN } else { worst.max(error) }
        };
        self.named().into_iter().fold(0.0, larger)
    }
}

/// Compares the derivatives in a file (safetensors, or a dictionary given to `torch.save`) with
/// ours. From the tensors `x`, `y`, the weights under PyTorch's names and a direction `v.NAME`, it
/// computes `loss`, `logits`, `grad.NAME`, `hv.NAME` and `ggnv.NAME`, which the file holds, too. If
/// `loss` names no loss, integer targets have its default loss for classes, real targets that for
/// real targets. The axis of classes is inferred from the shapes, as in an experiment. A NAME may
/// also be one that `names` maps to the network's, by its `strip_prefix`, `rename` and `transpose`,
/// none of which needs to match.
///
/// Of an architecture that brings its weights the file may leave these out; what such a network is
/// given may stand under the names that it has for that instead of `x`. BatchNorm is in the mode
/// `mode`. A loss that needs no
/// targets needs no `y` (nor to be named, then), and its Gauss-Newton matrix is 0, so that no
/// `ggnv.NAME` needs to be there.
///
/// # Errors
/// When the file cannot be read, a tensor is missing or has another shape than the network's, or
/// `y` does not fit the loss.
pub fn verify(
    path: &Path,
    architecture: Arc<dyn Architecture>,
    names: &Selection,
    loss: &LossPlan,
    (backend, dtype): (Arc<dyn Backend>, DType),
    mode: Mode,
) -> Result<Verified> {
    let mut file = File::read(path, names)?;
    file.complete(&*architecture, loss)?;
    let (x, logits) = (file.get("x")?, file.get("logits")?);
    let Target { loss, words, targets, classes_first } = file.target(loss)?;
    let logits = &if classes_first { logits.permute(classes_last(logits.rank()))? } else { logits.clone() };
    let network = file.network(architecture, logits.dims(), classes_first)?;
    let network = if mode == Mode::Train { file.in_training_mode(&network)? } else { network };
    let point = Point {
        backend,
        parameters: file.all("", network.parameters())?,
        buffers: file.all("", network.buffers())?,
        inputs: x.clone(),
        targets,
        masks: Vec::new(),
    };
    let point = point.to_dtype(dtype)?;
    let theirs = |prefix: &str| file.all(prefix, network.parameters());
    let v = theirs("v.")?.iter().map(|v| v.to_dtype(dtype)).collect::<candle_core::Result<Vec<_>>>()?;
    let (all, v) = ((0..v.len()).collect::<Vec<usize>>(), row(&v)?);
    let mean = MeanLoss::new(&network, &loss, point, memory::default())?;
    // One at a time: each holds its residuals for one statement only.
    let ours = mean.gradient(&all).map_err(|error| file.evaluation(error))?;
    let hv = mean.hessian(&all)?.apply_rows(&v)?;
    let ggnv = mean.gauss_newton(&all)?.apply_rows(&v)?;
    let errors = Errors {
        loss: relative(&[ours.loss], std::slice::from_ref(file.get("loss")?))?,
        logits: relative(&[ours.outputs], std::slice::from_ref(logits))?,
        grad: relative(&ours.gradient, &theirs("grad.")?)?,
        hv: relative(&[hv], &[row(&theirs("hv.")?)?])?,
        ggnv: relative(&[ggnv], &[row(&theirs("ggnv.")?)?])?,
    };
    Ok(Verified { loss: words, errors })
}

/// The tensors of the file, with its name for messages.
struct File {
    name: String,
    path: PathBuf,
    names: Selection,
    tensors: HashMap<String, Result<Tensor, Refusal>>,
    /// Whether no loss is named, and there are no targets: the output is the loss.
    own_loss: bool,
}

impl File {
    fn read(path: &Path, names: &Selection) -> Result<Self> {
        let name = path.display().to_string();
        let contents = regular_file::read(path)?;
        let tensors = checkpoint::with_state_dict(&contents, &selection(path), |subject, state, _| {
            tensors(state, names, subject)
        })?;
        Ok(Self { name, path: path.to_owned(), names: names.clone(), tensors, own_loss: false })
    }

    fn refuse(&self, problem: impl Into<String>, remedy: &str) -> Error {
        Error::input(&self.name, problem, remedy)
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        match self.tensors.get(name) {
            Some(Ok(tensor)) => Ok(tensor),
            Some(Err(refusal)) => Err(refusal.clone().about(&self.name).into()),
            None => Err(self.refuse(format!("has no tensor `{name}`"), EVERYTHING)),
        }
    }

    /// Builds the network for inputs `x` and outputs `logits`, with classes along the outputs' last
    /// axis, and checks that the file has its weights.
    fn network(
        &self,
        architecture: Arc<dyn Architecture>,
        logits: &[usize],
        classes_first: bool,
    ) -> Result<Network> {
        let x = self.get("x")?.dims();
        let (Some(&samples), Some(&outputs)) = (logits.first(), logits.last()) else {
            return Err(self.refuse(format!("`logits` has shape {logits:?}, not [N, ..., C]"), EVERYTHING));
        };
        if x.first() != Some(&samples) || samples == 0 {
            let problem =
                format!("`x` is {x:?} and `logits` {logits:?}: not the same number of samples, or none");
            return Err(self.refuse(problem, "write x, y and logits of one batch that is not empty"));
        }
        if self.get("loss")?.elem_count() != 1 {
            return Err(self.refuse("`loss` is not one number", "write the mean loss over the batch"));
        }
        let network = objective::build(architecture, &x[1..], outputs, classes_first);
        let network = network.map_err(|error| {
            let problem = format!("the model cannot be built for `x` {x:?}: {error}");
            self.refuse(
                problem,
                "name the model that wrote the file (--model), and write x as that model takes it",
            )
        })?;
        if network.output_shape() == &logits[1..] {
            return self.check_names(&network).map(|()| network);
        }
        let (ours, theirs) = (network.output_shape(), &logits[1..]);
        let problem = format!("`logits` is {theirs:?} for a sample, and the model's outputs are {ours:?}");
        Err(self.refuse(problem, ANOTHER_MODEL))
    }

    /// The network with BatchNorm in training mode.
    fn in_training_mode(&self, network: &Network) -> Result<Network> {
        let network = network.in_mode(Mode::Train).map_err(Error::from)?;
        if network.masks().is_empty() {
            return Ok(network);
        }
        let problem = "was made with dropout, whose random numbers are PyTorch's own";
        Err(self.refuse(problem, "set the dropout to 0, or batch_norm = \"eval\", and write the file again"))
    }

    /// Refuses a file that lacks weights of the network, with a proposal from its names and shapes.
    fn check_names(&self, network: &Network) -> Result<()> {
        let mut declared = network.parameters().iter().chain(network.buffers());
        let Some(missing) = declared.find(|declared| !self.tensors.contains_key(&declared.name)) else {
            return Ok(());
        };
        let has = |name: &str| self.tensors.contains_key(name);
        let is_weight = |name: &str| !OTHERS.contains(&name) && !prefixed(name).any(|(_, own)| has(own));
        let contents = regular_file::read(&self.path)?;
        checkpoint::with_state_dict(&contents, &selection(&self.path), |subject, state, _| {
            let misfit = checkpoint::misfit(state, &self.names, network, is_weight);
            let (problem, remedy) = match misfit.map_err(|refusal| refusal.about(subject))? {
                Some(misfit) => (misfit.problem, misfit.remedy),
                None => (String::new(), EVERYTHING.to_owned()),
            };
            let lacks = format!("has no tensor `{}`", missing.name);
            let problem = if problem.is_empty() { lacks } else { format!("{lacks}: it {problem}") };
            Err(Error::input(subject, problem, remedy))
        })
    }

    /// The error of a failed evaluation. If `x` has integers, it proposes floating-point numbers.
    fn evaluation(&self, error: eigenscape_runtime::Error) -> Error {
        match self.get("x").map(Tensor::dtype) {
            Ok(dtype) if !dtype.is_float() => self.refuse(
                format!("the model cannot be evaluated on `x`, which is of type {dtype:?}: {error}"),
                "write x as floating-point numbers, as in x.float(), unless the model takes tokens",
            ),
            _ => error.into(),
        }
    }

    /// The tensors `prefix`NAME for all declared tensors.
    fn all(&self, prefix: &str, declared: &[Parameter]) -> Result<Vec<Tensor>> {
        let one = |declared: &Parameter| {
            let name = format!("{prefix}{}", declared.name);
            let tensor = self.get(&name)?;
            if tensor.dims() != declared.shape {
                let (found, expected) = (tensor.dims(), &declared.shape);
                let problem = format!("`{name}` has shape {found:?}, and the model's is {expected:?}");
                return Err(self.refuse(problem, ANOTHER_MODEL));
            }
            if !tensor.dtype().is_float() {
                let problem =
                    format!("`{name}` is of type {:?}, and not of floating-point numbers", tensor.dtype());
                return Err(self.refuse(problem, "save it as float32, as in tensor.float()"));
            }
            Ok(tensor.clone())
        };
        declared.iter().map(one).collect()
    }
}

/// The selection of a whole file.
fn selection(path: &Path) -> Selection {
    Selection { path: path.to_owned(), ..Selection::default() }
}

/// The prefixes that the name begins with, each with the rest of the name.
fn prefixed(name: &str) -> impl Iterator<Item = (&'static str, &str)> {
    PREFIXES.into_iter().filter_map(move |prefix| Some((prefix, name.strip_prefix(prefix)?)))
}

/// The file's tensors by its names, and by the names that `names` maps these to. A tensor that
/// cannot be read is an error only when it is used.
fn tensors(
    state: &StateDict,
    names: &Selection,
    subject: &str,
) -> Result<HashMap<String, Result<Tensor, Refusal>>> {
    let read = |name: &str, item: Item| -> Result<Result<Tensor, Refusal>> {
        Ok(match item.tensor(name) {
            Ok(tensor) => Ok(tensor?),
            Err(refusal) => Err(refusal),
        })
    };
    let mut tensors = HashMap::new();
    for (name, item) in state.iter() {
        tensors.insert(name.to_owned(), read(name, item)?);
    }
    let is_named = |(name, _): &(&str, Item)| !OTHERS.contains(name);
    for (name, item) in state.iter().filter(is_named) {
        // A weight's own name may begin like a prefix.
        for (prefix, own) in prefixed(name).chain([("", name)]) {
            let (renamed, turned) =
                checkpoint::lenient(names, own).map_err(|refusal| refusal.about(subject))?;
            let renamed = format!("{prefix}{renamed}");
            if renamed != name && tensors.contains_key(&renamed) || renamed == name && !turned {
                continue;
            }
            let tensor = match read(name, item)? {
                Ok(tensor) if turned && tensor.rank() == 2 => Ok(tensor.t()?.contiguous()?),
                other => other,
            };
            tensors.insert(renamed, tensor);
        }
    }
    Ok(tensors)
}

/// All elements concatenated, \[1, P\].
fn row(tensors: &[Tensor]) -> Result<Tensor> {
    let flat: Vec<Tensor> = tensors.iter().map(Tensor::flatten_all).collect::<candle_core::Result<_>>()?;
    Ok(Tensor::cat(&flat, 0)?.unsqueeze(0)?)
}

/// ‖ours − theirs‖ / ‖theirs‖ over all tensors together, accumulated in f64; NaN if the numbers of
/// elements differ.
fn relative(ours: &[Tensor], theirs: &[Tensor]) -> Result<f64> {
    let count = |tensors: &[Tensor]| tensors.iter().map(Tensor::elem_count).sum::<usize>();
    if count(ours) != count(theirs) {
        return Ok(f64::NAN);
    }
    let (mut difference, mut norm) = (0.0, 0.0);
    for (ours, theirs) in ours.iter().zip(theirs) {
        let numbers = |t: &Tensor| t.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
        for (a, b) in numbers(ours)?.iter().zip(numbers(theirs)?) {
            difference += (a - b) * (a - b);
            norm += b * b;
        }
    }
    // 0/0 counts as no difference.
    Ok(if difference == 0.0 { 0.0 } else { (difference / norm).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::Errors;

    #[test]
    fn no_number_hides_a_nan() {
        let fine = Errors { loss: 0.1, logits: 0.3, grad: 0.2, hv: 0.0, ggnv: 0.0 };
        assert_eq!(fine.worst(), 0.3);
        assert!(Errors { loss: f64::NAN, ..fine }.worst().is_nan());
        assert!(Errors { ggnv: f64::NAN, ..fine }.worst().is_nan());
    }
}
