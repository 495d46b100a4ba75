//! The values that a graph's names stand for.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Value;

use super::array::Array;

/// A tensor of the graph.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// The element type in PyTorch.
    pub dtype: ScalarType,
    /// Its elements.
    pub data: Data,
}

/// The elements of a tensor.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Constants, which depend on no parameter and no input.
    Folded(Array),
    /// A value of the program, with its shape.
    Emitted(Value, Vec<usize>),
}

impl Tensor {
    /// A constant tensor.
    pub fn folded(dtype: ScalarType, array: Array) -> Self {
        Self { dtype, data: Data::Folded(array) }
    }

    /// A tensor that is a value of the program.
    pub fn emitted(dtype: ScalarType, value: Value, shape: &[usize]) -> Self {
        Self { dtype, data: Data::Emitted(value, shape.to_vec()) }
    }

    /// The same elements with another type.
    pub fn of_type(&self, dtype: ScalarType) -> Self {
        Self { dtype, ..self.clone() }
    }

    pub fn shape(&self) -> &[usize] {
        match &self.data {
            Data::Folded(array) => array.shape(),
            Data::Emitted(_, shape) => shape,
        }
    }

    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// The elements of a constant tensor; `None` for a value of the program.
    pub fn array(&self) -> Option<&Array> {
        match &self.data {
            Data::Folded(array) => Some(array),
            Data::Emitted(..) => None,
        }
    }

    /// The element of a constant tensor that has exactly one.
    pub fn single(&self) -> Option<f64> {
        self.array()?.single()
    }
}

/// The result of an operation, or the value of a name.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// No value.
    None,
    /// A tensor.
    Tensor(Tensor),
    /// Several tensors, under one name each or all under one name.
    Tensors(Vec<Tensor>),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A boolean.
    Bool(bool),
}

impl From<Tensor> for Item {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
