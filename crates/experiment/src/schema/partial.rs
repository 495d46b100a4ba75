//! Schemas of files that may be incomplete: a file with `extends` may leave out inherited keys, and
//! a file with cases the keys that the cases set.

use serde_json::{Map, Value, json};

/// The prefix of the names of definitions in which no key is required.
const PARTIAL: &str = "Partial-";
const DEFINITIONS: &str = "#/$defs/";

/// The schema of whole files and of those with `extends` or `case`, whose tables may be incomplete.
/// Lists replace inherited ones, so that their entries are complete.
pub(super) fn where_inherited(mut schema: Value) -> Value {
    let (required, whole) = (schema["required"].take(), schema["properties"].clone());
    let mut open = Vec::new();
    let mut properties = whole.clone();
    values(&mut properties, &mut open);
    let mut definitions = Map::new();
    while let Some(name) = open.pop() {
        let partial = format!("{PARTIAL}{name}");
        if definitions.contains_key(&partial) {
            continue;
        }
        let mut definition = schema["$defs"][&name].clone();
        loosen(&mut definition, &mut open);
        definitions.insert(partial, definition);
    }
    schema["properties"] = properties;
    let elsewhere = [json!({ "required": ["extends"] }), json!({ "required": ["case"] })];
    schema["if"] = json!({ "not": { "anyOf": elsewhere } });
    schema["then"] = json!({ "required": required, "properties": whole });
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
        if let Some(Value::Object(all)) = schema.get_mut("$defs") {
            all.extend(definitions);
        }
    }
    schema
}

/// Loosens each schema of a table of schemas.
fn values(schemas: &mut Value, open: &mut Vec<String>) {
    schemas.as_object_mut().into_iter().flatten().for_each(|(_, schema)| loosen(schema, open));
}

/// Removes requirements from tables, and redirects references to definitions without requirements,
/// whose names are added to `open`.
fn loosen(schema: &mut Value, open: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            map.remove("required");
            // Without its name a table may be that of any plugin.
            if let Some(alternatives) = map.remove("oneOf") {
                map.insert("anyOf".to_owned(), alternatives);
            }
            for (key, value) in map.iter_mut() {
                match (key.as_str(), value) {
                    ("items" | "default" | "const" | "enum", _) => {}
                    ("properties", table) => values(table, open),
                    ("$ref", Value::String(reference)) => {
                        if let Some(name) = reference.strip_prefix(DEFINITIONS).map(str::to_owned) {
                            *reference = format!("{DEFINITIONS}{PARTIAL}{name}");
                            open.push(name);
                        }
                    }
                    (_, value) => loosen(value, open),
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| loosen(schema, open)),
        _ => {}
    }
}
