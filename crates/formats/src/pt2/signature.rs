//! The roles of a graph's inputs and outputs in the network.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess},
};

use super::{
    argument::Argument,
    union::{self, Union},
};

/// The role of each input and output of a graph.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Signature {
    /// The roles of the inputs, in order.
    pub input_specs: Vec<InputSpec>,
    /// The roles of the outputs, in order.
    pub output_specs: Vec<OutputSpec>,
}

/// The role of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum InputSpec {
    /// A parameter.
    Parameter {
        /// Its name in the graph.
        arg: String,
        /// Its name in the network.
        name: String,
    },
    /// A buffer.
    Buffer {
        /// Its name in the graph.
        arg: String,
        /// Its name in the network.
        name: String,
    },
    /// A constant tensor of the network's code.
    Constant {
        /// Its name in the graph.
        arg: String,
        /// Its name among the constants.
        name: String,
    },
    /// An argument of `forward`.
    User(Argument),
    /// Any other role, by its kind in the schema.
    Other(String),
}

/// The role of an output.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputSpec {
    /// A result of `forward`.
    User(Argument),
    /// Any other role, such as the new value of a buffer, by its kind in the schema.
    Other(String),
}

#[derive(Deserialize)]
struct Arg {
    name: String,
}

#[derive(Deserialize)]
struct Held {
    arg: Arg,
    #[serde(alias = "parameter_name", alias = "buffer_name", alias = "tensor_constant_name")]
    held: String,
}

#[derive(Deserialize)]
struct Given {
    arg: Argument,
}

impl<'de> Union<'de> for InputSpec {
    const EXPECTED: &'static str = "what an input is";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        let mut held = || map.next_value::<Held>().map(|Held { arg, held }| (arg.name, held));
        Ok(match kind {
            "parameter" => {
                let (arg, name) = held()?;
                Self::Parameter { arg, name }
            }
            "buffer" => {
                let (arg, name) = held()?;
                Self::Buffer { arg, name }
            }
            "tensor_constant" => {
                let (arg, name) = held()?;
                Self::Constant { arg, name }
            }
            "user_input" => Self::User(map.next_value::<Given>()?.arg),
            other => {
                map.next_value::<IgnoredAny>()?;
                Self::Other(other.to_owned())
            }
        })
    }
}

impl<'de> Deserialize<'de> for InputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}

impl<'de> Union<'de> for OutputSpec {
    const EXPECTED: &'static str = "what an output is";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        if kind == "user_output" {
            return Ok(Self::User(map.next_value::<Given>()?.arg));
        }
        map.next_value::<IgnoredAny>()?;
        Ok(Self::Other(kind.to_owned()))
    }
}

impl<'de> Deserialize<'de> for OutputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}
