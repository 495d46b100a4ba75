//! Checks of input sizes and of axes, and the layer `reshape`.

use eigenscape_program::{Error, Result, Scope, Value, nn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::layer::Emit;

/// Checks the size that a layer declares under `key` against the size of its input along `axis`.
pub(super) fn check(scope: &Scope, x: Value, axis: usize, key: &str, stated: Option<usize>) -> Result<()> {
    match (stated, scope.shape(x).get(axis)) {
        (Some(stated), Some(&size)) if stated != size => {
            let problem = format!("says {stated}, and the input has {size}: write {size}, or leave it out");
            Err(Error::Shape { operation: format!("`{key}`"), problem })
        }
        _ => Ok(()),
    }
}

/// The number of the last axis.
pub(super) fn last(scope: &Scope, x: Value) -> usize {
    scope.shape(x).len().saturating_sub(1)
}

/// Resolves an axis that is counted from 0 (the samples) or from −1 (the last). The axis of samples
/// is refused, since a layer must not couple samples.
pub(super) fn axis(scope: &Scope, x: Value, axis: isize) -> Result<usize> {
    let rank = scope.shape(x).len();
    let found = if axis < 0 { rank.checked_add_signed(axis) } else { usize::try_from(axis).ok() };
    found.filter(|axis| (1..rank).contains(axis)).ok_or_else(|| {
        let problem = format!(
            "is {axis}, and axes are 1 to {0} or −{0} to −1; 0 is the samples",
            rank.saturating_sub(1)
        );
        Error::Shape { operation: "`axis`".to_owned(), problem }
    })
}

/// The keys of `reshape`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The shape for one sample.
    shape: Vec<usize>,
}

impl Emit for Reshape {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let samples = scope.shape(x).first().copied();
        let shape: Vec<usize> = samples.into_iter().chain(self.shape.iter().copied()).collect();
        if scope.shape(x) == shape {
            return nn::activation(scope, x, nn::Activation::Identity);
        }
        scope.graph().reshape(x, &shape)
    }
}
