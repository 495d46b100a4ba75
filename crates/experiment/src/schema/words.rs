//! Choices by name that are not plugins: layers of `sequential`, optimizers, schedules.

use eigenscape_core::Registry;
use schemars::schema_for;
use serde_json::Value;

use super::{Key, Kind, Plugin, keys, plain};
use crate::{check::names, raw};

/// The architecture whose layers are chosen by name.
const OF_LAYERS: &str = "sequential";

/// The layers of `sequential`, if it is registered.
pub(super) fn layers(registry: &Registry) -> Option<Kind> {
    let (_, entry) = registry.architectures.iter().find(|(name, _)| *name == OF_LAYERS)?;
    let schema = entry.schema.as_value();
    let layer = |table: &Value| {
        let mut keys = keys(table, schema);
        keys.retain(|key| key.name != "op");
        Some(Plugin {
            name: table["properties"]["op"]["const"].as_str()?.to_owned().into(),
            summary: plain(table["description"].as_str().unwrap_or_default()).into(),
            keys,
            schema: table.clone(),
        })
    };
    let mut plugins: Vec<Plugin> =
        schema["$defs"]["Layer"]["oneOf"].as_array()?.iter().filter_map(layer).collect();
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    Some(Kind { name: "layer", plugins })
}

/// `train.optimizer`.
pub(super) fn optimizers() -> Kind {
    let summary = |name: &str| match name {
        "sgd" => "torch.optim.SGD",
        "adam" => "torch.optim.Adam",
        _ => "torch.optim.AdamW",
    };
    kind(
        "optimizer",
        schema_for!(raw::Optimizer).as_value(),
        &names::OPTIMIZERS,
        names::optimizer_keys,
        summary,
    )
}

/// `train.schedule`.
pub(super) fn schedules() -> Kind {
    let summary = |name: &str| match name {
        "multi-step" => "times `gamma` at each of the `milestones`",
        "cosine" => "along half a cosine from `lr` to `min_lr`",
        _ => "the same rate throughout",
    };
    kind("schedule", schema_for!(raw::Schedule).as_value(), &names::SCHEDULES, names::schedule_keys, summary)
}

/// A kind of choices by name. `own` lists those of the table's keys that a choice has.
fn kind(
    name: &'static str,
    schema: &Value,
    all: &[&'static str],
    own: fn(&str) -> Vec<&'static str>,
    summary: fn(&str) -> &'static str,
) -> Kind {
    let plugin = |name: &&'static str| {
        let has = |key: &Key| key.name != "name" && own(name).contains(&key.name.as_str());
        let keys = keys(schema, schema).into_iter().filter(has).collect();
        Plugin { name: (*name).into(), summary: summary(name).into(), keys, schema: schema.clone() }
    };
    Kind { name, plugins: all.iter().map(plugin).collect() }
}
