//! A network's own tensors: parameters, buffers and constants.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::{DType, Device, Tensor as CandleTensor};
use eigenscape_core::{Error, Result};
use eigenscape_formats::pt2::{Argument, Graph, InputSpec, Package, Storage, Tensor as Stored};

use super::{array::Array, name::operation, tensor::Tensor};

/// The role of one of the network's own tensors.
#[derive(Debug)]
pub(super) enum Held {
    /// A parameter.
    Parameter {
        name: String,
        shape: Vec<usize>,
        /// Whether PyTorch's `requires_grad` is false.
        frozen: bool,
    },
    /// Another name of a parameter (tied weights).
    Alias {
        name: String,
        /// The parameter's name in the graph.
        of: String,
    },
    /// Running statistics of a normalisation layer.
    Running { name: String, shape: Vec<usize> },
    /// A constant. A buffer has a name, under which a checkpoint may contain it.
    Constant { name: Option<String>, tensor: Tensor },
}

/// All of a network's own tensors, in the order of the graph's signature, with their initial
/// values.
#[derive(Debug)]
pub(super) struct AllHeld {
    /// Each tensor's name in the graph, with its role.
    pub held: Vec<(String, Held)>,
    /// The values of parameters and running statistics, by their names in the network.
    pub weights: BTreeMap<String, CandleTensor>,
}

impl AllHeld {
    /// The tensors of a package; `file` is the file's name for errors.
    pub fn of(file: &str, package: &Package) -> Result<Self> {
        let missing = |name: &str| {
            Error::input(file, format!("has no tensor {name}, which its graph needs"), "export it again")
        };
        let running = running_statistics(&package.graph);
        let (mut held, mut weights) = (Vec::new(), BTreeMap::new());
        let mut seen: HashMap<(&Storage, &[usize]), &str> = HashMap::new();
        let tensor = |name: &str| package.weights.get(name).or_else(|| package.constants.get(name));
        for spec in &package.signature.input_specs {
            let (arg, entry) = match spec {
                InputSpec::Parameter { arg, name } => {
                    let name = own_name(package, arg, name);
                    let stored = tensor(name).ok_or_else(|| missing(name))?;
                    let entry = match seen.get(&(&stored.storage, stored.shape.as_slice())) {
                        Some(of) => Held::Alias { name: name.to_owned(), of: (*of).to_owned() },
                        None => {
                            seen.insert((&stored.storage, &stored.shape), arg);
                            weights.insert(name.to_owned(), numbers(file, name, stored)?);
                            let meta = package.graph.tensor_values.get(arg);
                            let frozen = meta.is_some_and(|meta| !meta.requires_grad);
                            Held::Parameter { name: name.to_owned(), shape: stored.shape.clone(), frozen }
                        }
                    };
                    (arg, entry)
                }
                InputSpec::Buffer { arg, name } if running.contains(arg.as_str()) => {
                    let stored = tensor(name).ok_or_else(|| missing(name))?;
                    weights.insert(name.clone(), numbers(file, name, stored)?);
                    (arg, Held::Running { name: name.clone(), shape: stored.shape.clone() })
                }
                InputSpec::Buffer { arg, name } => {
                    let tensor = folded(file, name, tensor(name).ok_or_else(|| missing(name))?)?;
                    (arg, Held::Constant { name: Some(name.clone()), tensor })
                }
                InputSpec::Constant { arg, name } => {
                    let tensor = folded(file, name, tensor(name).ok_or_else(|| missing(name))?)?;
                    (arg, Held::Constant { name: None, tensor })
                }
                InputSpec::User(_) | InputSpec::Other(_) => continue,
            };
            held.push((arg.clone(), entry));
        }
        let double = weights.values().all(|tensor| tensor.dtype() == DType::F64);
        let dtype = if double { DType::F64 } else { DType::F32 };
        for tensor in weights.values_mut() {
            *tensor = tensor.to_dtype(dtype)?;
        }
        Ok(Self { held, weights })
    }
}

/// The name of the parameter that is the input `arg` of the graph; `name` is the one in the
/// signature.
///
/// Up to PyTorch 2.7 the signature has one name for all inputs that are one shared tensor. Inputs
/// are named after their own parameters.
fn own_name<'p>(package: &'p Package, arg: &str, name: &'p str) -> &'p str {
    let is_own = |name: &str| arg.strip_prefix("p_").is_some_and(|own| own == input_name(name));
    let Some(shared) = package.weights.get(name).filter(|_| !is_own(name)) else { return name };
    let mut others = package
        .weights
        .iter()
        .filter(|(_, other)| other.storage == shared.storage && other.shape == shared.shape);
    others.find(|(other, _)| is_own(other)).map_or(name, |(other, _)| other)
}

/// A parameter's name as PyTorch writes it in the name of an input.
fn input_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(letter).collect()
}

/// The names in the graph of the running statistics of normalisation layers. They are the only
/// buffers that become buffers of the program, which training updates; all other buffers are
/// constants.
fn running_statistics(graph: &Graph) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for node in graph.nodes.iter().filter(|node| operation(&node.target).contains("_norm")) {
        for input in &node.inputs {
            if let (true, Argument::Tensor(name)) = (input.name.starts_with("running_"), &input.arg) {
                names.insert(name.as_str());
            }
        }
    }
    names
}

/// Converts a tensor of the file to Candle's type.
fn candle(file: &str, name: &str, stored: &Stored) -> Result<CandleTensor> {
    use safetensors::Dtype;
    let dtype = match stored.dtype.stored() {
        Some(Dtype::F64) => DType::F64,
        Some(Dtype::F32) => DType::F32,
        Some(Dtype::F16) => DType::F16,
        Some(Dtype::BF16) => DType::BF16,
        Some(Dtype::U8 | Dtype::BOOL) => DType::U8,
        Some(Dtype::I16) => DType::I16,
        Some(Dtype::I32) => DType::I32,
        Some(Dtype::I64) => DType::I64,
        _ => {
            let problem = format!("the tensor {name} is of the type {:?}, which is not read", stored.dtype);
            return Err(Error::input(file, problem, "export the network with weights in float32"));
        }
    };
    Ok(CandleTensor::from_raw_buffer(&stored.elements, dtype, &stored.shape, &Device::Cpu)?)
}

/// The values of a parameter or of running statistics, which must be finite floating-point numbers.
fn numbers(file: &str, name: &str, stored: &Stored) -> Result<CandleTensor> {
    let tensor = candle(file, name, stored)?;
    if !tensor.dtype().is_float() {
        let problem =
            format!("the tensor {name} is of the type {:?}, not of floating-point numbers", stored.dtype);
        return Err(Error::input(file, problem, "export the network with weights in float32"));
    }
    let tensor = if tensor.dtype() == DType::F64 { tensor } else { tensor.to_dtype(DType::F32)? };
    let values = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(tensor),
        Some(index) => {
            let problem = format!("the tensor {name} holds {} (element {index})", values[index]);
            Err(Error::input(file, problem, "export the network from before its training diverged"))
        }
    }
}

/// Converts a tensor of the file to a constant of the graph.
fn folded(file: &str, name: &str, stored: &Stored) -> Result<Tensor> {
    let values = candle(file, name, stored)?.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    Ok(Tensor::folded(stored.dtype, Array::new(&stored.shape, values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_named_after_their_parameters() {
        assert_eq!(input_name("net.Body.0.weight"), "net_body_0_weight");
    }
}
