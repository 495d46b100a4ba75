//! The registry: plugins by kind and name, each with its parameters as one checked type.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    path::PathBuf,
};

use eigenscape_runtime::Definitions;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::{Architecture, Dataset, Distance, LossFunction, ProbeEstimator, Regularizer, error::Error};

/// Every plugin known to a binary.
///
/// A plugin crate offers `pub fn register(registry: &mut Registry)`; the binary calls each in one
/// visible list.
pub struct Registry {
    /// `model.name`
    pub architectures: Catalog<dyn Architecture>,
    /// `data.name`
    pub datasets: Catalog<dyn Dataset>,
    /// `probe.estimator`
    pub estimators: Catalog<dyn ProbeEstimator>,
    /// `distance.name`
    pub distances: Catalog<dyn Distance>,
    /// `loss`
    pub losses: Catalog<dyn LossFunction>,
    /// The losses used where an experiment names none.
    pub default_losses: DefaultLosses,
    /// `train.regularizer.name`
    pub regularizers: Catalog<dyn Regularizer>,
    /// The definitions that evaluate operations that are not built in. Networks, losses and
    /// penalties of plugins may emit these operations.
    pub operations: Definitions,
    /// The number of plugins and operations when [`Self::complete`] was called.
    own: usize,
}

/// Two plugins of one kind that have the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// "estimator", ...
    pub kind: &'static str,
    /// The name that both have.
    pub name: &'static str,
    /// What each does, in one line, in the order in which they were added.
    pub summaries: [&'static str; 2],
}

impl From<&Clash> for Error {
    fn from(Clash { kind, name, summaries: [first, second] }: &Clash) -> Self {
        Self::input(
            format!("{kind} `{name}`"),
            format!("two plugins have this name: \"{first}\" and \"{second}\""),
            "give one of them another name where it is registered, or register one alone",
        )
    }
}

/// The names of the default losses, used where an experiment names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DefaultLosses {
    /// The loss for class targets.
    pub classes: Option<&'static str>,
    /// The loss for real targets.
    pub values: Option<&'static str>,
    /// Where there are no targets.
    pub nothing: Option<&'static str>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            architectures: Catalog::new("architecture"),
            datasets: Catalog::new("dataset"),
            estimators: Catalog::new("estimator"),
            distances: Catalog::new("distance"),
            losses: Catalog::new("loss"),
            default_losses: DefaultLosses::default(),
            regularizers: Catalog::new("regularizer"),
            operations: Definitions::default(),
            own: 0,
        }
    }
}

impl Registry {
    /// Marks all plugins registered so far as Eigenscape's own. Plugins added later count as
    /// [others](Self::has_others).
    #[must_use]
    pub fn complete(self) -> Self {
        Self { own: self.len(), ..self }
    }

    /// Whether plugins from elsewhere are registered. If so, Eigenscape's version alone does not
    /// determine which numbers a program computes.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.len() != self.own
    }

    /// The number of plugins and operations.
    fn len(&self) -> usize {
        let Self { architectures, datasets, estimators, distances, losses, regularizers, operations, .. } =
            self;
        architectures.entries.len()
            + datasets.entries.len()
            + estimators.entries.len()
            + distances.entries.len()
            + losses.entries.len()
            + regularizers.entries.len()
            + operations.len()
    }

    /// Every pair of plugins of one kind with the same name.
    pub fn clashes(&self) -> impl Iterator<Item = &Clash> {
        let Self { architectures, datasets, estimators, distances, losses, regularizers, .. } = self;
        architectures
            .clashes
            .iter()
            .chain(&datasets.clashes)
            .chain(&estimators.clashes)
            .chain(&distances.clashes)
            .chain(&losses.clashes)
            .chain(&regularizers.clashes)
    }

    /// Refuses two plugins of one kind with the same name, since the name is ambiguous.
    ///
    /// # Errors
    /// The error names the first clash.
    pub fn check(&self) -> Result<(), Error> {
        self.clashes().next().map_or(Ok(()), |clash| Err(clash.into()))
    }
}

/// What a plugin may need to know about the experiment when it is built.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The folder of the experiment's file: relative paths are looked up here first.
    pub base: PathBuf,
    /// The label that the loss ignores, if any.
    pub ignored_label: Option<i64>,
    /// The tensors that an example consists of, where the network has names for them.
    pub inputs: Vec<String>,
    /// Whether the loss uses no targets, so that the data need not have any.
    pub without_targets: bool,
}

impl Environment {
    /// `path` as it is when absolute or present in the current folder only; otherwise relative to
    /// the experiment's file.
    #[must_use]
    pub fn resolve(&self, path: &std::path::Path) -> PathBuf {
        let beside = self.base.join(path);
        if !beside.exists() && path.exists() { path.to_owned() } else { beside }
    }
}

/// Why a plugin could not be built from a name and a table of parameters.
#[derive(Debug)]
pub enum PluginError {
    /// No plugin of this kind has the name.
    UnknownName {
        /// "estimator", ...
        kind: &'static str,
        /// The requested name.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
        /// Every known name.
        known: Vec<String>,
    },
    /// A parameter is unknown, of a wrong type, or out of its range.
    Parameter {
        /// The parameter's key (dotted when nested), empty for the table itself.
        key: String,
        /// What is wrong.
        problem: String,
        /// The most similar known key, for an unknown one.
        nearest: Option<String>,
    },
    /// The parameters are fine but the plugin cannot be built (a missing file, say).
    Build(Error),
}

type Constructor<T> = Box<dyn Fn(toml::Table, &Environment) -> Result<Box<T>, PluginError> + Send + Sync>;

/// A plugin's entry in a [`Catalog`].
pub struct Entry<T: ?Sized> {
    /// What it does, in one line.
    pub summary: &'static str,
    /// The keys of its parameters.
    pub keys: BTreeSet<String>,
    /// JSON schema of its parameters.
    pub schema: Schema,
    construct: Constructor<T>,
}

/// The plugins of one kind.
pub struct Catalog<T: ?Sized> {
    /// "estimator", ...
    pub kind: &'static str,
    entries: BTreeMap<&'static str, Entry<T>>,
    clashes: Vec<Clash>,
}

/// A plugin built from parameters, and the parameter keys that it ignored.
pub struct Built<T: ?Sized> {
    /// The plugin.
    pub plugin: Box<T>,
    /// Keys that this plugin does not have but another plugin of its kind does. Ignoring them lets
    /// a user swap `lanczos` for `gram` by changing one word.
    pub ignored: Vec<String>,
}

impl<T: ?Sized + 'static> Catalog<T> {
    fn new(kind: &'static str) -> Self {
        Self { kind, entries: BTreeMap::new(), clashes: Vec::new() }
    }

    /// The names of the plugins that have the parameter `key`.
    pub fn with_key(&self, key: &str) -> impl Iterator<Item = &'static str> {
        self.iter().filter(move |(_, entry)| entry.keys.contains(key)).map(|(name, _)| name)
    }

    /// Adds a plugin whose parameters are the type `P` (with `#[serde(deny_unknown_fields)]` and
    /// documented defaults). `construct` turns the raw parameters into the checked plugin. If
    /// another plugin of this kind has the same name, [`Registry::check`] and [`Self::build`]
    /// refuse the name from then on.
    pub fn add<P: DeserializeOwned + JsonSchema>(
        &mut self,
        name: &'static str,
        summary: &'static str,
        construct: impl Fn(P, &Environment) -> Result<Box<T>, Error> + Send + Sync + 'static,
    ) {
        let schema = SchemaGenerator::default().into_root_schema_for::<P>();
        let keys = property_names(&schema);
        let construct: Constructor<T> = Box::new(move |table, environment| {
            let parameters = serde_path_to_error::deserialize::<_, P>(table).map_err(|error| {
                let path = error.path().to_string();
                PluginError::Parameter {
                    key: if path == "." { String::new() } else { path },
                    problem: error.into_inner().message().to_owned(),
                    nearest: None,
                }
            })?;
            construct(parameters, environment).map_err(PluginError::Build)
        });
        match self.entries.entry(name) {
            btree_map::Entry::Vacant(free) => drop(free.insert(Entry { summary, keys, schema, construct })),
            btree_map::Entry::Occupied(taken) => {
                let summaries = [taken.get().summary, summary];
                self.clashes.push(Clash { kind: self.kind, name, summaries });
            }
        }
    }

    /// Names with their entries, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Entry<T>)> {
        self.entries.iter().map(|(name, entry)| (*name, entry))
    }

    /// Builds the plugin `name` from its parameters (the table without the key `name`).
    ///
    /// # Errors
    /// For an unknown name, a name that two plugins have, a key that no plugin of this kind has, a
    /// value of the wrong type, or a failure to build.
    pub fn build(
        &self,
        name: &str,
        mut parameters: toml::Table,
        environment: &Environment,
    ) -> Result<Built<T>, PluginError> {
        let entry = self.entries.get(name).ok_or_else(|| PluginError::UnknownName {
            kind: self.kind,
            name: name.to_owned(),
            nearest: nearest(name, self.entries.keys().copied()),
            known: self.entries.keys().map(|k| (*k).to_owned()).collect(),
        })?;
        if let Some(clash) = self.clashes.iter().find(|clash| clash.name == name) {
            return Err(PluginError::Build(clash.into()));
        }
        let mut ignored = Vec::new();
        let unknown: Vec<String> =
            parameters.keys().filter(|key| !entry.keys.contains(*key)).cloned().collect();
        for key in unknown {
            if !self.entries.values().any(|other| other.keys.contains(&key)) {
                return Err(PluginError::Parameter {
                    problem: format!("{} `{name}` has no key `{key}`", self.kind),
                    nearest: nearest(&key, entry.keys.iter().map(String::as_str)),
                    key,
                });
            }
            parameters.remove(&key);
            ignored.push(key);
        }
        let plugin = (entry.construct)(parameters, environment)?;
        Ok(Built { plugin, ignored })
    }

    /// The plugin `name`, built from parameters written as a TOML table (`"steps = 64"`); an empty
    /// text selects the defaults.
    ///
    /// # Errors
    /// Those of [`Self::build`], and for a key that only another plugin has.
    pub fn named(&self, name: &str, parameters: &str) -> Result<Box<T>, Error> {
        let refused = |problem: String, remedy: &str| {
            Err(Error::input(format!("{} `{name}`", self.kind), problem, remedy))
        };
        let known = |word: &str, nearest: Option<String>, all: Vec<&str>| {
            let meant = nearest.map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default();
            format!("{meant}known {}: {}", plural(word), all.join(", "))
        };
        let keys = |of: Option<&Entry<T>>| {
            known("key", None, of.iter().flat_map(|entry| &entry.keys).map(String::as_str).collect())
        };
        let table = match parameters.parse() {
            Ok(table) => table,
            Err(error) => return refused(format!("{error}"), "write its keys as in a TOML table"),
        };
        match self.build(name, table, &Environment::default()) {
            Ok(Built { plugin, ignored }) if ignored.is_empty() => Ok(plugin),
            Ok(Built { ignored, .. }) => {
                refused(format!("it has no key `{}`", ignored.join("`, `")), &keys(self.entries.get(name)))
            }
            Err(PluginError::UnknownName { nearest, known: all, .. }) => {
                let all = all.iter().map(String::as_str).collect();
                refused("there is none of this name".to_owned(), &known(self.kind, nearest, all))
            }
            Err(PluginError::Parameter { problem, .. }) => refused(problem, &keys(self.entries.get(name))),
            Err(PluginError::Build(error)) => Err(error),
        }
    }
}

/// The plural of a kind's name: "losses" for "loss".
#[must_use]
pub fn plural(kind: &str) -> String {
    let ending = if kind.ends_with('s') { "es" } else { "s" };
    format!("{kind}{ending}")
}

fn property_names(schema: &Schema) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(|p| p.as_object());
    properties.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

/// The candidate most similar to `word`, if any is similar enough (Jaro-Winkler similarity above
/// 0.7). Words and candidates of more than 200 bytes are never similar, since the comparison takes
/// time proportional to the product of the lengths.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 200;
    // The comparison ignores case: "SGD" is similar to "sgd".
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| word.len().max(candidate.len()) <= LONGEST)
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Spectrum, error::Result};

    struct Zero;

    impl Distance for Zero {
        fn distance(&self, _left: &Spectrum, _right: &Spectrum) -> Result<f64> {
            Ok(0.0)
        }

        fn is_metric(&self) -> bool {
            false
        }

        fn description(&self) -> String {
            "zero".to_owned()
        }
    }

    #[derive(serde::Deserialize, JsonSchema)]
    struct NoKeys {}

    fn add(registry: &mut Registry, name: &'static str, summary: &'static str) {
        registry.distances.add::<NoKeys>(name, summary, |_, _| Ok(Box::new(Zero)));
    }

    #[test]
    fn two_plugins_of_one_name_are_refused_with_both() {
        let mut registry = Registry::default();
        add(&mut registry, "mine", "the first");
        add(&mut registry, "other", "another");
        let mut registry = registry.complete();
        assert!(registry.check().is_ok() && !registry.has_others());
        add(&mut registry, "mine", "the second");
        let error = registry.check().unwrap_err().to_string();
        assert!(error.contains("distance `mine`"), "{error}");
        assert!(error.contains("the first") && error.contains("the second"), "{error}");
        let build = |name| registry.distances.build(name, toml::Table::new(), &Environment::default());
        assert!(matches!(build("mine"), Err(PluginError::Build(again)) if again.to_string() == error));
        assert!(build("other").is_ok());
        assert!(!registry.has_others(), "what is refused is no plugin");
        add(&mut registry, "more", "from elsewhere");
        assert!(registry.has_others());
    }

    #[test]
    fn a_plugin_by_name_or_what_is_wrong_with_it() {
        let mut registry = Registry::default();
        add(&mut registry, "mine", "the first");
        assert!(registry.distances.named("mine", "").is_ok());
        for (name, parameters, words) in [
            ("mind", "", "did you mean `mine`"),
            ("mine", "order = 1", "no key `order`"),
            ("mine", "order", "TOML"),
        ] {
            let error = registry.distances.named(name, parameters).map(drop).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(name), "{error}");
        }
    }

    /// Plugins of different kinds may share a name: an experiment names them under different keys.
    #[test]
    fn one_name_for_two_kinds_is_no_clash() {
        let mut registry = Registry::default();
        add(&mut registry, "mine", "a distance");
        registry.losses.add::<NoKeys>("mine", "a loss", |_, _| Err(Error::input("loss", "none", "none")));
        assert!(registry.check().is_ok());
    }
}
