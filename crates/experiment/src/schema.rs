//! Describes what can be written in an experiment's file: plugins with their keys, and one JSON
//! schema of the whole file.

mod partial;
mod words;

use std::borrow::Cow;

use eigenscape_core::{Catalog, Registry};
use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::raw;

/// The plugins of one kind.
pub struct Kind {
    /// The kind's name: "architecture", ...
    pub name: &'static str,
    /// In alphabetical order.
    pub plugins: Vec<Plugin>,
}

/// The description of a plugin, or of anything else with a name and keys.
pub struct Plugin {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it does, in one line.
    pub summary: Cow<'static, str>,
    /// Its keys.
    pub keys: Vec<Key>,
    schema: Value,
}

/// A key of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The type: "integer", "number", "\"a\" | \"b\"", ...
    pub kind: String,
    /// Its default as TOML; `None` for a key that must be given or has no value by default.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub summary: String,
}

/// Every plugin of the registry, and the other choices by name.
#[must_use]
pub fn kinds(registry: &Registry) -> Vec<Kind> {
    let mut kinds = vec![kind(&registry.datasets), kind(&registry.architectures)];
    kinds.extend(words::layers(registry));
    kinds.extend([
        kind(&registry.losses),
        kind(&registry.estimators),
        kind(&registry.distances),
        kind(&registry.regularizers),
        words::optimizers(),
        words::schedules(),
    ]);
    kinds
}

fn kind<T: ?Sized + 'static>(catalog: &Catalog<T>) -> Kind {
    let plugins = catalog.iter().map(|(name, entry)| {
        let schema = entry.schema.as_value().clone();
        Plugin { name: name.into(), summary: entry.summary.into(), keys: keys(&schema, &schema), schema }
    });
    Kind { name: catalog.kind, plugins: plugins.collect() }
}

/// The keys of a table. `schema` has the types that the keys refer to.
fn keys(table: &Value, schema: &Value) -> Vec<Key> {
    let required = |name: &str| {
        table["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
    };
    let properties = table["properties"].as_object().into_iter().flatten();
    let key = |(name, property): (&String, &Value)| Key {
        name: name.clone(),
        kind: type_name(property, schema),
        default: property.get("default").filter(|value| !value.is_null()).map(Value::to_string),
        required: required(name),
        summary: description(property, schema),
    };
    properties.map(key).collect()
}

/// The description of a property, or of the type it refers to.
fn description(property: &Value, schema: &Value) -> String {
    let own = property["description"].as_str();
    let text = own.or_else(|| referred(property, schema)?["description"].as_str());
    plain(text.unwrap_or_default())
}

/// The text of a doc comment without line breaks and escapes.
fn plain(text: &str) -> String {
    text.replace('\n', " ").replace("\\[", "[").replace("\\]", "]")
}

fn referred<'a>(property: &Value, schema: &'a Value) -> Option<&'a Value> {
    schema.pointer(property["$ref"].as_str()?.strip_prefix('#')?)
}

/// A property's type, in terms of TOML.
fn type_name(property: &Value, schema: &Value) -> String {
    if let Some(target) = referred(property, schema) {
        return type_name(target, schema);
    }
    let alternatives = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| property[*key].as_array());
    if let Some(alternatives) = alternatives {
        return join(alternatives.iter().map(|alternative| type_name(alternative, schema)));
    }
    if let Some(value) = property.get("const") {
        return value.to_string();
    }
    if let Some(values) = property["enum"].as_array() {
        return join(values.iter().map(Value::to_string));
    }
    let word = |name: &str| match name {
        "array" => format!("list of {}", type_name(&property["items"], schema)),
        other => other.to_owned(),
    };
    match &property["type"] {
        Value::String(name) => word(name),
        Value::Array(names) => join(names.iter().filter_map(Value::as_str).map(word)),
        _ => "any".to_owned(),
    }
}

fn join(names: impl Iterator<Item = String>) -> String {
    // "null" stands for a key that is left out, which TOML has no value for.
    let mut distinct: Vec<String> = Vec::new();
    for name in names.filter(|name| name != "null") {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct.join(" | ")
}

/// The JSON schema of an experiment's file with the plugins of this registry.
#[must_use]
pub fn experiment(registry: &Registry) -> Value {
    let mut schema = schema_for!(raw::Experiment).to_value();
    let plugin = schema["$defs"]["Plugin"].take();
    let [data, model, distance, regularizer] =
        ["Data", "Model", "Distance", "Regularizer"].map(|name| schema["$defs"][name].take());
    let mut definitions = Map::new();
    for (name, table, kind) in [
        ("Data", &data, kind(&registry.datasets)),
        ("Model", &model, kind(&registry.architectures)),
        ("LossTable", &plugin, kind(&registry.losses)),
        ("EstimatorTable", &plugin, kind(&registry.estimators)),
        ("Distance", &distance, kind(&registry.distances)),
        ("Regularizer", &regularizer, kind(&registry.regularizers)),
    ] {
        let choices = choices(table, &kind, &mut definitions);
        definitions.insert(name.to_owned(), choices);
    }
    name_or_table(&mut schema["$defs"]["Loss"], "LossTable", &kind(&registry.losses));
    name_or_table(&mut schema["$defs"]["Estimator"], "EstimatorTable", &kind(&registry.estimators));
    if let Some(all) = schema["$defs"].as_object_mut() {
        all.remove("Plugin");
        all.extend(definitions);
    }
    partial::where_inherited(schema)
}

/// Completes the schema of a plugin that is given by name or by table: the known names, and a
/// reference to the tables.
fn name_or_table(definition: &mut Value, table: &str, kind: &Kind) {
    redirect(definition, "Plugin", table);
    definition["anyOf"][0]["enum"] = kind.plugins.iter().map(|plugin| json!(plugin.name)).collect();
}

/// A schema with one alternative per plugin: the runner's keys of the table and the plugin's keys.
/// Types that the plugin's keys refer to are added to the definitions under prefixed names, since
/// plugins may use the same name for different types.
fn choices(table: &Value, kind: &Kind, definitions: &mut Map<String, Value>) -> Value {
    let mut alternatives = Vec::new();
    for plugin in &kind.plugins {
        let prefix = format!("{}-{}-", kind.name, plugin.name);
        let mut schema = plugin.schema.clone();
        redirect(&mut schema, "", &prefix);
        if let Some(Value::Object(own)) = schema.get_mut("$defs").map(Value::take) {
            definitions
                .extend(own.into_iter().map(|(name, definition)| (prefix.clone() + &name, definition)));
        }
        let mut alternative = table.clone();
        alternative["description"] = json!(plugin.summary);
        alternative["additionalProperties"] = json!(false);
        alternative["properties"]["name"] = json!({ "const": plugin.name });
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            alternative["properties"][key] = property.clone();
        }
        let mut required = vec![json!("name")];
        required.extend(own_required(table));
        required.extend(schema["required"].as_array().into_iter().flatten().cloned());
        alternative["required"] = Value::Array(required);
        alternatives.push(alternative);
    }
    json!({ "description": format!("The {}, with its keys.", kind.name), "oneOf": alternatives })
}

/// The runner's required keys, other than the name.
fn own_required(table: &Value) -> impl Iterator<Item = Value> {
    let required = table["required"].as_array().cloned().unwrap_or_default();
    required.into_iter().filter(|key| key != "name")
}

/// Replaces the prefix `from` of definitions' names by `to` in all references.
fn redirect(schema: &mut Value, from: &str, to: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref") {
                *reference = reference.replace(&format!("#/$defs/{from}"), &format!("#/$defs/{to}"));
            }
            map.values_mut().for_each(|value| redirect(value, from, to));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| redirect(value, from, to)),
        _ => {}
    }
}
