//! A file that `extends` others may leave out of a table what it inherits, and one with cases what
//! they say.

use serde_json::{Map, Value, json};

/// What begins the names of definitions in which nothing is required.
const PARTIAL: &str = "Partial-";
const DEFINITIONS: &str = "#/$defs/";

/// The schema of whole files and of those with `extends`, whose tables need not have every key.
/// Lists replace what was inherited, so that their entries are whole.
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

/// Loosens each value of a table of schemas.
fn values(schemas: &mut Value, open: &mut Vec<String>) {
    schemas.as_object_mut().into_iter().flatten().for_each(|(_, schema)| loosen(schema, open));
}

/// Requires nothing of tables, and refers to definitions that require nothing: their names are put
/// into `open`.
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
