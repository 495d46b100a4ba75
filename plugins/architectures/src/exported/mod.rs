//! Networks written by `torch.export.save`, from any PyTorch module.
//!
//! The graph in the file is translated while the network is built, for a concrete number of
//! samples. An interpreter (`interpreter.rs`) executes the graph's operations. Each operation is
//! emitted into the program as basic operations (`emitter.rs`) and layers of `program::nn`. Values
//! that depend on no parameter and no input (masks, positions, rotary tables) are computed
//! immediately (`array.rs`).

mod arguments;
mod array;
mod aten;
mod emitter;
mod held;
mod inputs;
mod interpreter;
mod mutation;
mod name;
mod numbers;
mod outputs;
mod sizes;
mod tensor;
mod unknown;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use candle_core::Tensor as CandleTensor;
use eigenscape_core::{Architecture, ModelInput, Result, registry::Environment};
use eigenscape_formats::{
    pt2::{Graph, Package},
    regular_file,
};
use eigenscape_program::{Init, Scope, Value};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::outputs::Output;
use self::{
    array::USUAL,
    held::{AllHeld, Held},
    inputs::Inputs,
    interpreter::{Interpreter, Samples},
    tensor::{Data, Item, Tensor},
};

/// The settings of `exported`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The file written by `torch.export.save`. A relative path is first searched for next to the
    /// experiment's file.
    pub path: PathBuf,
    /// The output to use: its name, or its number, counted from 0. By default the first output.
    pub output: Option<Output>,
}

/// The most elements that constants may have for pairs of positions.
const MOST_OF_PAIRS: usize = 1 << 25;

/// A network written by `torch.export.save`.
#[derive(Debug)]
pub struct Exported {
    file: String,
    graph: Graph,
    torch_version: String,
    /// The CRC-32 of the file's contents.
    checksum: u32,
    /// The number of bytes of the file.
    size: usize,
    inputs: Inputs,
    /// The selected output's name in the graph.
    output: String,
    held: Vec<(String, Held)>,
    weights: BTreeMap<String, CandleTensor>,
}

impl Exported {
    /// Loads the network in a file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, was not written by `torch.export.save`, contains
    /// unknown operations, or lacks the selected output.
    pub fn load(parameters: &Parameters, environment: &Environment) -> Result<Self> {
        let path = environment.resolve(&parameters.path);
        let file = regular_file::read(&path)?;
        Self::parse(&path, &file, parameters.output.as_ref())
    }

    /// Parses the network in a file's contents.
    ///
    /// # Errors
    /// As [`Exported::load`].
    pub fn parse(path: &Path, contents: &[u8], output: Option<&Output>) -> Result<Self> {
        let file = path.display().to_string();
        let package = Package::parse(contents).map_err(|refusal| refusal.about(&file))?;
        unknown::check(&file, &package.graph)?;
        let inputs = Inputs::of(&file, &package)?;
        let output = outputs::chosen(&file, &package, output)?;
        let AllHeld { held, weights } = AllHeld::of(&file, &package)?;
        let Package { graph, torch_version, .. } = package;
        let checksum = crc32fast::hash(contents);
        Ok(Self { file, graph, torch_version, checksum, size: contents.len(), inputs, output, held, weights })
    }

    /// Declares the network's own tensors in `scope`. Returns them by their names in the graph.
    fn declare<'n>(
        &'n self,
        scope: &mut Scope,
        limit: usize,
    ) -> eigenscape_program::Result<HashMap<&'n str, Item>> {
        let mut values: HashMap<&str, Item> = HashMap::new();
        let type_of = |arg: &str| {
            let meta = self.graph.tensor_values.get(arg);
            meta.map_or(eigenscape_formats::pt2::ScalarType::Float, |meta| meta.dtype)
        };
        for (arg, held) in &self.held {
            let tensor = match held {
                Held::Parameter { name, shape, frozen } => {
                    let value = scope.parameter(name, shape, Init::Zeros)?;
                    if *frozen {
                        scope.freeze(value);
                    }
                    Tensor::emitted(type_of(arg), value, shape)
                }
                Held::Alias { name, of } => {
                    let Some(Item::Tensor(tensor)) = values.get(of.as_str()).cloned() else { continue };
                    if let Data::Emitted(value, _) = tensor.data {
                        scope.alias(name, value)?;
                    }
                    tensor
                }
                Held::Running { name, shape } => {
                    Tensor::emitted(type_of(arg), scope.buffer(name, shape, Init::Zeros)?, shape)
                }
                Held::Constant { name, constant } => {
                    if let Some(name) = name {
                        scope.unused(name);
                    }
                    constant.tensor(limit)
                }
            };
            values.insert(arg, Item::Tensor(tensor));
        }
        Ok(values)
    }

    /// The number of elements that constants may have in memory, for inputs x of this shape: a few
    /// for each byte of the file and each number of x, and for each pair of positions along an axis
    /// of an example (attention has masks of pairs).
    fn limit(&self, x: &[usize]) -> usize {
        let numbers = x.iter().fold(1_usize, |count, size| count.saturating_mul(*size));
        let longest =
            self.inputs.sides().chain(x.iter().skip(1).copied().filter(|_| self.inputs.is_single()));
        let longest = longest.max().unwrap_or(1);
        let pairs = longest.saturating_mul(longest);
        let pairs = pairs.saturating_mul(4).min(MOST_OF_PAIRS);
        let terms = [self.size.saturating_mul(2), numbers.saturating_mul(16), pairs];
        terms.into_iter().fold(USUAL, usize::saturating_add)
    }

    /// Adds a remedy to an error, if the number of samples is fixed in the graph: how to export the
    /// network for any number.
    fn with_open_batch(&self, error: &eigenscape_program::Error) -> eigenscape_program::Error {
        let Some(exported) = self.inputs.exported() else {
            return eigenscape_program::Error::Unsupported(error.to_string());
        };
        eigenscape_program::Error::Unsupported(format!(
            "{error}; the network was exported for {exported} samples alone: export it for any number, \
             torch.export.export(module, (x,), dynamic_shapes={})",
            self.inputs.dynamic_shapes()
        ))
    }
}

impl Architecture for Exported {
    fn build(&self, scope: &mut Scope, x: Value, _: usize) -> eigenscape_program::Result<Value> {
        // Operations along the samples' axis are not recognised.
        scope.may_mix_samples();
        let count = scope.shape(x).first().copied().unwrap_or(1);
        let limit = self.limit(&scope.shape(x));
        let mut values = self.declare(scope, limit)?;
        self.inputs.bind(scope, x, &mut values)?;
        let samples = Samples { count, exported: self.inputs.exported() };
        let mut interpreter = Interpreter::new(samples, values, limit);
        interpreter.run(&self.graph, scope).map_err(|error| self.with_open_batch(&error))?;
        match interpreter.values.remove(self.output.as_str()) {
            Some(Item::Tensor(Tensor { data: Data::Emitted(value, _), .. })) => Ok(value),
            _ => {
                let problem = format!("its output {} depends on no parameter and no input", self.output);
                Err(eigenscape_program::Error::Unsupported(problem))
            }
        }
    }

    fn description(&self) -> String {
        let Self { file, torch_version, checksum, output, .. } = self;
        format!("{file} ({checksum:08x}), exported by PyTorch {torch_version}, its output {output}")
    }

    fn weights(&self) -> Option<&BTreeMap<String, CandleTensor>> {
        Some(&self.weights)
    }

    fn inputs(&self) -> &[ModelInput] {
        self.inputs.named()
    }
}

impl From<&str> for Output {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}
