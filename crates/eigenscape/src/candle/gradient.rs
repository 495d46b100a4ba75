//! Candle's gradients, and checks that they are the loss' gradients.

use candle_core::{DType, Tensor};
use eigenscape_core::{Error, Result};

use super::{CandleOperator, squared_norm, unit_roundoff, variables::Held};

/// The relative error of a derivative along a variable's gradient from which on the gradient is
/// wrong, provided that differences of the loss are more accurate.
const TOLERANCE: f64 = 0.01;
/// The bound on the errors of differences, in multiples of their change from ε to 2ε and of the
/// loss' rounding error.
const SAFETY: f64 = 16.0;

impl CandleOperator {
    /// ∇L at the variables' current values, as one vector.
    pub(super) fn gradient(&self) -> Result<Tensor> {
        self.variables.gather(&(self.loss)()?.backward()?)
    }

    /// L at the variables' current values.
    fn value(&self) -> Result<f64> {
        let loss = (self.loss)()?;
        if loss.elem_count() != 1 {
            let problem = format!("the loss has the shape {:?}", loss.dims());
            return Err(Error::input("Candle module", problem, "return a scalar: the mean over samples"));
        }
        Ok(loss.flatten_all()?.get(0)?.to_dtype(DType::F64)?.to_scalar()?)
    }

    /// Refuses a loss that is not finite or differs when evaluated again.
    pub(super) fn check_loss(&self) -> Result<()> {
        let _held = self.variables.hold()?;
        let (first, again) = (self.value()?, self.value()?);
        if !first.is_finite() {
            return Err(Error::input(
                "Candle module",
                format!("the loss is {first}"),
                "check the variables and the data for NaN or infinite values",
            ));
        }
        // Sums of several threads may differ in their last digits.
        if (first - again).abs() > 1e3 * unit_roundoff(self.variables.dtype()) * first.abs() {
            return Err(Error::input(
                "Candle module",
                format!("the loss is {first}, and {again} when it is evaluated again"),
                "evaluate without dropout, and with the running statistics of batch normalisation",
            ));
        }
        Ok(())
    }

    /// Refuses gradients that are not those of the loss. For each variable, the derivative of the
    /// loss along the variable's gradient must be the gradient's norm; if the gradient is zero, the
    /// derivative in a random direction must be zero.
    pub(super) fn check_gradient(&self) -> Result<()> {
        let held = self.variables.hold()?;
        let loss = self.value()?;
        let gradient = self.gradient()?;
        let anywhere = self.random(0, 0)?;
        let epsilon = self.step * self.scale(&held)?;
        for (index, name) in self.names().iter().enumerate() {
            let along = self.variables.only(index, &gradient)?;
            let claimed = squared_norm(&along)?.sqrt();
            // A zero gradient may have been lost: check a random direction.
            let along = if claimed > 0.0 { along } else { self.variables.only(index, &anywhere)? };
            let length = squared_norm(&along)?.sqrt();
            if length == 0.0 {
                continue;
            }
            let direction = (along / length)?;
            let near = self.slope(&held, &direction, epsilon)?;
            let far = self.slope(&held, &direction, 2.0 * epsilon)?;
            let rounding = unit_roundoff(self.variables.dtype()) * loss.abs() / epsilon;
            let doubt = TOLERANCE * claimed + SAFETY * ((far - near).abs() + rounding);
            // This form refuses NaN.
            let agrees = (near - claimed).abs() <= doubt;
            if !agrees {
                return Err(Error::input(
                    name,
                    format!(
                        "Candle's gradient is wrong here: along it the loss has the derivative {near:.6e}, and the gradient says {claimed:.6e}"
                    ),
                    "avoid the operation behind it (max_pool2d has a wrong gradient in Candle 0.11.1), or write the network with `nn`",
                ));
            }
        }
        Ok(())
    }

    /// (L(θ + εd) − L(θ − εd)) / 2ε.
    fn slope(&self, held: &Held, direction: &Tensor, epsilon: f64) -> Result<f64> {
        held.move_by(direction, epsilon)?;
        let ahead = self.value()?;
        held.move_by(direction, -epsilon)?;
        let behind = self.value()?;
        Ok((ahead - behind) / (2.0 * epsilon))
    }
}
