//! Normalisation and learned scales.

use eigenscape_program::{
    Error, Result, Scope, Value,
    nn::{self, NormSettings},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    layer::Emit,
    shape::{axis, check, last},
    sides::Size,
};

fn yes() -> bool {
    true
}

fn epsilon() -> f64 {
    NormSettings::default().epsilon
}

/// The keys of `batch_norm1d` and `batch_norm2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// The number of channels.
    #[serde(default)]
    features: Option<usize>,
    /// Added to variances before the square root.
    #[serde(default = "epsilon")]
    eps: f64,
    /// Whether there are a learned scale and shift.
    #[serde(default = "yes")]
    affine: bool,
}

impl Emit for BatchNorm {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "features", self.features)?;
        let settings = NormSettings { epsilon: self.eps, weight: self.affine, bias: self.affine };
        nn::batch_norm_with(scope, x, settings)
    }
}

/// The keys of `layer_norm`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// Units of the last axis, or a list of the sizes of the last axes, all of which are normalised
    /// together.
    #[serde(default)]
    features: Option<Features>,
    /// Added to variances before the square root.
    #[serde(default = "epsilon")]
    eps: f64,
    /// Whether there is a learned scale.
    #[serde(default = "yes")]
    affine: bool,
    /// Whether there is a learned shift in addition to the scale.
    #[serde(default = "yes")]
    bias: bool,
}

/// Sizes of the last axis, or of several last axes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, or a list of the sizes of the last axes")]
pub enum Features {
    /// The size of the last axis.
    One(usize),
    /// The sizes of the last axes, in order.
    Several(Vec<usize>),
}

impl Emit for LayerNorm {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let stated: &[usize] = match &self.features {
            None => &[],
            Some(Features::One(size)) => std::slice::from_ref(size),
            Some(Features::Several(sizes)) => sizes,
        };
        let shape = scope.shape(x);
        if !shape.ends_with(stated) {
            let problem = format!("says {stated:?}, which is not how the input's shape ends");
            return Err(Error::Shape { operation: "`features`".to_owned(), problem });
        }
        let settings =
            NormSettings { epsilon: self.eps, weight: self.affine, bias: self.affine && self.bias };
        nn::layer_norm_with(scope, x, stated.len().max(1), settings)
    }
}

/// The keys of `rms_norm`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RmsNorm {
    /// Units of the last axis.
    #[serde(default)]
    features: Option<usize>,
    /// Added to the mean square before the square root.
    #[serde(default = "epsilon")]
    eps: f64,
    /// Whether there is a learned scale.
    #[serde(default = "yes")]
    affine: bool,
}

impl Emit for RmsNorm {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, last(scope, x), "features", self.features)?;
        nn::rms_norm_with(scope, x, NormSettings { epsilon: self.eps, weight: self.affine, bias: false })
    }
}

/// The keys of `group_norm`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupNorm {
    /// The number of groups; 1 normalises all channels together, one group per channel is instance
    /// normalisation.
    groups: Size,
    /// The number of channels.
    #[serde(default)]
    features: Option<usize>,
    /// Added to variances before the square root.
    #[serde(default = "epsilon")]
    eps: f64,
    /// Whether there are a learned scale and shift.
    #[serde(default = "yes")]
    affine: bool,
}

impl Emit for GroupNorm {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        check(scope, x, 1, "features", self.features)?;
        let settings = NormSettings { epsilon: self.eps, weight: self.affine, bias: self.affine };
        nn::group_norm_with(scope, x, self.groups.get(), settings)
    }
}

/// The keys of `layer_scale`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerScale {
    /// The number of features.
    #[serde(default)]
    features: Option<usize>,
    /// The initial value of the factors.
    #[serde(default = "small")]
    init: f64,
    /// The axis of the features: 1 for the channels of images; −1 (default), the last, for tokens
    /// and vectors.
    #[serde(default = "minus_one")]
    axis: isize,
}

fn small() -> f64 {
    1e-5
}

fn minus_one() -> isize {
    -1
}

impl Emit for LayerScale {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let axis = axis(scope, x, self.axis)?;
        check(scope, x, axis, "features", self.features)?;
        nn::layer_scale(scope, x, axis, self.init)
    }
}
