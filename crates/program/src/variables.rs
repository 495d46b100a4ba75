//! Variables of differentiation: parameters, or the output of a module.

use crate::{
    Value,
    error::{Error, Result},
};

/// The variables of a derivative: parameters of a network, or the output of one of its modules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Variables {
    /// Parameters, as indices into [`Network::parameters`](crate::Network::parameters).
    Parameters(Vec<usize>),
    /// The output \[N, ...\] of the module of this name: one variable for each element of each
    /// sample. Everything computed before it is held constant. Where samples are not coupled,
    /// second derivatives are block-diagonal over samples.
    Activation(String),
}

impl Variables {
    /// The parameters; none for an activation.
    #[must_use]
    pub fn parameters(&self) -> &[usize] {
        match self {
            Self::Parameters(indices) => indices,
            Self::Activation(_) => &[],
        }
    }
}

/// The parameters at these indices.
///
/// # Errors
/// When an index is out of range or occurs twice.
pub fn chosen(indices: &[usize], parameters: &[Value]) -> Result<Vec<Value>> {
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
