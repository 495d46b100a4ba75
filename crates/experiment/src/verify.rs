//! Another program's derivatives compared with ours: can a user coming from PyTorch trust the numbers for their network?

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use candle_core::{DType, Device, Tensor};
use eigenscape_autodiff::{Loss, Network, Objective, Parameter, Point, class_targets};
use eigenscape_core::{Architecture, Error, Result};
use serde::Serialize;

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
        let larger = |worst: f64, (_, error): (_, f64)| if error.is_nan() { error } else { worst.max(error) };
        self.named().into_iter().fold(0.0, larger)
    }
}

/// Computes, from a safetensors file with the tensors `x`, `y`, the weights by PyTorch's names and a direction `v.NAME`, what
/// the file holds as `loss`, `logits`, `grad.NAME`, `hv.NAME` and `ggnv.NAME`, and compares. Integer targets mean
/// cross-entropy, real ones mean squared error.
///
/// # Errors
/// When the file cannot be read, a tensor is missing or has another shape than the network's.
pub fn verify(path: &Path, architecture: Arc<dyn Architecture>, dtype: DType) -> Result<Errors> {
    let file = File::read(path)?;
    let (x, logits) = (file.get("x")?, file.get("logits")?);
    let &[samples, outputs] = logits.dims() else {
        return Err(file.error(format!("`logits` has shape {:?}, not [N, C]", logits.dims())));
    };
    let network = Network::new(x.dims().get(1..).unwrap_or_default(), move |scope, x| {
        architecture.build(scope, x, outputs)
    })?;
    let (loss, targets) = file.targets(samples, outputs)?;
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
    let theirs = |prefix: &str| file.all(prefix, network.parameters());
    Ok(Errors {
        loss: relative(&values[..1], std::slice::from_ref(file.get("loss")?))?,
        logits: relative(&values[1..2], std::slice::from_ref(logits))?,
        grad: relative(&values[2..], &theirs("grad.")?)?,
        hv: relative(&objective.hessian(&point, &all)?.apply(&v)?, &theirs("hv.")?)?,
        ggnv: relative(&objective.gauss_newton(&point, &all)?.apply(&v)?, &theirs("ggnv.")?)?,
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
        let contents = fs::read(path).map_err(|error| Error::io(path, error))?;
        let tensors = candle_core::safetensors::load_buffer(&contents, &Device::Cpu).map_err(|error| {
            Error::input(
                &name,
                format!("is not a complete safetensors file: {error}"),
                "write the file again",
            )
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

    fn targets(&self, samples: usize, outputs: usize) -> Result<(Loss, Tensor)> {
        let y = self.get("y")?;
        if y.dtype().is_float() {
            return Ok((Loss::MeanSquaredError, y.clone()));
        }
        let problem = |_| self.error(format!("`y` is not {samples} classes from 0 to {}", outputs - 1));
        let labels = y.reshape(samples).map_err(Error::from).map_err(problem)?;
        let targets = class_targets(&labels, outputs, 0.0, None).map_err(Error::from).map_err(problem)?;
        Ok((Loss::CrossEntropy, targets))
    }
}

/// ‖ours − theirs‖ / ‖theirs‖ over all tensors together, accumulated in f64.
fn relative(ours: &[Tensor], theirs: &[Tensor]) -> Result<f64> {
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
