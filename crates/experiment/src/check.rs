//! From the raw experiment to the checked plan.

mod augment;
mod checkpoint;
mod device;
mod distance;
mod expect;
mod loss;
mod memory;
pub(crate) mod names;
pub(crate) mod plugin;
mod probe;
mod profiles;
mod train;
mod twins;

use std::{path::Path, sync::Arc};

use eigenscape_core::{Dataset, Registry, Split, account::bytes, registry::Environment};
use eigenscape_formats::memory::of_machine;

pub use self::loss::default_losses;
pub(crate) use self::probe::CURVATURES;
use self::{device::Computing, twins::Twins};
use crate::{
    artifacts, cases,
    checkpoint::Selection,
    choices::Choices,
    diagnostic::{ConfigError, Failure, Located, Result, suggestion},
    document::{Node, Tree},
    limits,
    plan::{DistancePlan, ExperimentPlan, LossPlan, ModelPlan, ProbePlan, RunPlan, Shortened, TrainPlan},
    raw, read, resolved,
    sweep::{self, Combination},
};

/// Names reserved beside the results folders: the page of all claims and its figures.
const STUDY: [&str; 2] = ["claims.html", "claims-figures"];

/// Reads the file of a single experiment with everything that it inherits, applies the command
/// line's choices, and checks everything that can be checked before the network is built. For a
/// file with several experiments see [`cases::read`].
///
/// # Errors
/// The first invalid value in the files or the flags.
pub fn plan(file: &Path, choices: &Choices, registry: &Registry) -> Result<ExperimentPlan> {
    let experiments = cases::read(file, choices)?;
    cases::only(&experiments, &file.display().to_string(), "--only")?.plan(choices, registry)
}

/// Like [`plan`], for a document that was already read.
///
/// # Errors
/// The first invalid value in the document.
pub fn document_plan(
    document: &Node,
    environment: &Environment,
    choices: &Choices,
    registry: &Registry,
) -> Result<ExperimentPlan> {
    let expanded = sweep::expand(document, choices)?;
    let mut cache = DataCache::default();
    let mut twins = Twins::default();
    let mut warnings = Vec::new();
    let mut runs = Vec::new();
    let mut first = None;
    let mut measurements = 0;
    for combination in &expanded.runs {
        let raw = read::experiment(&combination.document, registry)?;
        let mut checker = Checker::new(&combination.document, registry, environment);
        checker.identity(&raw)?;
        if twins.is_seen(combination, &raw, registry) {
            continue;
        }
        let run = checker.run(combination, &raw, &mut cache)?;
        measurements += run.probes.iter().map(|probe| probe.epochs.len()).sum::<usize>();
        checker.at_most_measurements(measurements)?;
        runs.push(run);
        warnings.extend(checker.warnings);
        first.get_or_insert((&combination.document, raw));
    }
    let (document_of_first, raw) = first.ok_or_else(|| Failure::Usage {
        problem: "the experiment has no runs".to_owned(),
        remedy: "give every list of [sweep] at least one value".to_owned(),
    })?;
    let count = runs.len();
    let shared = Arc::default();
    for run in &mut runs {
        (run.runs, run.other_data) = (count, cache.bytes_beside(&run.data));
        run.shared = Arc::clone(&shared);
    }
    profiles::check_others(document, environment, choices, registry)?;
    let same = twins.variants();
    let mut checker = Checker { same: &same, ..Checker::new(document_of_first, registry, environment) };
    let expectations = checker.expectations(&raw, &runs)?;
    warnings.extend(checker.warnings);
    warnings.extend(twins.warning());
    warnings.extend(nothing_measured(&raw));
    warnings.sort();
    warnings.dedup();
    let directory = artifacts::followed(choices.out.as_ref().unwrap_or(&raw.out).join(&raw.name))?;
    let changes = expanded.changes;
    let profile = (!changes.is_empty()).then(|| Shortened { profile: choices.profile.name(), changes });
    let resolved = resolved::toml(&expanded.document, registry);
    Ok(ExperimentPlan {
        name: raw.name,
        directory,
        runs,
        warnings,
        resolved,
        expectations,
        expect: document_of_first.at("expect").clone(),
        profile,
        set: choices.set_words(document),
    })
}

/// A warning for an experiment without probes.
fn nothing_measured(raw: &raw::Experiment) -> Option<String> {
    let what = match (raw.probe.is_empty(), &raw.train) {
        (false, _) => return None,
        (true, Some(_)) => "the network is trained, and no curvature is measured",
        (true, None) => "the loss alone is measured",
    };
    Some(format!("there is no [[probe]]: {what}"))
}

/// The file and renaming of the checkpoint in a document's table \[model\]. The file need not
/// exist.
///
/// # Errors
/// When one of its keys cannot be used.
pub fn checkpoint_names(document: &Node, model: &raw::Model) -> Result<Selection, ConfigError> {
    let (registry, environment) = (&Registry::default(), &Environment::default());
    let checker = Checker::new(document, registry, environment);
    model.checkpoint.as_ref().map_or_else(|| Ok(Selection::default()), |raw| checker.selection(raw))
}

/// The loss that a document names, with the default losses.
///
/// # Errors
/// When the named loss cannot be used.
pub fn loss(document: &Node, registry: &Registry) -> Result<LossPlan, ConfigError> {
    let raw: Option<raw::Loss> = document.get("loss").map(|_| read::part(document, "loss")).transpose()?;
    Checker::new(document, registry, &Environment::default()).loss(raw.as_ref())
}

/// Refuses integers in the model's table that are too large to be sizes, because computations with
/// them would overflow.
fn small_sizes(node: &Node, path: &str) -> Result<(), ConfigError> {
    match &node.value {
        Tree::Scalar(toml::Value::Integer(size)) if size.unsigned_abs() > limits::SIZE.unsigned_abs() => {
            let help = format!("use a number up to {}", limits::SIZE);
            Err(node.site.error(format!("`{path}` is {size}, which is no size of a network"), Some(help)))
        }
        Tree::Scalar(_) => Ok(()),
        Tree::Array(elements) => {
            let mut elements = elements.iter().enumerate();
            elements.try_for_each(|(index, element)| small_sizes(element, &format!("{path}[{index}]")))
        }
        Tree::Table(entries) => {
            entries.iter().try_for_each(|(key, value)| small_sizes(value, &format!("{path}.{key}")))
        }
    }
}

/// Loaded data sets, shared by the runs of a sweep.
#[derive(Default)]
struct DataCache(Vec<Loaded>);

/// A data set, and the bytes that it holds.
struct Loaded {
    key: DataKey,
    data: Arc<dyn Dataset>,
    bytes: usize,
}

/// The data set's name, its parameters, the ignored label and whether targets are needless, and the
/// names of the network's inputs.
type DataKey = (String, toml::Table, (Option<i64>, bool), Vec<String>);

/// Plans of training, probes and distances.
struct Measurements {
    train: Option<TrainPlan>,
    probes: Vec<ProbePlan>,
    distances: Vec<DistancePlan>,
}

impl DataCache {
    fn add(&mut self, key: DataKey, data: &Arc<dyn Dataset>) {
        // A split that cannot be read is reported when it is used.
        let of = |split| data.examples(split).map_or(0, |examples| examples.bytes());
        let test = if data.has_test_split() { of(Split::Test) } else { 0 };
        let bytes = of(Split::Train).saturating_add(test);
        self.0.push(Loaded { key, data: Arc::clone(data), bytes });
    }

    /// Bytes held by all data sets; none is freed until all runs are done.
    fn bytes(&self) -> usize {
        self.0.iter().map(|loaded| loaded.bytes).fold(0, usize::saturating_add)
    }

    /// Bytes held by all data sets except `data`.
    fn bytes_beside(&self, data: &Arc<dyn Dataset>) -> usize {
        let others = self.0.iter().filter(|loaded| !Arc::ptr_eq(&loaded.data, data));
        others.map(|loaded| loaded.bytes).fold(0, usize::saturating_add)
    }
}

/// The context of checks: the document with source locations, and the registered plugins.
struct Checker<'a> {
    document: &'a Node,
    registry: &'a Registry,
    environment: Environment,
    warnings: Vec<String>,
    /// Variants that are not run because another has the same settings, each with that other
    /// variant.
    same: &'a [(String, String)],
}

impl<'a> Checker<'a> {
    fn new(document: &'a Node, registry: &'a Registry, environment: &Environment) -> Self {
        Self { document, registry, environment: environment.clone(), warnings: Vec::new(), same: &[] }
    }
}

impl Checker<'_> {
    /// An error at the value at `path`.
    fn error(&self, path: &str, problem: impl Into<String>, help: impl Into<String>) -> ConfigError {
        self.document.at(path).site.error(problem, Some(help.into()))
    }

    /// `value` with the location of `path`.
    fn located<T>(&self, path: &str, value: T) -> Located<T> {
        Located { value, site: self.document.at(path).site.clone() }
    }

    /// Refuses unknown keys of the table at `path`.
    fn no_other_key(&self, path: &str, unknown: &toml::Table, known: &[&str]) -> Result<(), ConfigError> {
        let Some(key) = unknown.keys().next() else { return Ok(()) };
        let table = self.document.at(path);
        let help = match read::ROOT.contains(&key.as_str()) {
            true => read::of_experiment(key),
            false => suggestion(key, "keys", known),
        };
        let problem = format!("unknown key `{key}` in `{path}`");
        Err(table.get(key).unwrap_or(table).key.error(problem, Some(help)))
    }

    /// Refuses more than `limits::MEASUREMENTS` measurements in all runs so far.
    fn at_most_measurements(&self, measurements: usize) -> Result<(), ConfigError> {
        if measurements <= limits::MEASUREMENTS {
            return Ok(());
        }
        let problem =
            format!("the probes of all runs would measure more than {} times", limits::MEASUREMENTS);
        Err(self.error("probe", problem, "train for fewer epochs, measure less often, or make fewer runs"))
    }

    fn identity(&self, raw: &raw::Experiment) -> Result<(), ConfigError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let usable =
            raw.name.starts_with(|c: char| c.is_ascii_alphanumeric()) && raw.name.chars().all(allowed);
        if raw.name.len() > limits::NAME {
            let help = format!("use at most {} letters", limits::NAME);
            let problem = format!("a name of {} letters is too long for a folder", raw.name.len());
            return Err(self.error("name", problem, help));
        }
        let help = if !usable {
            "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit".to_owned()
        } else if STUDY.contains(&raw.name.to_lowercase().as_str()) {
            format!("use another: {} are what `reproduce` makes of all experiments", STUDY.join(" and "))
        } else {
            String::new()
        };
        if !help.is_empty() {
            let problem = format!("\"{}\" cannot be the name of a folder of results", raw.name);
            return Err(self.error("name", problem, help));
        }
        Ok(())
    }

    fn run(
        &mut self,
        combination: &Combination,
        raw: &raw::Experiment,
        cache: &mut DataCache,
    ) -> Result<RunPlan, ConfigError> {
        self.sizes(raw)?;
        let Computing { backend, memory, description, settings } = self.device(raw)?;
        let Measurements { train, probes, distances } = self.measurements(raw)?;
        let loss = self.loss(raw.loss.as_ref())?;
        self.environment.ignored_label = loss.ignored_label();
        self.environment.without_targets = loss.is_without_targets();
        let model = self.model(&raw.model)?;
        let inputs = model.architecture.inputs().iter().map(|input| input.name.clone());
        self.environment.inputs = inputs.collect();
        let data = self.data(&raw.data, cache)?;
        for (index, probe) in raw.probe.iter().enumerate() {
            self.probe_data(index, probe, !raw.data.augment.is_empty(), &*data)?;
        }
        Ok(RunPlan {
            name: combination.name.clone(),
            variant: combination.variant.clone(),
            settings,
            seed: raw.seed,
            memory,
            runs: 1,
            other_data: 0,
            backend,
            device: description,
            other_plugins: self.registry.has_others(),
            shared: Arc::default(),
            model,
            augment: self.augment(&raw.data, &*data, train.is_some())?,
            data,
            data_name: self.located("data.name", raw.data.name.clone()),
            loss,
            train,
            probes,
            distances,
            tensorboard: raw.report.is_some_and(|report| report.tensorboard),
        })
    }

    /// Checks training, probes and distances, which do not depend on the data.
    fn measurements(&mut self, raw: &raw::Experiment) -> Result<Measurements, ConfigError> {
        let train = raw.train.as_ref().map(|train| self.train(train)).transpose()?;
        let probes = raw.probe.iter().enumerate();
        let probes = probes.map(|(index, probe)| self.probe(index, probe, train.as_ref()));
        let probes: Vec<ProbePlan> = probes.collect::<Result<_, _>>()?;
        let distances = raw.distance.iter().enumerate();
        let distances = distances
            .map(|(index, distance)| self.distance(index, distance, &probes))
            .collect::<Result<_, _>>()?;
        Ok(Measurements { train, probes, distances })
    }

    /// Refuses lists and network sizes beyond the limits of an experiment.
    fn sizes(&self, raw: &raw::Experiment) -> Result<(), ConfigError> {
        self.at_most("probe", raw.probe.len(), limits::ENTRIES)?;
        self.at_most("distance", raw.distance.len(), limits::ENTRIES)?;
        self.at_most("expect", raw.expect.len(), limits::EXPECTATIONS)?;
        self.at_most("data.augment", raw.data.augment.len(), limits::ENTRIES)?;
        self.document.get("model").map_or(Ok(()), |model| small_sizes(model, "model"))
    }

    fn data(&mut self, raw: &raw::Data, cache: &mut DataCache) -> Result<Arc<dyn Dataset>, ConfigError> {
        let Environment { ignored_label, inputs, without_targets, .. } = &self.environment;
        let targets = (*ignored_label, *without_targets);
        let key = (raw.name.clone(), raw.parameters.clone(), targets, inputs.clone());
        if let Some(known) = cache.0.iter().find(|loaded| loaded.key == key) {
            return Ok(Arc::clone(&known.data));
        }
        let catalog = &self.registry.datasets;
        let data: Arc<dyn Dataset> =
            self.build(catalog, "data", &raw.name, raw.parameters.clone(), &["augment"])?.into();
        cache.add(key, &data);
        let needed = cache.bytes();
        if needed > of_machine() {
            let count = cache.0.len();
            let (needed, machine) = (bytes(needed), bytes(of_machine()));
            let problem =
                format!("{count} data sets take {needed} of memory, and this machine has {machine}");
            return Err(self.error("data.name", problem, "use fewer or smaller data sets in one file"));
        }
        Ok(data)
    }

    fn model(&mut self, raw: &raw::Model) -> Result<ModelPlan, ConfigError> {
        let catalog = &self.registry.architectures;
        let architecture =
            self.build(catalog, "model", &raw.name, raw.parameters.clone(), &["checkpoint", "batch_norm"])?;
        let checkpoint = raw.checkpoint.as_ref().map(|raw| self.checkpoint(raw)).transpose()?;
        Ok(ModelPlan {
            name: self.located("model.name", raw.name.clone()),
            architecture: architecture.into(),
            parameters: raw.parameters.clone(),
            checkpoint,
            batch_norm: raw.batch_norm.into(),
        })
    }
}
