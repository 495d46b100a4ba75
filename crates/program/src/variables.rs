//! Variables of differentiation: parameters, or the output of a module.

use std::ops::Range;

use crate::{
    Graph, Value,
    error::{Error, Result},
    module_output::activation,
};

/// The variables of a derivative: parameters of a network, a part of one, or the output of one of
/// its modules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Variables {
    /// Parameters, as indices into [`Network::parameters`](crate::Network::parameters).
    Parameters(Vec<usize>),
    /// The output \[N, ...\] of the module of this name: one variable for each element of each
    /// sample. Everything computed before it is held constant. Where samples are not coupled,
    /// second derivatives are block-diagonal over samples.
    Activation(String),
    /// A slice of one parameter.
    Slice(Slice),
}

/// A slice of a parameter along one axis: the rows of some heads in a matrix, say. The rest of the
/// parameter is held constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slice {
    /// The parameter, as an index into [`Network::parameters`](crate::Network::parameters).
    pub parameter: usize,
    /// The axis.
    pub axis: usize,
    /// The indices along the axis, of which there is at least one.
    pub range: Range<usize>,
}

impl Slice {
    /// The ranges along the axis, which has `size` indices, before, in and after the slice, without
    /// empty ones.
    pub fn pieces(&self, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let Range { start, end } = self.range;
        [0..start, start..end, end..size].into_iter().filter(|range| !range.is_empty())
    }
}

impl Variables {
    /// The parameters; none for an activation or a slice.
    #[must_use]
    pub fn parameters(&self) -> &[usize] {
        match self {
            Self::Parameters(indices) => indices,
            Self::Activation(_) | Self::Slice(_) => &[],
        }
    }
}

/// The parameters at these indices.
///
/// # Errors
/// When an index is out of range or occurs twice.
fn chosen(indices: &[usize], parameters: &[Value]) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(indices.len());
    for &index in indices {
        let Some(&value) = parameters.get(index) else {
            let problem =
                format!("there is no parameter {index}: the network has {} of them", parameters.len());
            return Err(Error::shape("group", problem));
        };
        if values.contains(&value) {
            return Err(Error::shape("group", format!("parameter {index} is named twice")));
        }
        values.push(value);
    }
    Ok(values)
}

/// The values of a group in a network's graph.
///
/// # Errors
/// When there is no such parameter or activation, or the group is a slice, which is one value only
/// in the network that is [cut](crate::Network::cut) there.
pub fn selected(
    group: &Variables,
    graph: &Graph,
    (x, parameters, outputs): (Value, &[Value], Value),
) -> Result<Vec<Value>> {
    match group {
        Variables::Parameters(indices) => chosen(indices, parameters),
        Variables::Activation(module) => Ok(vec![activation(graph, x, outputs, module)?]),
        Variables::Slice(_) => {
            Err(Error::shape("group", "a slice of a parameter is no value of this network"))
        }
    }
}

impl From<&Self> for Variables {
    fn from(variables: &Self) -> Self {
        variables.clone()
    }
}

impl From<&[usize]> for Variables {
    fn from(parameters: &[usize]) -> Self {
        Self::Parameters(parameters.to_vec())
    }
}

impl<const K: usize> From<&[usize; K]> for Variables {
    fn from(parameters: &[usize; K]) -> Self {
        Self::Parameters(parameters.to_vec())
    }
}

impl From<&Vec<usize>> for Variables {
    fn from(parameters: &Vec<usize>) -> Self {
        Self::Parameters(parameters.clone())
    }
}
