//! A file of `torch.export.save` as a whole.

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

/// The schema's version that is read: another means something else by the same words.
const MAJOR: i64 = 8;

/// A network: its graph, what the graph's inputs are, and the tensors that it has.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    /// The operations.
    pub graph: Graph,
    /// What the graph's inputs and outputs are.
    pub signature: Signature,
    /// The names of `forward`'s arguments, where the file tells them.
    pub arguments: Vec<String>,
    /// The names of `forward`'s results, where it gives them under names.
    pub results: Vec<String>,
    /// The version of PyTorch that wrote it.
    pub torch_version: String,
    /// Parameters and buffers by their names.
    pub weights: BTreeMap<String, Tensor<'a>>,
    /// Tensors that the network's code holds, by their names; buffers that are not saved with the
    /// others are among them.
    pub constants: BTreeMap<String, Tensor<'a>>,
}

#[derive(Deserialize)]
struct Program {
    graph_module: GraphModule,
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

/// How a module is called.
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

/// How results are put together, of which the outermost part counts.
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
    /// Reads a file.
    ///
    /// # Errors
    /// When it is damaged, or not of `torch.export.save`, or of a version with another schema.
    pub fn parse(file: &'a [u8]) -> Result<Self, Refusal> {
        let Parts { program, weights, constants } = Parts::find(file)?;
        let unreadable = |error: serde_json::Error| {
            layout::damaged(format!("has a graph that is not as torch.export.save writes it: {error}"))
        };
        // First, since with another version all else may be written in another way.
        let OnlyVersion { schema_version: Version { major } } =
            serde_json::from_slice(program).map_err(unreadable)?;
        if major != MAJOR {
            let problem = format!("is of version {major} of the graph's schema, and version {MAJOR} is read");
            return Err(Refusal::new(problem, "export it with PyTorch 2.5 to 2.15"));
        }
        let Program { graph_module, torch_version } = serde_json::from_slice(program).map_err(unreadable)?;
        let GraphModule { graph, signature, module_call_graph } = graph_module;
        let whole = module_call_graph.into_iter().find(|call| call.fqn.is_empty());
        let (arguments, results) = match whole.and_then(|call| call.signature) {
            Some(call) => (call.forward_arg_names.unwrap_or_default(), keys(&call.out_spec)),
            None => Default::default(),
        };
        Ok(Self { graph, signature, arguments, results, torch_version, weights, constants })
    }

    /// The names in the graph of what is given to `forward` as tensors.
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

/// The keys of a dictionary of results, from its description; none where it is something else.
fn keys(out_spec: &str) -> Vec<String> {
    let spec = serde_json::from_str::<(i64, TreeSpec)>(out_spec).ok();
    let context = spec.and_then(|(_, spec)| spec.context).unwrap_or_default();
    serde_json::from_str(&context).unwrap_or_default()
}
