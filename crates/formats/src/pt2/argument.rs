//! Arguments and results of operations.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{
    graph::Graph,
    scalar_type::ScalarType,
    union::{self, Union},
};

/// An argument of an operation, under its name in PyTorch's schema of the operation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NamedArgument {
    /// "self", "dim", ...
    pub name: String,
    /// The value.
    pub arg: Argument,
}

/// An argument or a result of an operation. Values that other operations compute are referred to by
/// name.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// No value.
    None,
    /// A tensor, by name.
    Tensor(String),
    /// Several tensors.
    Tensors(Vec<String>),
    /// Several tensors, some of which may be missing.
    OptionalTensors(Vec<Option<String>>),
    /// An integer.
    Int(Size),
    /// Several integers.
    Ints(Vec<Size>),
    /// A floating-point number.
    Float(f64),
    /// Several floating-point numbers.
    Floats(Vec<f64>),
    /// A boolean.
    Bool(bool),
    /// Several booleans.
    Bools(Vec<bool>),
    /// A computed boolean or number, by name.
    Symbol(String),
    /// A string.
    Text(String),
    /// An element type.
    Type(ScalarType),
    /// A subgraph that the operation applies.
    Graph(Box<Graph>),
    /// An argument that no translation uses (a device, a layout, ...), by its kind in the schema.
    Other(String),
}

/// An integer: a constant, or the name of a computed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Size {
    /// A constant.
    Known(i64),
    /// The name of a computed integer.
    Named(String),
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct NamedGraph {
    graph: Graph,
}

impl<'de> Union<'de> for Argument {
    const EXPECTED: &'static str = "an argument";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        let names = |names: Vec<Named>| names.into_iter().map(|named| named.name).collect();
        Ok(match kind {
            "as_tensor" => Self::Tensor(map.next_value::<Named>()?.name),
            "as_tensors" => Self::Tensors(names(map.next_value()?)),
            "as_optional_tensor" => map.next_value::<Optional>()?.0.map_or(Self::None, Self::Tensor),
            "as_optional_tensors" => {
                let optional: Vec<Optional> = map.next_value()?;
                Self::OptionalTensors(optional.into_iter().map(|optional| optional.0).collect())
            }
            "as_int" => Self::Int(Size::Known(map.next_value()?)),
            "as_sym_int" => Self::Int(map.next_value()?),
            "as_ints" => {
                let numbers: Vec<i64> = map.next_value()?;
                Self::Ints(numbers.into_iter().map(Size::Known).collect())
            }
            "as_sym_ints" => Self::Ints(map.next_value()?),
            "as_float" => Self::Float(map.next_value::<Number>()?.0),
            "as_floats" => {
                let numbers: Vec<Number> = map.next_value()?;
                Self::Floats(numbers.into_iter().map(|number| number.0).collect())
            }
            "as_bool" => Self::Bool(map.next_value()?),
            "as_bools" => Self::Bools(map.next_value()?),
            "as_sym_bool" | "as_sym_float" => map.next_value::<Symbolic>()?.0,
            "as_string" => Self::Text(map.next_value()?),
            "as_scalar_type" => Self::Type(map.next_value()?),
            "as_graph" => Self::Graph(Box::new(map.next_value::<NamedGraph>()?.graph)),
            "as_none" => {
                map.next_value::<IgnoredAny>()?;
                Self::None
            }
            other => {
                map.next_value::<IgnoredAny>()?;
                Self::Other(other.to_owned())
            }
        })
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}

impl<'de> Union<'de> for Size {
    const EXPECTED: &'static str = "an integer or the name of one";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        match kind {
            "as_int" => map.next_value().map(Self::Known),
            "as_name" => map.next_value().map(Self::Named),
            other => Err(A::Error::custom(format!("{other} is no integer"))),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}

/// A tensor that may be missing.
struct Optional(Option<String>);

impl<'de> Union<'de> for Optional {
    const EXPECTED: &'static str = "a tensor or nothing";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        if kind == "as_tensor" {
            return Ok(Self(Some(map.next_value::<Named>()?.name)));
        }
        map.next_value::<IgnoredAny>()?;
        Ok(Self(None))
    }
}

impl<'de> Deserialize<'de> for Optional {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}

/// A boolean or a number: a constant, or the name of a computed one.
struct Symbolic(Argument);

impl<'de> Union<'de> for Symbolic {
    const EXPECTED: &'static str = "a truth value, a number, or the name of one";

    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error> {
        Ok(Self(match kind {
            "as_name" => Argument::Symbol(map.next_value()?),
            "as_bool" => Argument::Bool(map.next_value()?),
            "as_float" => Argument::Float(map.next_value::<Number>()?.0),
            other => return Err(A::Error::custom(format!("{other} is no number"))),
        }))
    }
}

impl<'de> Deserialize<'de> for Symbolic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        union::deserialize(deserializer)
    }
}

/// A floating-point number. Infinities and NaN are written as strings, since JSON has no literals
/// for them.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor).map(Self)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            "NaN" => Ok(f64::NAN),
            other => Err(E::custom(format!("{other:?} is no number"))),
        }
    }
}
