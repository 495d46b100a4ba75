//! Group normalisation.

use super::{Moments, NormSettings, Normalisation};
use crate::{
    Scope, Value,
    error::{Error, Result},
};

/// Group normalisation of x \[N, C, ...\]: each of `groups` groups of channels is normalised by its
/// own mean and variance (Wu & He 2018); parameters `weight` and `bias` \[C\], ε = 1e-5.
///
/// # Errors
/// When the groups do not divide the channels.
pub fn group_norm(scope: &mut Scope, x: Value, groups: usize) -> Result<Value> {
    group_norm_with(scope, x, groups, NormSettings::default())
}

/// As [`group_norm`], with settings. With one group per channel, it is instance normalisation
/// (Ulyanov et al. 2016).
///
/// # Errors
/// When the groups do not divide the channels.
pub fn group_norm_with(scope: &mut Scope, x: Value, groups: usize, settings: NormSettings) -> Result<Value> {
    let &[_, channels, ..] = scope.shape(x).as_slice() else {
        let problem = format!("needs an input [N, C, ...], not {:?}", scope.shape(x));
        return Err(Error::shape("group_norm", problem));
    };
    let learned = settings.declare(scope, &[channels])?;
    group_norm_by(scope, x, groups, learned)
}

/// As [`group_norm`], with given γ and β \[C\].
///
/// # Errors
/// When the groups do not divide the channels, or γ or β has another size.
pub fn group_norm_by(scope: &mut Scope, x: Value, groups: usize, learned: Normalisation) -> Result<Value> {
    let shape = scope.shape(x);
    let &[samples, channels, ..] = shape.as_slice() else {
        return Err(Error::shape("group_norm", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    if groups == 0 || channels % groups != 0 {
        return Err(Error::shape("group_norm", format!("{groups} groups do not divide {channels} channels")));
    }
    let graph = scope.graph();
    let elements = shape.iter().product::<usize>() / (samples * groups).max(1);
    let grouped = graph.reshape(x, &[samples, groups, elements])?;
    let moments = Moments::new(graph, grouped, &[2])?;
    let normal = moments.normalise(graph, learned.epsilon)?;
    let normal = graph.reshape(normal, &shape)?;
    learned.scale_and_shift(graph, normal, 1..2)
}
