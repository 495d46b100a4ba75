//! A network's own tensors: parameters, buffers and constants.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::{DType, Tensor as CandleTensor};
use eigenscape_core::{Error, Result};
use eigenscape_formats::pt2::{Argument, Graph, InputSpec, Package, ScalarType, Storage, Tensor as Stored};

use super::{array::Array, name::operation, numbers, tensor::Tensor};

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
    Constant { name: Option<String>, constant: Constant },
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
        let dtype = weight_type(package, &running);
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
                            weights.insert(name.to_owned(), numbers::weight(file, name, stored, dtype)?);
                            let meta = package.graph.tensor_values.get(arg);
                            let frozen = meta.is_some_and(|meta| !meta.requires_grad);
                            Held::Parameter { name: name.to_owned(), shape: stored.shape.clone(), frozen }
                        }
                    };
                    (arg, entry)
                }
                InputSpec::Buffer { arg, name } if running.contains(arg.as_str()) => {
                    let stored = tensor(name).ok_or_else(|| missing(name))?;
                    weights.insert(name.clone(), numbers::weight(file, name, stored, dtype)?);
                    (arg, Held::Running { name: name.clone(), shape: stored.shape.clone() })
                }
                InputSpec::Buffer { arg, name } => {
                    let constant = Constant::of(file, name, tensor(name).ok_or_else(|| missing(name))?)?;
                    (arg, Held::Constant { name: Some(name.clone()), constant })
                }
                InputSpec::Constant { arg, name } => {
                    let constant = Constant::of(file, name, tensor(name).ok_or_else(|| missing(name))?)?;
                    (arg, Held::Constant { name: None, constant })
                }
                InputSpec::User(_) | InputSpec::Other(_) => continue,
            };
            held.push((arg.clone(), entry));
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

/// The type of the network's weights: f64 if all of them are stored in it.
fn weight_type(package: &Package, running: &BTreeSet<&str>) -> DType {
    let is_double = |spec: &InputSpec| {
        let name = match spec {
            InputSpec::Parameter { name, .. } => name,
            InputSpec::Buffer { arg, name } if running.contains(arg.as_str()) => name,
            _ => return true,
        };
        let stored = package.weights.get(name).or_else(|| package.constants.get(name));
        stored.is_none_or(|stored| stored.dtype == ScalarType::Double)
    };
    if package.signature.input_specs.iter().all(is_double) { DType::F64 } else { DType::F32 }
}

/// A constant as it is stored. Its numbers take up to eight times as much, and are made when the
/// network is built.
#[derive(Debug)]
pub(super) struct Constant {
    dtype: ScalarType,
    shape: Vec<usize>,
    elements: Vec<u8>,
}

impl Constant {
    fn of(file: &str, name: &str, tensor: &Stored) -> Result<Self> {
        let stored = tensor.stored().filter(|stored| numbers::are_read(stored.dtype()));
        let stored = stored.ok_or_else(|| numbers::unread(file, name, tensor))?;
        let elements = stored.elements().into_owned();
        Ok(Self { dtype: tensor.dtype, shape: tensor.shape.clone(), elements })
    }

    /// The constant as a tensor of the graph, with a limit for what is computed from it.
    pub fn tensor(&self, limit: usize) -> Tensor {
        let stored = self.dtype.stored();
        let numbers = stored.map(|dtype| numbers::all(dtype, &self.elements)).unwrap_or_default();
        Tensor::folded(self.dtype, Array::new(&self.shape, numbers).within(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_named_after_their_parameters() {
        assert_eq!(input_name("net.Body.0.weight"), "net_body_0_weight");
    }
}
