//! Selectors: the entries by which an experiment names groups.

use eigenscape_program::{Network, Parameter, Slice, Variables};
use globset::{GlobBuilder, GlobMatcher};

use super::{Group, is_layer_weight};
use crate::{
    error::{Error, Result},
    registry::nearest,
};

/// An entry of `groups = [...]`, which selects one or more groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupSelector {
    /// All parameters: the group "full".
    Full,
    /// One group per weight tensor of a convolution, linear or recurrent layer (the paper's
    /// layers), named after the tensor.
    Layers,
    /// One group per parameter tensor with an element, named after the tensor.
    Parameters,
    /// One group per module with the module's own tensors (weight and bias together), named after
    /// the module.
    Modules,
    /// One group per top-level module with all its tensors, named after the module.
    Stages,
    /// One group of the tensors n/4 ..= 3n/4 of n in declaration order: the paper's middle layers.
    Middle,
    /// One group of all tensors outside [`Self::Middle`].
    Outer,
    /// One group of all parameters whose names match; `*` and `?` cross dots.
    Glob(String),
    /// One group, with its own name, of all parameters that match any of several globs.
    Named {
        /// The group's name.
        name: String,
        /// Globs over parameter names.
        globs: Vec<String>,
    },
    /// One group per module whose name matches, for its output: "activation:layer2".
    Activation(String),
    /// One group per parameter whose name matches, of a part of it along one axis: the rows
    /// `attn.weight[0:64]`, the columns `attn.weight[:, 0:64]`. Either end may be left out.
    Slice {
        /// A glob over parameter names.
        glob: String,
        /// The axis.
        axis: usize,
        /// The first index; 0 if absent.
        start: Option<usize>,
        /// The index after the last; the size of the axis if absent.
        end: Option<usize>,
    },
}

/// The maximum length of a glob. Braces nest at most as deep as the glob is long, and the regular
/// expression compiled from a glob does not support deeper nesting.
const LONGEST_GLOB: usize = 256;

/// The prefix of a selector of activations.
const ACTIVATION: &str = "activation:";

impl GroupSelector {
    /// The words with a fixed meaning, which are not globs.
    pub const WORDS: [&'static str; 7] =
        ["full", "layers", "parameters", "modules", "stages", "middle", "outer"];
}

impl From<&str> for GroupSelector {
    fn from(word: &str) -> Self {
        match word {
            "full" => Self::Full,
            "layers" => Self::Layers,
            "parameters" => Self::Parameters,
            "modules" => Self::Modules,
            "stages" => Self::Stages,
            "middle" => Self::Middle,
            "outer" => Self::Outer,
            other => match other.strip_prefix(ACTIVATION) {
                Some(modules) => Self::Activation(modules.to_owned()),
                None => slice(other).unwrap_or_else(|| Self::Glob(other.to_owned())),
            },
        }
    }
}

impl GroupSelector {
    /// The groups of `network` that this selector selects. `samples` is the number of samples
    /// analysed: an activation has variables in every sample.
    ///
    /// # Errors
    /// When nothing matches: the error names the most similar parameter, module or word.
    pub fn resolve(&self, network: &Network, samples: usize) -> Result<Vec<Group>> {
        let all = network.parameters();
        let one = |name: &str, indices| vec![Group::of_parameters(name, indices, all)];
        // What is held fixed is in a group only where it is named.
        let open: Vec<usize> = (0..all.len()).filter(|&i| !all[i].frozen).collect();
        let place = |keep: bool| {
            let half = open.iter().enumerate().filter(|(i, _)| is_middle(*i, open.len()) == keep);
            half.map(|(_, index)| *index).collect()
        };
        let groups = match self {
            Self::Full => one("full", open.clone()),
            Self::Parameters => each_tensor(all, |_| true),
            Self::Layers => each_tensor(all, is_layer_weight),
            Self::Modules => by(all, |name| name.rsplit_once('.').map_or(name, |(module, _)| module)),
            Self::Stages => by(all, |name| name.split_once('.').map_or(name, |(stage, _)| stage)),
            Self::Middle => one("middle", place(true)),
            Self::Outer => one("outer", place(false)),
            Self::Glob(glob) => one(glob, matching(glob, all)?),
            Self::Named { name, globs } => one(name, any_matching(globs, all)?),
            Self::Activation(modules) => activations(modules, network, samples)?,
            Self::Slice { glob, axis, start, end } => slices(glob, *axis, [*start, *end], all)?,
        };
        if groups.iter().all(|group| group.dimension == 0) {
            return Err(Error::input(
                "groups",
                format!("the network has no {}", if *self == Self::Layers { "layers" } else { "parameters" }),
                "choose \"parameters\" or a glob over the parameters' names",
            ));
        }
        Ok(groups)
    }
}

/// Whether a tensor is in the middle half as in the published code: n/4 ..= 3n/4 of n tensors.
fn is_middle(index: usize, count: usize) -> bool {
    (count / 4..=3 * count / 4).contains(&index)
}

fn each_tensor(all: &[Parameter], keep: fn(&Parameter) -> bool) -> Vec<Group> {
    let kept = all.iter().enumerate().filter(|(_, p)| !p.frozen && !p.is_empty() && keep(p));
    kept.map(|(i, p)| Group::of_parameters(&p.name, vec![i], all)).collect()
}

/// One group per distinct key of the parameters' names, in the order of first occurrence.
fn by(all: &[Parameter], key: for<'a> fn(&'a str) -> &'a str) -> Vec<Group> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    let is_analysed = |parameter: &Parameter| !parameter.frozen && !parameter.is_empty();
    for (index, parameter) in all.iter().enumerate().filter(|(_, parameter)| is_analysed(parameter)) {
        let key = key(&parameter.name);
        match groups.iter_mut().find(|(name, _)| *name == key) {
            Some((_, indices)) => indices.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    groups.into_iter().map(|(name, indices)| Group::of_parameters(name, indices, all)).collect()
}

fn any_matching(globs: &[String], all: &[Parameter]) -> Result<Vec<usize>> {
    let mut indices = Vec::new();
    for glob in globs {
        indices.extend(matching(glob, all)?);
    }
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

fn matching(glob: &str, all: &[Parameter]) -> Result<Vec<usize>> {
    let matcher = matcher(glob)?;
    let indices: Vec<usize> = (0..all.len()).filter(|&i| matcher.is_match(&all[i].name)).collect();
    if indices.is_empty() {
        let names = all.iter().map(|p| p.name.as_str()).chain(GroupSelector::WORDS);
        let words = format!(
            "use {} or a glob over the parameters' names",
            GroupSelector::WORDS.map(|word| format!("\"{word}\"")).join(", ")
        );
        return Err(nothing(glob, "matches no parameter of the network", nearest(glob, names), words));
    }
    Ok(indices)
}

/// The selector in `name[2:5]` or `name[:, 2:5]`; `None` if the word does not end like that.
fn slice(word: &str) -> Option<GroupSelector> {
    let (glob, inside) = word.strip_suffix(']')?.rsplit_once('[')?;
    let axes: Vec<&str> = inside.split(',').map(str::trim).collect();
    let (last, before) = axes.split_last()?;
    let (start, end) = last.split_once(':')?;
    let end_of = |text: &str| if text.is_empty() { Some(None) } else { text.trim().parse().ok().map(Some) };
    let (start, end) = (end_of(start)?, end_of(end)?);
    let whole = before.iter().all(|axis| *axis == ":");
    whole.then(|| GroupSelector::Slice { glob: glob.to_owned(), axis: before.len(), start, end })
}

fn slices(
    glob: &str,
    axis: usize,
    [start, end]: [Option<usize>; 2],
    all: &[Parameter],
) -> Result<Vec<Group>> {
    let of = |parameter: usize| {
        let Parameter { name, shape, .. } = &all[parameter];
        let size = shape.get(axis).copied().unwrap_or(0);
        let range = start.unwrap_or(0)..end.unwrap_or(size);
        let name = format!("{name}[{}{}:{}]", ":, ".repeat(axis), range.start, range.end);
        if range.is_empty() || range.end > size {
            let problem =
                format!("the tensor's shape is {shape:?}, which has no such part along axis {axis}");
            let remedy = "write [first:end] with 0 <= first < end <= the axis' size, and [:, first:end] for the second axis";
            return Err(Error::input(format!("group \"{name}\""), problem, remedy));
        }
        let dimension = shape.iter().product::<usize>() / size * range.len();
        Ok(Group { name, variables: Variables::Slice(Slice { parameter, axis, range }), dimension })
    };
    matching(glob, all)?.into_iter().map(of).collect()
}

fn activations(glob: &str, network: &Network, samples: usize) -> Result<Vec<Group>> {
    let matcher = matcher(glob)?;
    let activations = network.activations()?;
    let group = |(module, shape): &(String, Vec<usize>)| Group {
        name: format!("{ACTIVATION}{module}"),
        variables: Variables::Activation(module.clone()),
        dimension: samples * shape.iter().product::<usize>(),
    };
    let matched = activations.iter().filter(|(module, _)| matcher.is_match(module));
    let groups: Vec<Group> = matched.map(group).collect();
    if groups.is_empty() {
        let names = activations.iter().map(|(module, _)| module.as_str());
        let near = nearest(glob, names.clone()).map(|module| format!("{ACTIVATION}{module}"));
        let modules = format!("the modules are {}", names.collect::<Vec<_>>().join(", "));
        return Err(nothing(&format!("{ACTIVATION}{glob}"), "names no module of the network", near, modules));
    }
    Ok(groups)
}

fn matcher(glob: &str) -> Result<GlobMatcher> {
    if glob.len() > LONGEST_GLOB {
        let word: String = glob.chars().take(20).collect();
        let problem = format!("is longer than {LONGEST_GLOB} characters");
        return Err(Error::input(format!("group \"{word}...\""), problem, "list several shorter globs"));
    }
    let built = GlobBuilder::new(glob).build().map_err(|error| {
        Error::input(format!("group \"{glob}\""), error.to_string(), "correct the glob's brackets or braces")
    })?;
    Ok(built.compile_matcher())
}

fn nothing(word: &str, problem: &str, nearest: Option<String>, otherwise: String) -> Error {
    let remedy = nearest.map_or(otherwise, |name| format!("did you mean \"{name}\"?"));
    Error::input(format!("group \"{word}\""), problem, remedy)
}

#[cfg(test)]
mod tests {
    use eigenscape_program::nn;

    use super::*;

    /// Five tensors in two top-level modules, `block` and `head`.
    fn network() -> Network {
        let built = Network::new(&[3], |scope, x| {
            let mut block = scope.at("block");
            let x = nn::linear(&mut block.at("0"), x, 3, true)?;
            let x = nn::activation(&mut block.at("1"), x, nn::Activation::Tanh)?;
            let x = nn::linear(&mut block.at("2"), x, 4, true)?;
            nn::linear(&mut scope.at("head"), x, 2, false)
        });
        built.unwrap()
    }

    fn resolved(word: &str) -> Vec<(String, Variables, usize)> {
        let groups = GroupSelector::from(word).resolve(&network(), 5).unwrap();
        groups.into_iter().map(|group| (group.name, group.variables, group.dimension)).collect()
    }

    fn parameters(name: &str, indices: &[usize], dimension: usize) -> (String, Variables, usize) {
        (name.to_owned(), Variables::from(indices), dimension)
    }

    #[test]
    fn words_stand_for_groups_of_parameters() {
        assert_eq!(resolved("full"), [parameters("full", &[0, 1, 2, 3, 4], 36)]);
        let layers = [("block.0.weight", 0, 9), ("block.2.weight", 2, 12), ("head.weight", 4, 8)];
        assert_eq!(resolved("layers"), layers.map(|(name, i, p)| parameters(name, &[i], p)));
        assert_eq!(resolved("parameters").len(), 5);
        let modules = [("block.0", vec![0, 1], 12), ("block.2", vec![2, 3], 16), ("head", vec![4], 8)];
        assert_eq!(resolved("modules"), modules.map(|(name, i, p)| parameters(name, &i, p)));
        assert_eq!(resolved("stages"), [parameters("block", &[0, 1, 2, 3], 28), parameters("head", &[4], 8)]);
        assert_eq!(resolved("middle"), [parameters("middle", &[1, 2, 3], 19)]);
        assert_eq!(resolved("outer"), [parameters("outer", &[0, 4], 17)]);
        assert_eq!(resolved("block.?.bias"), [parameters("block.?.bias", &[1, 3], 7)]);
    }

    #[test]
    fn tensors_without_elements_are_no_groups() {
        let network = Network::new(&[3], |scope, x| {
            scope.at("empty").parameter("weight", &[0, 3], eigenscape_program::Init::Zeros)?;
            nn::linear(&mut scope.at("head"), x, 2, false)
        });
        let network = network.unwrap();
        for word in ["layers", "parameters", "modules", "stages"] {
            assert_eq!(GroupSelector::from(word).resolve(&network, 5).unwrap().len(), 1, "{word}");
        }
    }

    #[test]
    fn a_group_of_several_globs_has_each_parameter_once() {
        let globs = vec!["head*".to_owned(), "*.weight".to_owned()];
        let named = GroupSelector::Named { name: "weights".to_owned(), globs };
        let groups = named.resolve(&network(), 5).unwrap();
        assert_eq!(groups, [Group::of_parameters("weights", vec![0, 2, 4], network().parameters())]);
    }

    #[test]
    fn an_activation_has_variables_in_every_sample() {
        let activation =
            |module: &str, p| (format!("activation:{module}"), Variables::Activation(module.to_owned()), p);
        assert_eq!(resolved("activation:block"), [activation("block", 20)]);
        assert_eq!(resolved("activation:*.[01]"), [activation("block.0", 15), activation("block.1", 15)]);
    }

    #[test]
    fn a_slice_is_a_group_for_each_tensor_that_has_it() {
        let slice = |name: &str, (parameter, axis, range), p| {
            (name.to_owned(), Variables::Slice(Slice { parameter, axis, range }), p)
        };
        assert_eq!(resolved("block.2.weight[1:3]"), [slice("block.2.weight[1:3]", (2, 0, 1..3), 6)]);
        assert_eq!(resolved("head.weight[:, 2:]"), [slice("head.weight[:, 2:4]", (4, 1, 2..4), 4)]);
        assert_eq!(
            resolved("block.*.weight[:1]"),
            [slice("block.0.weight[0:1]", (0, 0, 0..1), 3), slice("block.2.weight[0:1]", (2, 0, 0..1), 3)]
        );
        // A set of letters, as in any glob.
        assert_eq!(resolved("block.[02].bias").len(), 1);
        let refused = |word: &str| GroupSelector::from(word).resolve(&network(), 5).unwrap_err().to_string();
        assert!(refused("head.weight[0:3]").contains("[2, 4], which has no such part along axis 0"));
        assert!(refused("head.weight[1:1]").contains("no such part"));
        assert!(refused("head.weight[:, :, 0:1]").contains("axis 2"));
        assert!(refused("heat.weight[0:1]").contains("did you mean \"head.weight\"?"));
    }

    #[test]
    fn what_matches_nothing_is_refused_with_the_nearest_name() {
        let message = |word: &str| GroupSelector::from(word).resolve(&network(), 5).unwrap_err().to_string();
        assert!(message("blok.0.weight").contains("did you mean \"block.0.weight\"?"));
        assert!(message("stage").contains("did you mean \"stages\"?"));
        assert!(message("activation:heed").contains("did you mean \"activation:head\"?"));
        assert!(message("block.[").contains("correct the glob"));
        assert!(message(&"{".repeat(128).replace('{', "{{")).contains("correct the glob"));
        assert!(message(&["{".repeat(3000), "}".repeat(3000)].concat()).contains("longer than 256"));
        assert!(message(&["{".repeat(128), "a".to_owned(), "}".repeat(127)].concat()).contains("help"));
    }
}
