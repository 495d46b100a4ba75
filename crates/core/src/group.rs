//! Groups: sets of parameters that are analysed together.

use eigenscape_autodiff::Parameter;
use globset::GlobBuilder;

use crate::error::{Error, Result};

/// Parameters analysed together: the rows and columns of one diagonal block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// "full", a parameter's name, a module's name, or the glob that selected it.
    pub name: String,
    /// Indices into the network's parameters, ascending.
    pub parameters: Vec<usize>,
    /// P: how many scalars they hold.
    pub dimension: usize,
}

/// A word of `groups = [...]`: it stands for one group or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupSelector {
    /// All parameters: the group "full".
    Full,
    /// Each weight tensor of a convolution or linear layer (the paper's layers), named by it.
    Layers,
    /// Each parameter tensor, named by it.
    Parameters,
    /// The tensors of each module (weight and bias together), named by the module.
    Modules,
    /// One group of all parameters whose names match; `*` and `?` cross dots.
    Glob(String),
}

impl GroupSelector {
    /// The words that are not globs.
    pub const WORDS: [&'static str; 4] = ["full", "layers", "parameters", "modules"];
}

impl From<&str> for GroupSelector {
    fn from(word: &str) -> Self {
        match word {
            "full" => Self::Full,
            "layers" => Self::Layers,
            "parameters" => Self::Parameters,
            "modules" => Self::Modules,
            glob => Self::Glob(glob.to_owned()),
        }
    }
}

impl GroupSelector {
    /// The groups that this selector stands for in a network with these parameters.
    ///
    /// # Errors
    /// When nothing matches: the error names the most similar parameter or word.
    pub fn resolve(&self, parameters: &[Parameter]) -> Result<Vec<Group>> {
        let groups = match self {
            Self::Full => vec![group("full", (0..parameters.len()).collect(), parameters)],
            Self::Parameters => one_each(parameters, |_| true),
            Self::Layers => one_each(parameters, is_layer_weight),
            Self::Modules => modules(parameters),
            Self::Glob(glob) => vec![group(glob, matching(glob, parameters)?, parameters)],
        };
        if groups.is_empty() {
            return Err(Error::input(
                "groups",
                format!("the network has no {}", if *self == Self::Layers { "layers" } else { "parameters" }),
                "choose \"parameters\" or a glob over the parameters' names",
            ));
        }
        Ok(groups)
    }
}

/// Whether a parameter is the weight of a convolution or linear layer.
#[must_use]
pub fn is_layer_weight(parameter: &Parameter) -> bool {
    parameter.shape.len() >= 2 && parameter.name.rsplit('.').next() == Some("weight")
}

fn group(name: &str, indices: Vec<usize>, parameters: &[Parameter]) -> Group {
    let dimension = indices.iter().map(|&i| parameters[i].shape.iter().product::<usize>()).sum();
    Group { name: name.to_owned(), parameters: indices, dimension }
}

fn one_each(parameters: &[Parameter], keep: fn(&Parameter) -> bool) -> Vec<Group> {
    let kept = parameters.iter().enumerate().filter(|(_, p)| keep(p));
    kept.map(|(i, p)| group(&p.name, vec![i], parameters)).collect()
}

fn modules(parameters: &[Parameter]) -> Vec<Group> {
    let mut modules: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let module = parameter.name.rsplit_once('.').map_or(parameter.name.as_str(), |(module, _)| module);
        match modules.iter_mut().find(|(name, _)| *name == module) {
            Some((_, indices)) => indices.push(index),
            None => modules.push((module, vec![index])),
        }
    }
    modules.into_iter().map(|(name, indices)| group(name, indices, parameters)).collect()
}

fn matching(glob: &str, parameters: &[Parameter]) -> Result<Vec<usize>> {
    let matcher = GlobBuilder::new(glob)
        .build()
        .map_err(|error| {
            Error::input(format!("group \"{glob}\""), error.to_string(), "mend the glob's brackets or braces")
        })?
        .compile_matcher();
    let indices: Vec<usize> =
        (0..parameters.len()).filter(|&i| matcher.is_match(&parameters[i].name)).collect();
    if indices.is_empty() {
        let names = parameters.iter().map(|p| p.name.as_str()).chain(GroupSelector::WORDS);
        let nearest = crate::registry::nearest(glob, names);
        return Err(Error::input(
            format!("group \"{glob}\""),
            "matches no parameter of the network",
            nearest.map_or_else(
                || "use full, layers, parameters, modules or a glob over the parameters' names".to_owned(),
                |name| format!("did you mean \"{name}\"?"),
            ),
        ));
    }
    Ok(indices)
}
