//! Groups: sets of variables that are analysed together.

mod selector;

use std::collections::BTreeSet;

use eigenscape_program::{Parameter, Variables};

pub use self::selector::GroupSelector;

/// Variables analysed together: the rows and columns of one diagonal block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// "full", a parameter's name, a module's name, the glob that selected it, or the name that an
    /// experiment gave it.
    pub name: String,
    /// The variables.
    pub variables: Variables,
    /// P, the number of scalars in the variables.
    pub dimension: usize,
}

impl Group {
    /// The union of the parameters of several groups, named "all groups"; `all` are the parameters
    /// of the network.
    #[must_use]
    pub fn of_all(groups: &[Self], all: &[Parameter]) -> Self {
        let indices: BTreeSet<usize> =
            groups.iter().flat_map(|group| group.variables.parameters()).copied().collect();
        Self::of_parameters("all groups", indices.into_iter().collect(), all)
    }

    /// The group of the parameters at `indices` (ascending) of `all`.
    fn of_parameters(name: &str, indices: Vec<usize>, all: &[Parameter]) -> Self {
        let dimension = indices.iter().map(|&i| all[i].shape.iter().product::<usize>()).sum();
        Self { name: name.to_owned(), variables: Variables::Parameters(indices), dimension }
    }
}

/// Whether a parameter is the weight of a convolution or linear layer, or one of a recurrent
/// layer's (`weight_ih_l0`), a recurrent cell's (`weight_ih`) or of attention's (`in_proj_weight`).
#[must_use]
pub fn is_layer_weight(parameter: &Parameter) -> bool {
    let name = parameter.name.rsplit('.').next().unwrap_or_default();
    let recurrent = ["weight_ih", "weight_hh"].iter().any(|start| name.starts_with(start));
    parameter.shape.len() >= 2 && (name == "weight" || name.ends_with("_weight") || recurrent)
}
