//! The command line's choices for an experiment: profile, `--set` values, results folder, cases.

use std::path::PathBuf;

use crate::{
    cases,
    diagnostic::{ConfigError, suggestion},
    document::{Node, Tree},
    extends, overrides,
};

/// Keys that no number depends on.
const WITHOUT_EFFECT: [&str; 3] = ["out", "train.keep_every", "report.tensorboard"];

/// The key of the table of profiles.
const KEY: &str = "profile";

/// Which of the experiment's `[profile.NAME]` tables of overrides applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Shortens what would take days; the default.
    #[default]
    Small,
    /// The experiment at full length.
    Full,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 2] = [Self::Small, Self::Full];

    /// The name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Full => "full",
        }
    }
}

/// The choices made on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// The profile.
    pub profile: Profile,
    /// `--set` flags, in order.
    pub set: Vec<String>,
    /// The parent folder of the results folder, instead of the file's `out`.
    pub out: Option<PathBuf>,
    /// `--only` flags: names of the cases to run; all cases if empty.
    pub only: Vec<String>,
}

impl Choices {
    /// Applies the profile's values, then the `--set` flags, to the document, and removes its
    /// profiles. Returns the profile's changes as text.
    ///
    /// # Errors
    /// When a profile has an unknown name, the path of an override cannot be followed, or an
    /// override sets a key that is read before overrides apply.
    pub fn apply(&self, document: &mut Node) -> Result<Vec<String>, ConfigError> {
        let profiles = document.remove(KEY);
        let mut changes = Vec::new();
        if let Some(profiles) = &profiles {
            check_names(profiles)?;
            if let Some(overrides) = profiles.get(self.profile.name()) {
                changes = overrides::merge(document, overrides)?;
            }
        }
        for flag in &self.set {
            overrides::apply(document, flag)?;
        }
        match [KEY, extends::KEY, cases::KEY].into_iter().find_map(|key| Some((key, document.get(key)?))) {
            None => Ok(changes),
            Some((key, node)) => Err(node.key.error(
                format!(
                    "`{key}` has no effect here: it is read before profiles and `--set` flags are applied"
                ),
                Some(format!("write `{key}` at the top of the file, or set the keys themselves")),
            )),
        }
    }

    /// The changes that the `--set` flags make to a file, as text: "train.epochs=2 (10 in the
    /// file)".
    #[must_use]
    pub fn set_words(&self, document: &Node) -> Vec<String> {
        let words = |flag: &String| {
            let (key, _) = flag.split_once('=')?;
            let instead = match document.find(key.trim()).map(|node| &node.value) {
                Some(Tree::Scalar(value)) => format!(" ({value} in the file)"),
                _ => String::new(),
            };
            Some(format!("{flag}{instead}"))
        };
        let changes_numbers = |flag: &&String| {
            let key = flag.split_once('=').map_or("", |(key, _)| key.trim());
            !WITHOUT_EFFECT.contains(&key)
        };
        self.set.iter().filter(changes_numbers).filter_map(words).collect()
    }

    /// The same choices with each of the other profiles.
    pub fn others(&self) -> impl Iterator<Item = Self> {
        let others = Profile::ALL.into_iter().filter(|profile| *profile != self.profile);
        others.map(|profile| Self { profile, ..self.clone() })
    }
}

/// Whether a document, or one of its sweep's cases, has a table for a profile.
#[must_use]
pub fn mentions(document: &Node, profile: Profile) -> bool {
    let says = |node: &Node| node.get(KEY).is_some_and(|profiles| profiles.get(profile.name()).is_some());
    let cases = document.get("sweep").and_then(|sweep| sweep.get("case"));
    let dotted = |case: &Node| case.keys().any(|key| key.starts_with(KEY));
    says(document)
        || matches!(cases.map(|node| &node.value), Some(Tree::Array(cases)) if cases.iter().any(|case| says(case) || dotted(case)))
}

fn check_names(profiles: &Node) -> Result<(), ConfigError> {
    let known = Profile::ALL.map(Profile::name);
    let Tree::Table(entries) = &profiles.value else {
        let help = "write a table as in [profile.small]".to_owned();
        return Err(profiles.site.error("`profile` must be a table of tables", Some(help)));
    };
    for (name, overrides) in entries {
        if !known.contains(&name.as_str()) {
            let help = suggestion(name, "profiles", &known);
            return Err(overrides.key.error(format!("there is no profile `{name}`"), Some(help)));
        }
    }
    Ok(())
}
