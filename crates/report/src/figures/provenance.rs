//! The sentences that say how a figure's numbers were computed.

use eigenscape_core::results::ProbeRecord;

use crate::{Note, data::distinct};

/// How the spectra were computed: one clause per estimator, with the groups it was used for.
pub fn spectra<'a>(records: impl IntoIterator<Item = &'a ProbeRecord>, estimators: &[Note]) -> String {
    let records: Vec<&ProbeRecord> = records.into_iter().collect();
    let keys = distinct(records.iter().map(|r| (r.estimator.as_str(), r.exact)));
    let clause = |&(estimator, exact): &(&str, bool)| {
        let used = records.iter().filter(|r| (r.estimator.as_str(), r.exact) == (estimator, exact));
        let groups = distinct(used.map(|r| r.group.as_str()));
        let how = if exact { "exact" } else { "estimated" };
        let description = about(estimators, estimator).map_or(String::new(), |d| format!(" ({d})"));
        format!("{}: {how}, by {estimator}{description}.", enumerate(&groups))
    };
    keys.iter().map(clause).collect::<Vec<_>>().join(" ")
}

/// Explains shortened names by one example; empty if no name is shortened.
pub fn shortening<'a>(short: &[String], names: impl IntoIterator<Item = &'a str>) -> String {
    let example = short.iter().zip(names).find(|(short, name)| short.as_str() != *name);
    example.map_or(String::new(), |(short, name)| format!(" Names are shortened: “{short}” is {name}."))
}

/// All values of the notes with this label, joined; `None` if there are none.
fn about(notes: &[Note], label: &str) -> Option<String> {
    let values: Vec<&str> = notes.iter().filter(|n| n.label == label).map(|n| n.value.as_str()).collect();
    (!values.is_empty()).then(|| values.join("; or "))
}

/// Joins names: "a", "a and b", "a, b and c", "a to z (26 groups)".
fn enumerate(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, .., last] if names.len() > 4 => format!("{first} to {last} ({} groups)", names.len()),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{enumerate, spectra};
    use crate::{Note, sample::probe};

    #[test]
    fn each_estimator_has_its_clause() {
        let mut lanczos = probe(1, "full", "lanczos", 9, &[1.0]);
        lanczos.exact = false;
        let gram = probe(1, "fc1", "gram", 4, &[1.0]);
        let text = spectra([&lanczos, &gram], &[Note::new("lanczos", "128 steps")]);
        assert_eq!(text, "full: estimated, by lanczos (128 steps). fc1: exact, by gram.");
    }

    #[test]
    fn many_names_become_a_range() {
        assert_eq!(enumerate(&["a", "b"]), "a and b");
        assert_eq!(enumerate(&["a", "b", "c"]), "a, b and c");
        assert_eq!(enumerate(&["a", "b", "c", "d", "e"]), "a to e (5 groups)");
    }
}
