//! Pooling and flattening.

use crate::{
    Scope, Value,
    error::{Error, Result},
    operations::PoolSettings,
};

/// The largest element of each window of x \[N, C, H, W\]; settings for both axes, or \[height,
/// width\].
///
/// # Errors
/// When the windows do not fit.
pub fn max_pool2d(scope: &mut Scope, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
    scope.graph().max_pool2d(x, settings)
}

/// The mean of each window of x \[N, C, H, W\], the zeros of the padding included; settings for
/// both axes, or \[height, width\].
///
/// # Errors
/// When the windows do not fit.
pub fn avg_pool2d(scope: &mut Scope, x: Value, settings: impl Into<[PoolSettings; 2]>) -> Result<Value> {
    scope.graph().avg_pool2d(x, settings)
}

/// As [`avg_pool2d`], but the mean is over the elements of a window inside the image, without the
/// padding.
///
/// # Errors
/// When the windows do not fit.
pub fn avg_pool2d_inside(
    scope: &mut Scope,
    x: Value,
    settings: impl Into<[PoolSettings; 2]>,
) -> Result<Value> {
    scope.graph().avg_pool2d_inside(x, settings)
}

/// The mean of each of \[oH, oW\] [adaptive windows](crate::Graph::adaptive_avg_pool2d) of x \[N,
/// C, H, W\].
///
/// # Errors
/// When x is not an image, or a side is 0.
pub fn adaptive_avg_pool2d(scope: &mut Scope, x: Value, out: [usize; 2]) -> Result<Value> {
    scope.graph().adaptive_avg_pool2d(x, out)
}

/// The largest element of each of \[oH, oW\] [adaptive windows](crate::Graph::adaptive_avg_pool2d)
/// of x \[N, C, H, W\].
///
/// # Errors
/// When x is not an image, or a side is 0.
pub fn adaptive_max_pool2d(scope: &mut Scope, x: Value, out: [usize; 2]) -> Result<Value> {
    scope.graph().adaptive_max_pool2d(x, out)
}

/// The mean over the image: x \[N, C, H, W\] to \[N, C, 1, 1\].
///
/// # Errors
/// When x is not an image.
pub fn global_avg_pool(scope: &mut Scope, x: Value) -> Result<Value> {
    if scope.shape(x).len() != 4 {
        let problem = format!("needs an input [N, C, H, W], not {:?}", scope.shape(x));
        return Err(Error::shape("global_avg_pool", problem));
    }
    scope.graph().mean(x, &[2, 3])
}

/// x \[N, ...\] as \[N, D\].
///
/// # Errors
/// When x is a scalar.
pub fn flatten(scope: &mut Scope, x: Value) -> Result<Value> {
    let flat = scope.graph().flatten_from(x, 1)?;
    if flat == x { scope.graph().again(x) } else { Ok(flat) }
}
