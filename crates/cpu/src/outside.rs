//! The memory of a run outside its arena: inputs and outputs.

use candle_core::{DType, StorageRef, Tensor};

use crate::{
    Result,
    numbers::{Numbers, of_tensor},
};

/// An input of a run, in row-major order.
#[derive(Debug)]
pub(crate) enum Given<'a> {
    /// A tensor that the caller passed.
    Tensor(Tensor),
    /// Numbers of this type, borrowed from another run.
    Lent(&'a [u8], DType),
}

/// An input, borrowed for reading.
#[derive(Debug)]
pub(crate) enum Read<'a> {
    Tensor(StorageRef<'a>, &'a candle_core::Layout),
    Lent(&'a [u8], DType),
}

impl Given<'_> {
    pub fn read(&self) -> Read<'_> {
        match self {
            Self::Tensor(tensor) => {
                let (storage, layout) = tensor.storage_and_layout();
                Read::Tensor(storage, layout)
            }
            Self::Lent(bytes, dtype) => Read::Lent(bytes, *dtype),
        }
    }
}

impl Read<'_> {
    /// The numbers as bytes, with their type.
    pub fn numbers(&self) -> Result<(&[u8], DType)> {
        match self {
            Self::Tensor(storage, layout) => of_tensor(storage, layout),
            Self::Lent(bytes, dtype) => Ok((bytes, *dtype)),
        }
    }
}

/// The memory of an output.
#[derive(Debug)]
pub(crate) enum Made<'a> {
    /// Memory owned by this run, which becomes a tensor.
    Own(Numbers),
    /// Memory borrowed from another run.
    Lent(&'a mut [u8]),
}

impl Made<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(numbers) => numbers.bytes(),
            Self::Lent(bytes) => bytes,
        }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Own(numbers) => numbers.bytes_mut(),
            Self::Lent(bytes) => bytes,
        }
    }
}
