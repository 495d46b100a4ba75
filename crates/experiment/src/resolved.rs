//! The experiment with its defaults filled in, as TOML: the content of `experiment.toml` in the
//! results folder.

use eigenscape_core::{Catalog, Registry};

use crate::{document::Node, raw, read};

/// The document as TOML, with every known default filled in.
///
/// With a sweep, the base document may be incomplete; it is then written as given.
#[must_use]
pub fn toml(document: &Node, registry: &Registry) -> String {
    let given = document.to_value();
    let value = match read::experiment(document, registry) {
        Err(_) => given,
        Ok(mut raw) => {
            // With a sweep, which plugin's defaults apply may differ from run to run.
            if raw.sweep.is_empty() {
                fill_plugins(&mut raw, registry);
            }
            toml::Value::try_from(&raw).unwrap_or(given)
        }
    };
    toml::to_string_pretty(&value).unwrap_or_default()
}

/// Every setting that a run's numbers depend on. Runs with the same settings, data and initial
/// weights give the same results.
#[must_use]
pub fn settings(raw: &raw::Experiment, registry: &Registry) -> String {
    toml::to_string(&settings_table(raw, registry)).unwrap_or_default()
}

/// Like [`settings`], as a table.
#[must_use]
pub fn settings_table(raw: &raw::Experiment, registry: &Registry) -> toml::Table {
    let mut raw = raw.clone();
    fill_plugins(&mut raw, registry);
    let mut table = toml::Table::try_from(&raw).unwrap_or_default();
    for key in ["name", "out", "reruns", "expect"] {
        table.remove(key);
    }
    if let Some(train) = table.get_mut("train").and_then(toml::Value::as_table_mut) {
        train.remove("keep_every");
    }
    table
}

fn fill_plugins(raw: &mut raw::Experiment, registry: &Registry) {
    fill(&registry.datasets, &raw.data.name, &mut raw.data.parameters);
    fill(&registry.architectures, &raw.model.name, &mut raw.model.parameters);
    if let Some(loss) = &mut raw.loss {
        let (name, mut parameters) = (loss.name().to_owned(), loss.parameters());
        fill(&registry.losses, &name, &mut parameters);
        *loss = raw::Loss::Table(raw::Plugin { name, parameters });
    }
    for probe in &mut raw.probe {
        let name = probe.estimator.name().to_owned();
        let mut parameters = probe.estimator.parameters();
        fill(&registry.estimators, &name, &mut parameters);
        probe.estimator = raw::Estimator::Table(raw::Plugin { name, parameters });
    }
    if let Some(train) = &mut raw.train {
        train.optimizer.fill_defaults();
        for regularizer in &mut train.regularizer {
            fill(&registry.regularizers, &regularizer.name, &mut regularizer.parameters);
        }
    }
    for distance in &mut raw.distance {
        fill(&registry.distances, &distance.name, &mut distance.parameters);
    }
}

/// Adds the defaults that the plugin's schema states for keys that are not given.
fn fill<T: ?Sized + 'static>(catalog: &Catalog<T>, name: &str, parameters: &mut toml::Table) {
    let schema = catalog.iter().find(|(candidate, _)| *candidate == name).map(|(_, entry)| &entry.schema);
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(|value| value.as_object());
    for (key, property) in properties.into_iter().flatten() {
        let default = property.get("default").filter(|value| !value.is_null());
        if let Some(default) = default.and_then(|value| toml::Value::try_from(value).ok()) {
            parameters.entry(key.clone()).or_insert(default);
        }
    }
}
