//! Text in lines that fit a page: paragraphs, and tables of two columns.

use std::sync::OnceLock;

use textwrap::{Options, WordSeparator, WordSplitter, wrap};

/// The longest line of a page.
const LONGEST: usize = 100;

/// The longest line, unless a single word is longer: that of a page, or of a narrower terminal.
pub fn width() -> usize {
    /// Of narrower terminals, the lines are broken by the terminal.
    const NARROWEST: usize = 40;
    static WIDTH: OnceLock<usize> = OnceLock::new();
    *WIDTH.get_or_init(|| {
        let columns = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into());
        columns.map_or(LONGEST, |columns: usize| columns.clamp(NARROWEST, LONGEST))
    })
}

/// A paragraph, every line of which begins with `indent`.
pub fn indented(text: &str, indent: &str) -> Vec<String> {
    hanging(text, indent, indent)
}

/// A paragraph, whose first line begins with `first` and the others with `rest`.
pub fn hanging(text: &str, first: &str, rest: &str) -> Vec<String> {
    let options = Options::new(width())
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    wrap(text, options).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// Rows of a name and a text, which begins at the same column in each row.
pub fn table(rows: &[[String; 2]], width: usize) -> Vec<String> {
    /// The widest first column.
    const MOST: usize = 24;
    let longest = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0).min(MOST);
    let rest = " ".repeat((4 + longest).min(width));
    let row = |[name, text]: &[String; 2]| hanging(text, &format!("  {name:longest$}  "), &rest);
    rows.iter().flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_names_stay_whole() {
        let path = "a/".repeat(80);
        let lines = indented(&format!("{} {path} end", "word ".repeat(30).trim_end()), "    ");
        assert!(lines.iter().all(|line| line.starts_with("    ") && !line.ends_with(' ')), "{lines:?}");
        assert!(lines.iter().any(|line| line.trim() == path), "{lines:?}");
        assert!(lines.iter().filter(|line| line.trim() != path).all(|line| line.len() <= LONGEST));
    }

    #[test]
    fn texts_begin_at_one_column() {
        let rows = [["a", "first"], ["longer", "second"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, LONGEST), ["  a       first", "  longer  second"]);
    }
}
