//! What stands behind a name of the graph.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Value;

use super::array::Array;

/// A tensor of the graph.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// The type that PyTorch gives its elements.
    pub dtype: ScalarType,
    /// Its elements.
    pub data: Data,
}

/// The elements of a tensor.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// They depend on no parameter and no input, and are known.
    Folded(Array),
    /// A value of the program, with its shape.
    Emitted(Value, Vec<usize>),
}

impl Tensor {
    /// A tensor that is known.
    pub fn folded(dtype: ScalarType, array: Array) -> Self {
        Self { dtype, data: Data::Folded(array) }
    }

    /// A value of the program.
    pub fn emitted(dtype: ScalarType, value: Value, shape: &[usize]) -> Self {
        Self { dtype, data: Data::Emitted(value, shape.to_vec()) }
    }

    /// The same elements under another type.
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

    /// Its elements where they are known.
    pub fn array(&self) -> Option<&Array> {
        match &self.data {
            Data::Folded(array) => Some(array),
            Data::Emitted(..) => None,
        }
    }

    /// The only number, where it is known.
    pub fn single(&self) -> Option<f64> {
        self.array()?.single()
    }
}

/// What an operation gives, or a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Nothing.
    None,
    /// A tensor.
    Tensor(Tensor),
    /// Several, each with a name of its own or all with one.
    Tensors(Vec<Tensor>),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

impl From<Tensor> for Item {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
