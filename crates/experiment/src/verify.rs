//! Another program's derivatives compared with ours: can a user coming from PyTorch trust the numbers for their network?

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Loss, MeanLoss, Network, Objective, Parameter, Point, class_targets};
use eigenscape_core::{Architecture, Error, Result};
use serde::Serialize;

use crate::{
    checkpoint::{self, Selection},
    labels::IGNORE_INDEX,
    memory,
};

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
        // `max` would prefer any number to NaN.
        let larger = |worst: f64, (_, error): (_, f64)| {
            if worst.is_nan() || error.is_nan() { f64::NAN } else { worst.max(error) }
        };
        self.named().into_iter().fold(0.0, larger)
    }
}

/// Computes, from a file (safetensors, or a dictionary given to `torch.save`) with the tensors `x`, `y`, the weights by
/// PyTorch's names and a direction `v.NAME`, what the file holds as `loss`, `logits`, `grad.NAME`, `hv.NAME` and `ggnv.NAME`,
/// and compares. Integer targets, one for each row of `logits` \[N, ..., C\], mean cross-entropy (-100 is ignored), real ones
/// mean squared error.
///
/// # Errors
/// When the file cannot be read, a tensor is missing or has another shape than the network's.
pub fn verify(path: &Path, architecture: Arc<dyn Architecture>, dtype: DType) -> Result<Errors> {
    let file = File::read(path)?;
    let (x, logits) = (file.get("x")?, file.get("logits")?);
    let &[samples, .., outputs] = logits.dims() else {
        return Err(file.error(format!("`logits` has shape {:?}, not [N, ..., C]", logits.dims())));
    };
    let network = Network::new(x.dims().get(1..).unwrap_or_default(), move |scope, x| {
        architecture.build(scope, x, outputs)
    })?;
    if network.output_shape() != &logits.dims()[1..] {
        let (ours, theirs) = (network.output_shape(), &logits.dims()[1..]);
        return Err(file.error(format!(
            "`logits` is {theirs:?} for an example, and the network's outputs are {ours:?}"
        )));
    }
    let (loss, targets) = file.targets(logits.dims())?;
    let point = Point {
        parameters: file.all("", network.parameters())?,
        buffers: file.all("", network.buffers())?,
        inputs: x.clone(),
        targets,
        masks: Vec::new(),
    };
    let point = point.to_dtype(dtype)?;
    let v = file.all("v.", network.parameters())?;
    let v = v.iter().map(|v| v.to_dtype(dtype)).collect::<candle_core::Result<Vec<_>>>()?;
    let objective = Objective::new(&network, loss, samples)?;
    let all: Vec<usize> = (0..v.len()).collect();
    let values = objective.gradient(&all)?.at(&point, &[])?;
    let v = row(&v)?;
    let mean = MeanLoss::new(&network, loss, point, memory::default())?;
    // One after the other: each holds its residuals for one statement alone.
    let hv = mean.hessian(&all)?.apply_rows(&v)?;
    let ggnv = mean.gauss_newton(&all)?.apply_rows(&v)?;
    let theirs = |prefix: &str| file.all(prefix, network.parameters());
    Ok(Errors {
        loss: relative(&values[..1], std::slice::from_ref(file.get("loss")?))?,
        logits: relative(&values[1..2], std::slice::from_ref(logits))?,
        grad: relative(&values[2..], &theirs("grad.")?)?,
        hv: relative(&[hv], &[row(&theirs("hv.")?)?])?,
        ggnv: relative(&[ggnv], &[row(&theirs("ggnv.")?)?])?,
    })
}

/// The tensors of the file, with its name for messages.
struct File {
    name: String,
    tensors: HashMap<String, Tensor>,
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        if path.exists() && !path.is_file() {
            return Err(Error::input(name, "is not a file", "name the file that PyTorch wrote"));
        }
        let contents = fs::read(path).map_err(|error| Error::io(path, error))?;
        let selection = Selection { path: path.to_owned(), ..Selection::default() };
        let tensors = checkpoint::with_state_dict(&contents, &selection, |_, state, _| {
            let tensors = state.iter().filter_map(|(name, item)| Some((name, item.tensor()?)));
            tensors.map(|(name, tensor)| Ok((name.to_owned(), tensor?))).collect()
        })?;
        Ok(Self { name, tensors })
    }

    fn error(&self, problem: String) -> Error {
        let remedy = "write x, y, the weights, v.NAME, loss, logits, grad.NAME, hv.NAME and ggnv.NAME from the same network";
        Error::input(&self.name, problem, remedy)
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| self.error(format!("has no tensor `{name}`")))
    }

    /// `prefix`NAME for each declared tensor.
    fn all(&self, prefix: &str, declared: &[Parameter]) -> Result<Vec<Tensor>> {
        let one = |declared: &Parameter| {
            let name = format!("{prefix}{}", declared.name);
            let tensor = self.get(&name)?;
            if tensor.dims() == declared.shape {
                Ok(tensor.clone())
            } else {
                let (found, expected) = (tensor.dims(), &declared.shape);
                Err(self.error(format!("`{name}` has shape {found:?}, and the network's is {expected:?}")))
            }
        };
        declared.iter().map(one).collect()
    }

    /// The targets of outputs \[N, ..., C\].
    fn targets(&self, outputs: &[usize]) -> Result<(Loss, Tensor)> {
        let y = self.get("y")?;
        if y.dtype().is_float() {
            let fits = y.elem_count() == outputs.iter().product::<usize>();
            let problem = || self.error(format!("`y` is {:?}, and `logits` is {outputs:?}", y.dims()));
            return if fits { Ok((Loss::MeanSquaredError, y.reshape(outputs)?)) } else { Err(problem()) };
        }
        let (classes, rows) = outputs.split_last().unwrap_or((&0, &[]));
        let wrong = |why: String| self.error(format!("`y` is not {rows:?} classes: {why}"));
        let labels = y.reshape(rows).map_err(|error| wrong(error.to_string()))?;
        let targets = class_targets(&labels, *classes, 0.0, Some(IGNORE_INDEX));
        Ok((Loss::CrossEntropy, targets.map_err(|error| wrong(error.to_string()))?))
    }
}

/// ‖ours − theirs‖ / ‖theirs‖ over all tensors together, accumulated in f64; NaN where there are not as many numbers.
/// All numbers end to end, \[1, P\].
fn row(tensors: &[Tensor]) -> Result<Tensor> {
    let flat: Vec<Tensor> = tensors.iter().map(Tensor::flatten_all).collect::<candle_core::Result<_>>()?;
    Ok(Tensor::cat(&flat, 0)?.unsqueeze(0)?)
}

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
    Ok((difference / norm).sqrt())
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
