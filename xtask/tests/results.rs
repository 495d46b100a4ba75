//! `results.json`: its schema, its description, and the files beside it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use common::{EXPERIMENT, small, xtask};
use serde_json::Value;

/// A file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The schema that the command prints.
fn schema() -> Value {
    let output = xtask(Path::new("."), &["schema", "results"]);
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The file is rewritten with `UPDATE_EXPECT=1`.
#[test]
fn the_schema_of_the_documentation_is_that_of_the_types() {
    let printed = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results.schema.json");
        fs::write(path, &printed).unwrap();
    }
    assert!(printed == text("docs/results.schema.json"), "run this test with UPDATE_EXPECT=1");
}

/// All names of properties in a schema.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(own)) = fields.get("properties") {
                names.extend(own.keys().cloned());
            }
            fields.values().for_each(|value| properties(value, names));
        }
        Value::Array(values) => values.iter().for_each(|value| properties(value, names)),
        _ => {}
    }
}

#[test]
fn every_field_is_described() {
    let (mut names, page) = (BTreeSet::new(), text("docs/results.md"));
    properties(&schema(), &mut names);
    assert!(names.len() > 70, "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/results.md says nothing of {missing:?}");
}

/// Checks a value against a schema. Panics at a keyword that it does not know.
fn validate(value: &Value, schema: &Value, root: &Value, place: &str) -> Result<(), String> {
    let Value::Object(rules) = schema else {
        return if *schema == Value::Bool(false) {
            Err(format!("{place}: nothing is allowed"))
        } else {
            Ok(())
        };
    };
    for (keyword, rule) in rules {
        let all = || rule.as_array().unwrap().iter();
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "format" | "$defs" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                validate(value, target, root, place)?;
                true
            }
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    value
                        .get(name)
                        .map_or(Ok(()), |value| validate(value, schema, root, &format!("{place}.{name}")))?;
                }
                true
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        validate(value, rule, root, &format!("{place}.{name}"))?;
                    }
                }
                true
            }
            "required" => all().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    // Tuples have their elements' schemas apart.
                    if rules.get("prefixItems").is_none() {
                        validate(value, rule, root, &format!("{place}[{index}]"))?;
                    }
                }
                true
            }
            "prefixItems" => value
                .as_array()
                .into_iter()
                .flatten()
                .zip(all())
                .all(|(value, schema)| validate(value, schema, root, place).is_ok()),
            "minItems" => value.as_array().is_none_or(|all| all.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|all| all.len() as u64 <= rule.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "const" => value == rule,
            "enum" => all().any(|allowed| allowed == value),
            "anyOf" => all().any(|schema| validate(value, schema, root, place).is_ok()),
            "oneOf" => all().filter(|schema| validate(value, schema, root, place).is_ok()).count() == 1,
            other => panic!("the schema has the keyword {other}"),
        };
        if !holds {
            return Err(format!("{place}: {value} against {keyword} {rule}"));
        }
    }
    Ok(())
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema has the type {other}"),
    }
}

/// Fields of `value` that a schema of an object does not know, where it has a list of them.
fn unknown(value: &Value, schema: &Value, root: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return unknown(value, root.pointer(target.strip_prefix('#').unwrap()).unwrap(), root, place, found);
    }
    for alternative in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        if validate(value, alternative, root, place).is_ok() {
            unknown(value, alternative, root, place, found);
        }
    }
    if let Some(items) = schema.get("items") {
        value.as_array().into_iter().flatten().for_each(|value| unknown(value, items, root, place, found));
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, value) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match properties.get(name) {
            Some(schema) => unknown(value, schema, root, &place, found),
            None => found.push(place),
        }
    }
}

/// Two seeds, a penalty, two curvatures, an estimate and a number: most fields are there.
fn full() -> String {
    let text = EXPERIMENT.replace(
        "estimator = \"dense\"",
        "curvature = [\"hessian\", \"gauss-newton\"]\nestimator = \"dense\"",
    );
    format!(
        "reruns = 2\n{text}between = \"layers-and-full\"\n[[distance]]\nname = \"wasserstein\"\nbetween = \"curvatures\"\n\
         [[distance]]\nname = \"kl\"\n\
         [[probe]]\nat = \"end\"\nsamples = 12\nsplit = \"train\"\nbatches = 1\ngroups = \"full\"\ncurvature = \"hessian\"\ndtype = \"f64\"\n\
         estimator = {{ name = \"lanczos\", steps = 6, probes = 3 }}\neigenvectors = 1\n\
         [[probe]]\nat = \"end\"\nsamples = 12\ngroups = \"full\"\ncurvature = \"hessian\"\nestimator = \"hutchinson\"\n\
         [[train.regularizer]]\nname = \"l2\"\nstrength = 0.01\n\
         [[expect]]\nclaim = \"It learns\"\nquantity = \"train-loss\"\nis = \"falls\"\n"
    )
}

#[test]
fn results_obey_the_schema_and_have_their_tables_beside_them() {
    let folder = small(&full());
    let output = xtask(folder.path(), &["reproduce", "small.toml"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let run = folder.path().join("runs/small");
    let results: Value =
        serde_json::from_str(&fs::read_to_string(run.join("results.json")).unwrap()).unwrap();
    let schema = schema();
    validate(&results, &schema, &schema, "results").unwrap();
    let mut strange = Vec::new();
    unknown(&results, &schema, &schema, "results", &mut strange);
    assert!(strange.is_empty(), "{strange:?}");
    let mut wrong = results.clone();
    wrong["runs"][0]["probes"][0]["trace"] = "large".into();
    assert!(validate(&wrong, &schema, &schema, "results").is_err());

    assert_eq!(results["versions"]["format"], 1);
    let first = &results["runs"][0];
    assert_eq!(first["settings"]["train"]["optimizer"]["lr"], 0.1);
    let estimate = first["probes"].as_array().unwrap().iter().find(|p| p["estimator"] == "lanczos").unwrap();
    assert_eq!((&estimate["dtype"], &estimate["samples"]), (&"f64".into(), &12.into()));
    assert_eq!((&estimate["split"], &estimate["probe"]), (&"train".into(), &2.into()));
    // The rule of each vector has weights that add up to 1, and their mean is what is listed.
    let column = |name: &str| estimate[name].as_array().unwrap();
    for vector in 0..3 {
        let rule = column("origins").iter().zip(column("weights")).filter(|(origin, _)| **origin == vector);
        let sum: f64 = rule.map(|(_, weight)| 3.0 * weight.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
    let mean = estimate["trace"].as_f64().unwrap() / estimate["dimension"].as_f64().unwrap();
    assert!((estimate["moments"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9 * mean.abs());
    assert!(estimate["moments"]["variance_stderr"].as_f64().unwrap() > 0.0);
    let between = |d: &&Value| d["right_curvature"] == "gauss-newton";
    let distances: Vec<&Value> = first["distances"].as_array().unwrap().iter().filter(between).collect();
    assert_eq!(distances.len(), 2 * 3, "two moments, and three groups");
    assert!(distances.iter().all(|d| d["left"] == d["right"] && d["curvature"] == "hessian"));

    for file in ["spectra.npz", "spectra.parquet", "eigenvalues.parquet"] {
        assert!(fs::metadata(run.join(file)).unwrap().len() > 1000, "{file}");
        assert!(fs::read_to_string(run.join("MD5SUMS")).unwrap().contains(file), "{file}");
    }
    // The spectra are said as they are found, and the penalty.
    for part in ["  hessian of full: trace", "λ_max", "penalty", "l2 "] {
        assert!(stderr.contains(part), "no {part:?} in\n{stderr}");
    }
}
