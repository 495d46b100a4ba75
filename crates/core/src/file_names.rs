//! Safe names of files and folders, made from names that users choose.

use std::collections::{HashMap, HashSet};

/// The maximum length of a safe name: file systems allow 255 bytes, and an extension or a number
/// may follow.
const LONGEST: usize = 120;

/// A harmless file or folder name made from `text`: only ASCII letters, digits and `-_.=,`, never
/// empty, hidden or `..`.
///
/// ```
/// use eigenscape_core::file_names::safe;
/// assert_eq!(safe("model.name=lenet,seed=1"), "model.name=lenet,seed=1");
/// assert_eq!(safe("../a b"), "a-b");
/// assert_eq!(safe(".."), "unnamed");
/// ```
#[must_use]
pub fn safe(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.=,".contains(c) { c } else { '-' };
    let name: String = text.chars().map(keep).take(LONGEST).collect();
    // Windows drops a dot at the end of a name.
    let name = name.trim_start_matches(['.', '-']).trim_end_matches('.');
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

/// A [`safe`] name for each text. All names differ, also on file systems that ignore case: if
/// several texts would share a name, the second gets the suffix `-2`, the third `-3`. A text that
/// is a safe name already keeps it.
///
/// ```
/// use eigenscape_core::file_names::distinct;
/// assert_eq!(distinct(["a b", "a/b", "a-b", "c"]), ["a-b-2", "a-b-3", "a-b", "c"]);
/// ```
pub fn distinct<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let texts: Vec<&str> = texts.into_iter().collect();
    let mut names = Names::default();
    let as_they_stand: Vec<Option<String>> =
        texts.iter().map(|text| Some(safe(text)).filter(|name| name == text && names.take(name))).collect();
    let named = |(text, name): (&&str, Option<String>)| name.unwrap_or_else(|| names.unused(&safe(text)));
    texts.iter().zip(as_they_stand).map(named).collect()
}

/// A set of names in use, which ignores case.
#[derive(Debug, Default)]
pub struct Names {
    taken: HashSet<String>,
    /// The last number appended to each name.
    last: HashMap<String, usize>,
}

impl Names {
    /// Takes a name and returns whether it was free.
    pub fn take(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_lowercase())
    }

    /// Takes and returns `name`, or, if it is in use, the first free one of `name-2`, `name-3`, ...
    pub fn unused(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        while !self.take(&candidate) {
            let last = self.last.entry(name.to_lowercase()).or_insert(1);
            *last += 1;
            candidate = format!("{name}-{last}");
        }
        candidate
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_texts_share_a_name() {
        let long = "x".repeat(300);
        let texts = [
            "mit-ä",
            "mit-ö",
            "a b",
            "a/b",
            "a-b",
            "a-b-2",
            "A-B",
            "..",
            ".",
            "",
            "/",
            "…",
            ".hidden",
            "hidden",
            "v1.",
            "v1",
            &long,
            &long[1..],
            "unnamed",
            "UNNAMED",
            "seed=1",
            "seed=10",
            "same",
            "same",
        ];
        let names = distinct(texts);
        let different: HashSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(different.len(), texts.len(), "{names:?}");
        for name in &names {
            assert!(!name.is_empty() && name.len() < 150 && !name.starts_with('.'), "{name}");
            assert!(!name.contains(['/', '\\', '\0']), "{name}");
        }
        for kept in ["a-b", "a-b-2", "v1", "hidden", "unnamed", "seed=1", "same"] {
            let index = texts.iter().position(|text| *text == kept).unwrap();
            assert_eq!(names[index], kept);
        }
    }

    #[test]
    fn many_equal_texts_are_named_in_no_time() {
        let names = distinct(std::iter::repeat_n("ä", 20_000));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 20_000);
    }
}
