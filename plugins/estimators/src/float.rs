//! The two floating-point types of operators.

use candle_core::{DType, WithDType};
use eigenscape_core::{Error, Result};

/// f32 or f64: the type of an operator's vectors. Sums are accumulated in f64.
pub(crate) trait Float: WithDType + Default {
    fn widen(self) -> f64;
    fn narrow(value: f64) -> Self;
}

impl Float for f32 {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn narrow(value: f64) -> Self {
        value as Self
    }
}

impl Float for f64 {
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }

    #[inline(always)]
    fn narrow(value: f64) -> Self {
        value
    }
}

/// The machine epsilon of an operator's type; an error for types other than f32 and f64.
pub(crate) fn epsilon(dtype: DType) -> Result<f64> {
    match dtype {
        DType::F32 => Ok(f64::from(f32::EPSILON)),
        DType::F64 => Ok(f64::EPSILON),
        other => Err(Error::input(
            "dtype",
            format!("spectra are not computed in {}", other.as_str()),
            "use \"f32\" or \"f64\"",
        )),
    }
}
