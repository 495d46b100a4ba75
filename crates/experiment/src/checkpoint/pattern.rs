//! Name patterns with stars: matching and renaming.

use eigenscape_formats::Refusal;

/// The wildcard, which stands for any characters, including dots.
pub(crate) const STAR: char = '*';

/// Whether a name matches a pattern in which each star stands for any characters.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split(STAR);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(start) = rest.find(part) else { return false };
        rest = &rest[start + part.len()..];
    }
    rest.ends_with(last)
}

/// One entry of `rename`: names in the file and the corresponding names in the network. Both sides
/// have one star, which stands for the same characters, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    from: String,
    to: String,
}

impl Rename {
    /// Renames `from` in the file to `to` in the network.
    ///
    /// # Errors
    /// When a side is empty, has more than one star, or one side has a star and the other has none.
    pub(crate) fn new(from: &str, to: &str) -> Result<Self, Refusal> {
        let stars = |side: &str| side.matches(STAR).count();
        let example = "write pairs as in rename = { \"fc1.*\" = \"0.*\", \"scale\" = \"1.weight\" }";
        let refuse = |problem: String| Err(Refusal::new(problem, example));
        match (stars(from), stars(to)) {
            _ if from.is_empty() || to.is_empty() => refuse("a name in `rename` is empty".to_owned()),
            (0, 0) | (1, 1) => Ok(Self { from: from.to_owned(), to: to.to_owned() }),
            (0, _) | (_, 0) => refuse(format!(
                "\"{from}\" = \"{to}\" has a star on one side only: both sides need one, or neither"
            )),
            _ => refuse(format!("\"{from}\" = \"{to}\" has more than one star on a side")),
        }
    }

    /// The pattern of names in the file.
    pub(crate) fn from(&self) -> &str {
        &self.from
    }

    /// The pattern of names in the network.
    pub(crate) fn to(&self) -> &str {
        &self.to
    }

    /// The new name; `None` if the pattern does not match.
    pub(crate) fn apply(&self, name: &str) -> Option<String> {
        let Some((start, end)) = self.from.split_once(STAR) else {
            return (self.from == name).then(|| self.to.clone());
        };
        let middle = name.strip_prefix(start)?.strip_suffix(end)?;
        Some(self.to.replacen(STAR, middle, 1))
    }

    /// How specific the entry is. Of several entries that match a name, the most specific one
    /// applies: a whole name first, then the pattern with the most characters besides the star.
    fn precision(&self) -> (bool, usize) {
        (!self.from.contains(STAR), self.from.len())
    }
}

/// The index of the entry that applies to a name, with the new name.
///
/// # Errors
/// When two equally specific entries give the name different targets.
pub(crate) fn chosen(rename: &[Rename], name: &str) -> Result<Option<(usize, String)>, Refusal> {
    let mut best: Option<(usize, String)> = None;
    for (index, entry) in rename.iter().enumerate() {
        let Some(target) = entry.apply(name) else { continue };
        let Some((other, existing)) = &best else {
            best = Some((index, target));
            continue;
        };
        let (ours, theirs) = (entry.precision(), rename[*other].precision());
        if ours == theirs && target != *existing {
            return Err(Refusal::new(
                format!(
                    "\"{}\" and \"{}\" in `rename` both match {name}, and are equally specific",
                    rename[*other].from, entry.from
                ),
                format!("add the name itself, as in \"{name}\" = \"{target}\""),
            ));
        }
        if ours > theirs {
            best = Some((index, target));
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("*.c_attn.weight", "h.0.attn.c_attn.weight", true),
            ("*.c_attn.weight", "c_attn.weight", false),
            ("h.*.attn.*.weight", "h.0.attn.c_proj.weight", true),
            ("h.*.attn.*.weight", "h.0.attn.weight", false),
            ("a*a", "a", false),
            ("a", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    fn renamed(pairs: &[(&str, &str)], name: &str) -> Result<Option<String>, Refusal> {
        let rename: Vec<Rename> = pairs.iter().map(|(from, to)| Rename::new(from, to).unwrap()).collect();
        Ok(chosen(&rename, name)?.map(|(_, target)| target))
    }

    #[test]
    fn what_says_most_of_a_name_counts() {
        let pairs = [("*", "net.*"), ("fc1.*", "0.*"), ("fc1.bias", "0.shift"), ("*.scale", "*.weight")];
        for (name, expected) in [
            ("fc1.weight", "0.weight"),
            ("fc1.bias", "0.shift"),
            ("bn.scale", "bn.weight"),
            ("fc2.weight", "net.fc2.weight"),
        ] {
            assert_eq!(renamed(&pairs, name).unwrap().unwrap(), expected);
        }
        assert_eq!(renamed(&pairs[1..], "fc2.weight").unwrap(), None);
        assert!(renamed(&[("a.*", "0.*"), ("*.b", "*.1")], "a.b").is_err());
    }

    #[test]
    fn both_sides_have_one_star_or_none() {
        for (from, to) in
            [("a.*", "b"), ("a", "b.*"), ("a.*.*", "b.*.*"), ("a.*", "b.*.*"), ("", "b"), ("a", "")]
        {
            assert!(Rename::new(from, to).is_err(), "{from} {to}");
        }
    }
}
