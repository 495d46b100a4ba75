//! Points whose weights stay in the backend's memory.

use std::{
    ops::{Deref, Range},
    sync::{Arc, OnceLock},
};

use candle_core::Tensor;
use eigenscape_runtime::{Buffer, Result};

use crate::{point::Point, residuals::Residuals};

/// A point whose weights are placed on the backend once, when first needed. Micro-batches and all
/// other evaluations at the point share them. Its data are placed for each run.
#[derive(Debug, Clone)]
pub(crate) struct PlacedPoint {
    point: Point,
    weights: Arc<OnceLock<Vec<Buffer>>>,
    /// Whether samples are independent of each other, once that was found out.
    independent: Arc<OnceLock<bool>>,
    residuals: Residuals,
}

impl From<Point> for PlacedPoint {
    fn from(point: Point) -> Self {
        let (weights, independent) = (Arc::default(), Arc::default());
        Self { point, weights, independent, residuals: Residuals::default() }
    }
}

impl Deref for PlacedPoint {
    type Target = Point;

    fn deref(&self) -> &Point {
        &self.point
    }
}

impl PlacedPoint {
    /// The same point, with residuals evaluated in another type.
    pub fn with_residuals(self, residuals: Residuals) -> Self {
        Self { residuals, ..self }
    }

    /// Whether samples are independent of each other at this point, which `find` finds out once.
    pub fn independent(&self, find: impl FnOnce() -> Result<bool>) -> Result<bool> {
        match self.independent.get() {
            Some(&known) => Ok(known),
            None => find().map(|found| *self.independent.get_or_init(|| found)),
        }
    }

    /// The type in which residuals are evaluated.
    pub fn residuals(&self) -> Residuals {
        self.residuals
    }

    /// As [`Point::in_f64`], with the same placed weights.
    pub fn in_f64(&self) -> Result<Self> {
        Ok(Self { point: self.point.in_f64()?, ..self.clone() })
    }

    /// The same data with other parameters, which are not placed yet.
    pub fn with_parameters(self, parameters: Vec<Tensor>) -> Self {
        Self { point: Point { parameters, ..self.point }, weights: Arc::default(), ..self }
    }

    /// As [`Point::narrow`].
    pub fn narrow(&self, range: Range<usize>) -> Result<Self> {
        Ok(Self { point: self.point.narrow(range)?, ..self.clone() })
    }

    /// Parameters and buffers, in this order.
    pub fn weights(&self) -> Result<&[Buffer]> {
        if let Some(placed) = self.weights.get() {
            return Ok(placed);
        }
        let weights = self.point.parameters.iter().chain(&self.point.buffers);
        let placed = weights.map(|weight| self.point.backend.place(weight)).collect::<Result<_>>()?;
        Ok(self.weights.get_or_init(|| placed))
    }

    /// All inputs, in the order of an objective's inputs.
    pub fn inputs(&self) -> Result<Vec<Buffer>> {
        let data = self.point.data().map(Buffer::from);
        Ok(self.weights()?.iter().cloned().chain(data).collect())
    }
}
