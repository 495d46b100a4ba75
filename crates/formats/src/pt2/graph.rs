//! Graphs: operations in execution order, with the types and shapes of their results.

use std::collections::HashMap;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess},
};

use super::{
    argument::{Argument, NamedArgument},
    scalar_type::ScalarType,
    union::{self, Union},
};

/// Operations on named values.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Graph {
    /// The arguments.
    pub inputs: Vec<Argument>,
    /// The results.
    pub outputs: Vec<Argument>,
    /// The operations, in execution order.
    pub nodes: Vec<Node>,
    /// The types and shapes of tensors, by name.
    #[serde(default)]
    pub tensor_values: HashMap<String, TensorMeta>,
}

/// An operation on named values.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Node {
    /// The operation's name, as in `torch.ops.aten.conv2d.default`.
    pub target: String,
    /// The arguments.
    pub inputs: Vec<NamedArgument>,
    /// The results.
    pub outputs: Vec<Argument>,
    /// The operation's origin.
    #[serde(default)]
    pub metadata: Metadata,
}

/// The origin of an operation in the network's modules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// The stack of modules being called, outermost first: `KEY,PATH,CLASS` for each module,
    /// separated by semicolons.
    #[serde(default)]
    pub nn_module_stack: String,
}

/// The type and the memory layout of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TensorMeta {
    /// The type of its elements.
    pub dtype: ScalarType,
    /// The length of each axis.
    pub sizes: Vec<MetaSize>,
    /// Whether it requires gradients.
    #[serde(default)]
    pub requires_grad: bool,
    /// The stride along each axis, in elements.
    #[serde(default)]
    pub strides: Vec<MetaSize>,
    /// The offset of the first element in its storage, in elements.
    #[serde(default)]
    pub storage_offset: MetaSize,
}

/// The length of an axis, a stride or an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaSize {
    /// A number.
    Known(i64),
    /// An expression of symbols.
    Symbolic(String),
}

impl Default for MetaSize {
    fn default() -> Self {
        Self::Known(0)
    }
}

#[derive(Deserialize)]
struct Expression {
    expr_str: String,
}

impl<'de> Union<'de> for MetaSize {
    const EXPECTED: &'static str = "a size";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        match kind {
            "as_int" => map.next_value().map(Self::Known),
            "as_expr" => Ok(Self::Symbolic(map.next_value::<Expression>()?.expr_str)),
            other => {
                map.next_value::<IgnoredAny>()?;
                Ok(Self::Symbolic(other.to_owned()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for MetaSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}

impl MetaSize {
    /// The symbol, if it is one by itself: `Symbol('s0', ...)`, or `s0` in files of older versions.
    #[must_use]
    pub fn symbol(&self) -> Option<&str> {
        let Self::Symbolic(text) = self else { return None };
        let name = match text.strip_prefix("Symbol('") {
            Some(rest) => rest.split_once('\'').filter(|(_, rest)| !rest.contains("Symbol("))?.0,
            None => text,
        };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        is_name.then_some(name)
    }

    /// The number; `None` if it is symbolic or negative.
    #[must_use]
    pub fn known(&self) -> Option<usize> {
        match self {
            Self::Known(number) => usize::try_from(*number).ok(),
            Self::Symbolic(_) => None,
        }
    }
}
