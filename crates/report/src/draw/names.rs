//! Short forms of parameter names that remain distinct.

use super::text;

/// Shortens all names in the same way until each is at most `limit` pixels wide. First drops the
/// components that all names share at the start and at the end ("features.", ".weight"), then keeps
/// fewer letters per component ("denseblock1.conv2" becomes "den1.con2"). If no such form is short
/// enough and distinct for every name, replaces the middle of each name by "…".
#[must_use]
pub fn shortened(names: &[&str], size: f64, limit: f64) -> Vec<String> {
    let fits = |names: &[String]| names.iter().all(|n| text::width(n, size) <= limit);
    let whole: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    if fits(&whole) {
        return whole;
    }
    let bare = without_shared_ends(names);
    let fewer = (1..=12).rev().map(|letters| bare.iter().map(|n| clipped(n, letters)).collect::<Vec<_>>());
    std::iter::once(bare.clone())
        .chain(fewer)
        .find(|candidate| fits(candidate) && all_distinct(candidate))
        .unwrap_or_else(|| bare.iter().map(|n| text::fit(n, size, limit)).collect())
}

/// The names without the components that all of them share, first at the end, then at the start;
/// each keeps at least one component.
#[must_use]
pub fn without_shared_ends(names: &[&str]) -> Vec<String> {
    let mut parts: Vec<Vec<&str>> = names.iter().map(|n| n.split('.').collect()).collect();
    let shared = |parts: &[Vec<&str>], end: fn(&[&str]) -> usize| {
        parts.len() > 1 && parts.iter().all(|p| p.len() > 1 && p[end(p)] == parts[0][end(&parts[0])])
    };
    while shared(&parts, |p| p.len() - 1) {
        parts.iter_mut().for_each(|p| p.truncate(p.len() - 1));
    }
    while shared(&parts, |_| 0) {
        for p in &mut parts {
            p.remove(0);
        }
    }
    parts.iter().map(|p| p.join(".")).collect()
}

/// Clips each component to `letters` characters plus the number at its end.
fn clipped(name: &str, letters: usize) -> String {
    let clip = |part: &str| {
        let stem = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = &part[stem.len()..];
        stem.chars().take(letters).chain(number.chars()).collect::<String>()
    };
    name.split('.').map(clip).collect::<Vec<_>>().join(".")
}

fn all_distinct(names: &[String]) -> bool {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::{shortened, without_shared_ends};
    use crate::draw::text::width;

    #[test]
    fn short_names_stay() {
        assert_eq!(shortened(&["fc1.weight", "fc2.weight"], 10.0, 100.0), ["fc1.weight", "fc2.weight"]);
    }

    #[test]
    fn shared_ends_go_first() {
        assert_eq!(without_shared_ends(&["net.a.weight", "net.b.c.weight"]), ["a", "b.c"]);
        assert_eq!(without_shared_ends(&["a.weight", "b.bias"]), ["a.weight", "b.bias"]);
        assert_eq!(without_shared_ends(&["weight", "weight"]), ["weight", "weight"]);
        assert_eq!(without_shared_ends(&["a.weight"]), ["a.weight"]);
    }

    #[test]
    fn letters_go_before_names_become_alike() {
        let names = [
            "features.denseblock1.denselayer12.conv1.weight",
            "features.denseblock1.denselayer12.conv2.weight",
        ];
        let short = shortened(&names, 10.0, 40.0);
        assert_eq!(short, ["conv1", "conv2"]);
        let names = ["encoder.layer1.attention.weight", "encoder.layer2.projection.weight"];
        let short = shortened(&names, 10.0, 60.0);
        assert_eq!(short, ["laye1.atte", "laye2.proj"]);
        assert!(short.iter().all(|n| width(n, 10.0) <= 60.0));
    }

    #[test]
    fn the_middle_goes_last() {
        let short = shortened(&["abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxy!"], 10.0, 60.0);
        assert!(short.iter().all(|n| n.contains('…') && width(n, 10.0) <= 60.0), "{short:?}");
    }
}
