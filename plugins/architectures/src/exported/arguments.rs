//! The arguments of an operation, by name.

use eigenscape_formats::pt2::{Graph, ScalarType, TensorMeta};
use eigenscape_program::{Error, Result};

use super::{array::Array, tensor::Tensor};

/// The value of an argument.
#[derive(Debug, Clone)]
pub(super) enum Given<'n> {
    None,
    Tensor(Tensor),
    Tensors(Vec<Option<Tensor>>),
    Int(i64),
    Ints(Vec<i64>),
    Float(f64),
    Floats(Vec<f64>),
    Bool(bool),
    Text(&'n str),
    Type(ScalarType),
    Graph(&'n Graph),
    /// A value that no translation uses (a device, a layout, ...).
    Other,
}

/// The arguments of an operation, by their names in PyTorch's schema.
#[derive(Debug)]
pub(super) struct Arguments<'n> {
    /// The operation's name, as in `aten.conv2d`.
    pub operation: &'n str,
    /// The names and values, in order.
    pub given: Vec<(&'n str, Given<'n>)>,
    /// How the first operand lay in memory when the graph was exported.
    pub layout: Option<&'n TensorMeta>,
}

impl<'n> Arguments<'n> {
    pub fn get(&self, name: &str) -> Option<&Given<'n>> {
        let found = self.given.iter().find(|(own, _)| *own == name).map(|(_, given)| given);
        found.filter(|given| !matches!(given, Given::None))
    }

    /// An error of this operation.
    pub fn error(&self, problem: impl Into<String>) -> Error {
        Error::shape(self.operation, problem)
    }

    fn missing(&self, name: &str) -> Error {
        self.error(format!("its argument `{name}` is missing, or of a kind that is not read"))
    }

    /// A tensor.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        match self.get(name) {
            Some(Given::Tensor(tensor)) => Ok(tensor),
            _ => Err(self.missing(name)),
        }
    }

    /// The first argument, which must be a tensor, whatever its name.
    pub fn first(&self) -> Result<&Tensor> {
        match self.given.first() {
            Some((_, Given::Tensor(tensor))) => Ok(tensor),
            _ => Err(self.error("its first argument is no tensor")),
        }
    }

    pub fn optional_tensor(&self, name: &str) -> Result<Option<&Tensor>> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Tensor(tensor)) => Ok(Some(tensor)),
            Some(_) => Err(self.missing(name)),
        }
    }

    /// A tensor; a number becomes a constant tensor without axes.
    pub fn operand(&self, name: &str) -> Result<Tensor> {
        let number = |dtype, number| Ok(Tensor::folded(dtype, Array::filled(&[], number)));
        match self.get(name) {
            Some(Given::Tensor(tensor)) => Ok(tensor.clone()),
            Some(Given::Int(value)) => number(ScalarType::LONG, *value as f64),
            Some(Given::Float(value)) => number(ScalarType::Double, *value),
            Some(Given::Bool(value)) => number(ScalarType::Bool, f64::from(u8::from(*value))),
            _ => Err(self.missing(name)),
        }
    }

    /// Several tensors.
    pub fn tensors(&self, name: &str) -> Result<Vec<Tensor>> {
        let all: Option<Vec<Tensor>> = match self.get(name) {
            Some(Given::Tensors(tensors)) => tensors.iter().cloned().collect(),
            _ => None,
        };
        all.ok_or_else(|| self.missing(name))
    }

    /// Several tensors, some of which may be missing.
    pub fn optional_tensors(&self, name: &str) -> Result<&[Option<Tensor>]> {
        match self.get(name) {
            Some(Given::Tensors(tensors)) => Ok(tensors),
            _ => Err(self.missing(name)),
        }
    }

    pub fn optional_int(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Int(value)) => Ok(Some(*value)),
            Some(Given::Bool(value)) => Ok(Some(i64::from(*value))),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn int(&self, name: &str) -> Result<i64> {
        self.optional_int(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// A list of integers; a single integer counts as a list of one.
    pub fn optional_ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Ints(values)) => Ok(Some(values.clone())),
            Some(Given::Int(value)) => Ok(Some(vec![*value])),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn ints(&self, name: &str) -> Result<Vec<i64>> {
        self.optional_ints(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn optional_float(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Float(value)) => Ok(Some(*value)),
            Some(Given::Int(value)) => Ok(Some(*value as f64)),
            Some(Given::Bool(value)) => Ok(Some(f64::from(u8::from(*value)))),
            Some(Given::Tensor(tensor)) => tensor.single().map(Some).ok_or_else(|| self.missing(name)),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn float(&self, name: &str) -> Result<f64> {
        self.optional_float(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn float_or(&self, name: &str, default: f64) -> Result<f64> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    pub fn optional_floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Given::Floats(values)) => Ok(Some(values.clone())),
            Some(Given::Ints(values)) => Ok(Some(values.iter().map(|value| *value as f64).collect())),
            Some(Given::Float(value)) => Ok(Some(vec![*value])),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn bool_or(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Given::Bool(value)) => Ok(*value),
            Some(Given::Int(value)) => Ok(*value != 0),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn text_or(&self, name: &str, default: &'n str) -> Result<&'n str> {
        match self.get(name) {
            None => Ok(default),
            Some(Given::Text(text)) => Ok(text),
            Some(_) => Err(self.missing(name)),
        }
    }

    pub fn dtype(&self, name: &str) -> Option<ScalarType> {
        match self.get(name) {
            Some(Given::Type(dtype)) => Some(*dtype),
            _ => None,
        }
    }

    /// The axis `dim` of a tensor with `rank` axes; a negative `dim` counts from the end.
    pub fn axis(&self, dim: i64, rank: usize) -> Result<usize> {
        let axis = if dim < 0 { dim.saturating_add(rank as i64) } else { dim };
        let found = usize::try_from(axis).ok().filter(|axis| *axis < rank);
        found.ok_or_else(|| self.error(format!("there is no axis {dim} of {rank}")))
    }

    /// Refuses to split a tensor into more than 2¹⁶ parts.
    pub fn few(&self, count: usize) -> Result<usize> {
        const MOST: usize = 1 << 16;
        if count <= MOST { Ok(count) } else { Err(self.error(format!("makes {count} parts of a tensor"))) }
    }

    /// The axes in an argument; all axes if the argument is missing or empty.
    pub fn axes(&self, name: &str, rank: usize) -> Result<Vec<usize>> {
        match self.optional_ints(name)? {
            Some(dims) if !dims.is_empty() => dims.into_iter().map(|dim| self.axis(dim, rank)).collect(),
            _ => Ok((0..rank).collect()),
        }
    }

    /// Converts sizes to `usize`; negative ones are refused.
    pub fn sizes(&self, values: &[i64]) -> Result<Vec<usize>> {
        let size = |value: &i64| {
            usize::try_from(*value).map_err(|_| self.error(format!("{value} is no size, of {values:?}")))
        };
        values.iter().map(size).collect()
    }

    /// One size for each of `count` spatial axes; a single size applies to all of them.
    pub fn sides(&self, name: &str, count: usize, default: usize) -> Result<Vec<usize>> {
        match self.optional_ints(name)?.as_deref() {
            None | Some([]) => Ok(vec![default; count]),
            Some([one]) => Ok(vec![self.sizes(&[*one])?[0]; count]),
            Some(several) if several.len() == count => self.sizes(several),
            Some(other) => Err(self.error(format!("`{name}` is {other:?}, not one number a side"))),
        }
    }
}
