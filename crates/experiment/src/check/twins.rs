//! Finds runs of a sweep with equal settings. They are executed once and do not count as reruns.

use std::collections::HashMap;

use eigenscape_core::Registry;

use crate::{raw, resolved, sweep::Combination};

/// The maximum number of duplicates that the warning names.
const NAMED: usize = 5;
/// Integers below this are exact in floating point.
const EXACT: i64 = 1 << 53;

/// The runs seen so far.
#[derive(Default)]
pub(super) struct Twins {
    /// Name and variant of the first run with given settings.
    first: HashMap<String, (String, String)>,
    /// Descriptions of the duplicates.
    again: Vec<String>,
    /// Variants of duplicate runs, each with the variant of the first equal run.
    variants: Vec<(String, String)>,
    /// Variants of runs that are not duplicates.
    own: Vec<String>,
}

impl Twins {
    /// Whether an earlier run has the same settings. Remembers the run if not.
    pub(super) fn is_seen(&mut self, run: &Combination, raw: &raw::Experiment, registry: &Registry) -> bool {
        let settings = canonical(resolved::settings_table(raw, registry).into()).to_string();
        let Some((name, variant)) = self.first.get(&settings) else {
            self.first.insert(settings, (run.name.clone(), run.variant.clone()));
            self.own.push(run.variant.clone());
            return false;
        };
        let words = if *name == run.name {
            format!("`{name}` is asked for again")
        } else {
            format!("`{}` has the same settings as `{name}`", run.name)
        };
        if !self.again.contains(&words) {
            self.again.push(words);
        }
        if *variant != run.variant {
            self.variants.push((run.variant.clone(), variant.clone()));
        }
        true
    }

    /// Variants whose runs are all duplicates, each with the variant that they duplicate.
    pub(super) fn variants(&self) -> Vec<(String, String)> {
        let without_own = |(variant, _): &&(String, String)| !self.own.contains(variant);
        self.variants.iter().filter(without_own).cloned().collect()
    }

    /// The warning about duplicates, if any.
    pub(super) fn warning(&self) -> Option<String> {
        let more = match self.again.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let named = self.again.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        (!self.again.is_empty()).then(|| format!("runs with equal settings are run once: {named}{more}"))
    }
}

/// A canonical form, in which equivalent values are equal: 1 and 1.0, "hessian" and \["hessian"\],
/// "gram" and { name = "gram" }.
fn canonical(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Integer(number) if number.abs() < EXACT => toml::Value::Float(number as f64),
        toml::Value::Array(mut list) => match list.as_slice() {
            [toml::Value::String(_)] => list.remove(0),
            _ => list.into_iter().map(canonical).collect::<Vec<_>>().into(),
        },
        toml::Value::Table(mut table) => {
            if table.len() == 1
                && let Some(word) = table.remove("name").or_else(|| table.remove("path"))
            {
                return word;
            }
            let mut entries: Vec<(String, toml::Value)> =
                table.into_iter().map(|(key, value)| (key, canonical(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            toml::Value::Table(entries.into_iter().collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn a_value_is_the_same_however_it_is_written() {
        let value = |text: &str| toml::Value::Table(toml::from_str(text).unwrap());
        let same = |a: &str, b: &str| canonical(value(a)) == canonical(value(b));
        for (a, b) in [
            ("x = 1\ny = 2", "y = 2.0\nx = 1.0"),
            ("x = 1e-3\ny = 1", "x = 0.001\ny = 1"),
            ("x = ['hessian']\ny = 1", "x = 'hessian'\ny = 1"),
            ("x = { name = 'gram' }\ny = 1", "x = 'gram'\ny = 1"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("x = 1\ny = 1", "x = 2\ny = 1"),
            ("x = '1'\ny = 1", "x = 1\ny = 1"),
            ("x = [1]\ny = 1", "x = 1\ny = 1"),
            ("x = ['a', 'b']\ny = 1", "x = ['b', 'a']\ny = 1"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
