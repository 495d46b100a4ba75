//! Points: the numbers at which an objective is evaluated.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Backend, Buffer, Executable, Result};

/// Parameters and data, with the backend that runs programs on them.
#[derive(Debug, Clone)]
pub struct Point {
    /// The backend that holds the numbers and runs programs on them.
    pub backend: Arc<dyn Backend>,
    /// One tensor per parameter, in the network's order.
    pub parameters: Vec<Tensor>,
    /// One tensor per buffer, in the network's order.
    pub buffers: Vec<Tensor>,
    /// The inputs \[N, ...\].
    pub inputs: Tensor,
    /// The targets, in the shape that the loss takes: usually that of the outputs. For classes see
    /// [`class_targets`](crate::class_targets).
    pub targets: Tensor,
    /// One tensor \[N, ...\] for each of the network's [masks](eigenscape_program::Network::masks),
    /// of elements 0 or 1/keep.
    pub masks: Vec<Tensor>,
}

impl Point {
    /// The same numbers in another floating-point type.
    ///
    /// # Errors
    /// When the conversion fails.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        let all = |tensors: &[Tensor]| -> candle_core::Result<Vec<Tensor>> {
            tensors.iter().map(|t| t.to_dtype(dtype)).collect()
        };
        Ok(Self {
            backend: self.backend.clone(),
            parameters: all(&self.parameters)?,
            buffers: all(&self.buffers)?,
            // Indices (tokens) keep their type.
            inputs: if self.inputs.dtype().is_float() {
                self.inputs.to_dtype(dtype)?
            } else {
                self.inputs.clone()
            },
            targets: self.targets.to_dtype(dtype)?,
            masks: all(&self.masks)?,
        })
    }

    /// The same point with programs run in f64. Weights and inputs keep their type and take no more
    /// memory: each step converts those that it uses.
    ///
    /// # Errors
    /// When the conversion fails.
    pub fn in_f64(&self) -> Result<Self> {
        Ok(Self { targets: self.targets.to_dtype(DType::F64)?, ..self.clone() })
    }

    /// The same parameters with the samples `range` alone.
    ///
    /// # Errors
    /// When the range exceeds the samples.
    pub fn narrow(&self, range: std::ops::Range<usize>) -> Result<Self> {
        let samples = |tensor: &Tensor| tensor.narrow(0, range.start, range.len());
        let masks = self.masks.iter().map(samples).collect::<candle_core::Result<_>>()?;
        Ok(Self { inputs: samples(&self.inputs)?, targets: samples(&self.targets)?, masks, ..self.clone() })
    }

    /// N, the number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.inputs.dims().first().copied().unwrap_or(0)
    }

    /// The type in which programs run: the targets'.
    pub(crate) fn dtype(&self) -> DType {
        self.targets.dtype()
    }

    /// Runs a program in the type of the point.
    pub(crate) fn run(&self, program: &Executable, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        program.run(&*self.backend, inputs, self.dtype())
    }

    /// As [`Self::run`], for buffers in the backend's memory.
    pub(crate) fn run_placed(&self, program: &Executable, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        program.run_placed(&*self.backend, inputs, self.dtype(), self.dtype())
    }

    /// All tensors in the order of an objective's inputs.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        self.parameters.iter().chain(&self.buffers).cloned().chain(self.data()).collect()
    }

    /// The tensors that are not weights, in the order of an objective's inputs.
    pub(crate) fn data(&self) -> impl Iterator<Item = Tensor> {
        [&self.inputs, &self.targets].into_iter().chain(&self.masks).cloned()
    }
}
