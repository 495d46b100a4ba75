//! Graphs: operations in the order in which they are applied, and what is known of their results.

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
    /// What it is given.
    pub inputs: Vec<Argument>,
    /// What it gives.
    pub outputs: Vec<Argument>,
    /// The operations.
    pub nodes: Vec<Node>,
    /// What is known of tensors, by their names.
    #[serde(default)]
    pub tensor_values: HashMap<String, TensorMeta>,
}

/// An operation on named values.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Node {
    /// Which, as in `torch.ops.aten.conv2d.default`.
    pub target: String,
    /// What it is given.
    pub inputs: Vec<NamedArgument>,
    /// What it gives.
    pub outputs: Vec<Argument>,
    /// Where it comes from.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Where an operation comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// The modules that were being called, from the outermost in: `KEY,PATH,CLASS` each, with
    /// semicolons between them.
    #[serde(default)]
    pub nn_module_stack: String,
}

/// What is known of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TensorMeta {
    /// The type of its elements.
    pub dtype: ScalarType,
    /// The length of each axis.
    pub sizes: Vec<MetaSize>,
    /// Whether derivatives are taken in it.
    #[serde(default)]
    pub requires_grad: bool,
    /// Steps along each axis.
    #[serde(default)]
    pub strides: Vec<MetaSize>,
    /// The first element's place in its storage.
    #[serde(default)]
    pub storage_offset: MetaSize,
}

/// The length of an axis, or a step along it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaSize {
    /// The number.
    Known(i64),
    /// An expression in symbols.
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
    /// The number, where it is one and not negative.
    #[must_use]
    pub fn known(&self) -> Option<usize> {
        match self {
            Self::Known(number) => usize::try_from(*number).ok(),
            Self::Symbolic(_) => None,
        }
    }
}
