//! Checks how deeply a text nests tables by dotted keys before it is parsed: a table nested a
//! hundred thousand levels deep cannot even be freed.

use std::ops::Range;

use crate::limits::DEPTH;

/// The first key of more than [`DEPTH`] steps, from its first dot on. Dots in strings and comments
/// do not count.
pub fn too_deep(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut at, mut first, mut dots) = (0, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => {
                at = after_string(bytes, at);
                continue;
            }
            b'#' => {
                at = line_end(bytes, at);
                continue;
            }
            b'.' => {
                if dots == 0 {
                    first = at;
                }
                dots += 1;
                if dots >= DEPTH {
                    return Some(first..at + 1);
                }
            }
            b'\n' | b'=' | b',' | b'{' | b'}' | b'[' | b']' => dots = 0,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position after the string that begins at `start`.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let long = [quote; 3];
    let multiline = bytes[start..].starts_with(&long);
    let end: &[u8] = if multiline { &long } else { &long[..1] };
    let mut at = start + end.len();
    while at < bytes.len() && !bytes[at..].starts_with(end) {
        // A single-line string must end on its line; otherwise it is not a string.
        if bytes[at] == b'\n' && !multiline {
            return at;
        }
        at += if bytes[at] == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    (at + end.len()).min(bytes.len())
}

/// The end of the line that contains `start`.
fn line_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |offset| start + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_keys_count_and_others_do_not() {
        let dots = ".".repeat(2 * DEPTH);
        for fine in [
            format!("a = \"{dots}\""),
            format!("a = '{dots}'"),
            format!("a = \"\"\"\n\\\"{dots}\n\"\"\""),
            format!("a = '''\n'{dots}\n'''"),
            format!("# {dots}"),
            "a.b = 1\n".repeat(DEPTH),
            format!("a = [{}]", "1.5, ".repeat(2 * DEPTH)),
            format!("{}a = 1", "a.".repeat(DEPTH - 1)),
            "a = \"never ends".to_owned(),
            "a = '''never ends".to_owned(),
            "a = \"\\".to_owned(),
        ] {
            assert_eq!(too_deep(&fine), None, "{fine}");
        }
        let deep = "a.".repeat(DEPTH);
        for text in [
            format!("{deep}b = 1"),
            format!("x = '{dots}' # {dots}\n[{deep}b]"),
            format!("x = {{ {deep}b = 1 }}"),
        ] {
            let found = too_deep(&text).unwrap();
            assert!(text[found.clone()].starts_with('.') && text[found].ends_with('.'), "{text}");
        }
    }
}
