//! The parameters that a penalty depends on.

use std::fmt;

use eigenscape_core::{Error, GroupSelector, Result};
use eigenscape_program::{Network, Variables};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The key `groups`: "full", "layers", "middle", "outer", ... or globs over parameter names. All
/// named parameters count together, each of them once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "expected a word such as \"full\" or \"middle\", a glob, or a list of these")]
pub enum Groups {
    /// One word or glob.
    One(String),
    /// Several words or globs.
    Several(Vec<String>),
}

impl Default for Groups {
    fn default() -> Self {
        Self::One("full".to_owned())
    }
}

impl Groups {
    fn words(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Several(words) => words,
        }
    }

    /// The named parameters of `network`, in ascending order.
    ///
    /// # Errors
    /// When nothing is named, or a name is an activation, a slice or unknown to the network.
    pub fn parameters(&self, network: &Network) -> Result<Variables> {
        let mut all = Vec::new();
        for word in self.words() {
            let selector = GroupSelector::from(word.as_str());
            if let GroupSelector::Activation(_) | GroupSelector::Slice { .. } = selector {
                let problem =
                    format!("\"{word}\" does not select whole parameter tensors, which a penalty needs");
                return Err(Error::input(
                    "groups",
                    problem,
                    "use \"full\", \"layers\", ... or globs over parameter names",
                ));
            }
            let groups = selector.resolve(network, 1).map_err(at_this_key)?;
            all.extend(groups.iter().flat_map(|group| group.variables.parameters()));
        }
        if all.is_empty() {
            return Err(Error::input("groups", "the list of groups is empty", "use for example \"full\""));
        }
        all.sort_unstable();
        all.dedup();
        Ok(Variables::Parameters(all))
    }
}

/// The error with the key `groups` as its subject.
fn at_this_key(error: Error) -> Error {
    match error {
        Error::Input { subject, problem, remedy } => {
            Error::input("groups", format!("{subject}: {problem}"), remedy)
        }
        other => other,
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_program::nn;

    use super::*;

    #[test]
    fn what_is_named_counts_once() {
        let network = Network::new(&[3], |scope, x| {
            let x = nn::linear(&mut scope.at("a"), x, 4, true)?;
            nn::linear(&mut scope.at("b"), x, 2, true)
        });
        let network = network.unwrap();
        let several = |words: &[&str]| Groups::Several(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(several(&["b.*", "layers"]).parameters(&network).unwrap(), (&[0, 2, 3]).into());
        assert_eq!(Groups::default().parameters(&network).unwrap(), (&[0, 1, 2, 3]).into());
        for (groups, word) in [
            (several(&[]), "empty"),
            (several(&["activation:a"]), "whole parameter tensors"),
            (several(&["a.weight[0:2]"]), "whole parameter tensors"),
            (Groups::One("c.*".to_owned()), "c.*"),
        ] {
            let message = groups.parameters(&network).unwrap_err().to_string();
            assert!(message.starts_with("groups: ") && message.contains(word), "{message}");
        }
    }
}
