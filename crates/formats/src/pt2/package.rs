//! The complete content of a file written by `torch.export.save`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    argument::Argument,
    graph::Graph,
    layout::{self, Parts},
    signature::{InputSpec, Signature},
    tensors::Tensor,
};
use crate::error::{Refusal, Result};

/// The supported major version of the schema. In other versions the same keys may have other
/// meanings.
const MAJOR: i64 = 8;

/// A network: its graph, the roles of the graph's inputs and outputs, and its tensors.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    /// The operations.
    pub graph: Graph,
    /// The roles of the graph's inputs and outputs.
    pub signature: Signature,
    /// The names of `forward`'s arguments; empty if the file does not contain them.
    pub arguments: Vec<String>,
    /// The keys of the dictionary that `forward` returns; empty for any other result.
    pub results: Vec<String>,
    /// The version of PyTorch that wrote the file.
    pub torch_version: String,
    /// The range of each symbol that sizes depend on.
    pub ranges: BTreeMap<String, Range>,
    /// Parameters and buffers by name.
    pub weights: BTreeMap<String, Tensor<'a>>,
    /// Constant tensors of the network's code by name, including non-persistent buffers.
    pub constants: BTreeMap<String, Tensor<'a>>,
}

/// The range of a symbol; either end may be open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Range {
    /// The smallest value.
    #[serde(default)]
    pub min_val: Option<i64>,
    /// The largest value.
    #[serde(default)]
    pub max_val: Option<i64>,
}

#[derive(Deserialize)]
struct Program {
    graph_module: GraphModule,
    #[serde(default)]
    range_constraints: BTreeMap<String, Range>,
    #[serde(default)]
    torch_version: String,
}

#[derive(Deserialize)]
struct GraphModule {
    graph: Graph,
    signature: Signature,
    #[serde(default)]
    module_call_graph: Vec<Call>,
}

#[derive(Deserialize)]
struct Version {
    major: i64,
}

/// The call of a module; `fqn` is empty for the whole network.
#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    fqn: String,
    #[serde(default)]
    signature: Option<CallSignature>,
}

#[derive(Deserialize)]
struct CallSignature {
    #[serde(default)]
    forward_arg_names: Option<Vec<String>>,
    #[serde(default)]
    out_spec: String,
}

/// The structure of the results, of which only the outermost level is read.
#[derive(Deserialize)]
struct TreeSpec {
    #[serde(default)]
    context: Option<String>,
}

#[derive(Deserialize)]
struct OnlyVersion {
    schema_version: Version,
}

impl<'a> Package<'a> {
    /// Parses the contents of a file.
    ///
    /// # Errors
    /// When the file is damaged, was not written by `torch.export.save`, or has another major
    /// version of the schema.
    pub fn parse(file: &'a [u8]) -> Result<Self, Refusal> {
        let Parts { program, weights, constants } = Parts::find(file)?;
        let unreadable = |error: serde_json::Error| {
            layout::damaged(format!("has a graph that is not as torch.export.save writes it: {error}"))
        };
        // The version is checked first, because the rest of the format depends on it.
        let OnlyVersion { schema_version: Version { major } } =
            serde_json::from_slice(program).map_err(unreadable)?;
        if major != MAJOR {
            let problem = format!("is of version {major} of the graph's schema, and version {MAJOR} is read");
            return Err(Refusal::new(problem, "export it with PyTorch 2.6 to 2.15"));
        }
        let Program { graph_module, range_constraints: ranges, torch_version } =
            serde_json::from_slice(program).map_err(unreadable)?;
        let GraphModule { graph, signature, module_call_graph } = graph_module;
        let whole = module_call_graph.into_iter().find(|call| call.fqn.is_empty());
        let (arguments, results) = match whole.and_then(|call| call.signature) {
            Some(call) => (call.forward_arg_names.unwrap_or_default(), keys(&call.out_spec)),
            None => Default::default(),
        };
        Ok(Self { graph, signature, arguments, results, torch_version, ranges, weights, constants })
    }

    /// The names in the graph of `forward`'s tensor arguments.
    #[must_use]
    pub fn inputs(&self) -> Vec<&str> {
        let specs = self.signature.input_specs.iter();
        let names = specs.filter_map(|spec| match spec {
            InputSpec::User(Argument::Tensor(name)) => Some(name.as_str()),
            _ => None,
        });
        names.collect()
    }
}

/// The keys of a dictionary of results, from its serialised structure; empty for any other result.
fn keys(out_spec: &str) -> Vec<String> {
    let spec = serde_json::from_str::<(i64, TreeSpec)>(out_spec).ok();
    let context = spec.and_then(|(_, spec)| spec.context).unwrap_or_default();
    serde_json::from_str(&context).unwrap_or_default()
}
