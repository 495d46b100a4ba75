//! Runs of a sweep that have the settings of another: they are that run, and no second measurement
//! of it.

use std::collections::HashMap;

use eigenscape_core::Registry;

use crate::{raw, resolved, sweep::Combination};

/// At most so many are named.
const NAMED: usize = 5;
/// Whole numbers up to here are the same in floating point.
const EXACT: i64 = 1 << 53;

/// The runs seen so far.
#[derive(Default)]
pub(super) struct Twins {
    /// Names and variants by settings.
    first: HashMap<String, (String, String)>,
    /// What was asked for again, in words.
    again: Vec<String>,
    /// Variants of runs that are another's, with that other.
    variants: Vec<(String, String)>,
    /// Variants of runs that are not.
    own: Vec<String>,
}

impl Twins {
    /// Whether the settings of a run are those of one that was seen before.
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
            format!("`{}` has the settings of `{name}`", run.name)
        };
        if !self.again.contains(&words) {
            self.again.push(words);
        }
        if *variant != run.variant {
            self.variants.push((run.variant.clone(), variant.clone()));
        }
        true
    }

    /// Variants of which every run is another's, with that other.
    pub(super) fn variants(&self) -> Vec<(String, String)> {
        let without_own = |(variant, _): &&(String, String)| !self.own.contains(variant);
        self.variants.iter().filter(without_own).cloned().collect()
    }

    /// What to say about them.
    pub(super) fn warning(&self) -> Option<String> {
        let more = match self.again.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let named = self.again.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        (!self.again.is_empty()).then(|| format!("equal settings are one run, and no reruns: {named}{more}"))
    }
}

/// The same value however it is written: 1 and 1.0, "hessian" and \["hessian"\], "gram" and { name =
/// "gram" }.
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
