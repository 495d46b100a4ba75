//! A table that can be sorted and copied: columns without a value in any row are left out.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::draw::labels::signed;

/// Tables with more rows are folded.
const LONG: usize = 40;
/// Words of more characters take several lines.
const LINE: usize = 28;

/// A column: its title and whether it holds numbers.
#[derive(Debug, Clone)]
pub struct Column {
    title: String,
    is_number: bool,
}

/// A column of words.
pub fn words(title: impl Into<String>) -> Column {
    Column { title: title.into(), is_number: false }
}

/// A column of numbers.
pub fn numbers(title: impl Into<String>) -> Column {
    Column { title: title.into(), is_number: true }
}

/// A cell: its text, and the number by which it is sorted.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    value: Option<f64>,
}

impl Cell {
    /// An empty cell.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A cell of words.
    pub fn words(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number as it is written.
    pub fn number(text: impl Into<String>, value: f64) -> Self {
        Self { text: text.into(), value: Some(value) }
    }

    /// The cell with more text at its end.
    pub fn followed_by(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// The text; numbers with a typographic minus.
    pub fn written(&self) -> Cow<'_, str> {
        if self.is_number() { signed(&self.text).into() } else { Cow::Borrowed(&self.text) }
    }

    /// Whether it stands for a number.
    pub fn is_number(&self) -> bool {
        self.value.is_some()
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() || self.text == "–"
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the table shows, for screen readers and above the table.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with a cell per column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { caption: caption.into(), columns, rows: Vec::new() }
    }

    /// The table; nothing without rows.
    pub fn render(&self) -> Markup {
        let kept: Vec<usize> =
            (0..self.columns.len()).filter(|c| self.rows.iter().any(|row| !row[*c].is_empty())).collect();
        html! {
            @if !kept.is_empty() {
                div.table {
                    div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                        table.data {
                            caption { (self.caption) }
                            thead { tr { @for column in &kept { (head(&self.columns[*column])) } } }
                            tbody { @for row in &self.rows { tr {
                                @for (place, column) in kept.iter().enumerate() {
                                    (self.cell(&row[*column], *column, place == 0))
                                }
                            } } }
                        }
                    }
                }
            }
        }
    }

    /// The table in a part of the page that is folded if there are many rows.
    pub fn folded(&self, open: bool) -> Markup {
        let rows = self.rows.len();
        html! {
            @if rows > 0 {
                details open[open && rows <= LONG] {
                    summary { (self.caption) " (" (rows) @if rows == 1 { " row)" } @else { " rows)" } }
                    (self.render())
                }
            }
        }
    }

    fn cell(&self, cell: &Cell, column: usize, first: bool) -> Markup {
        let is_text = !self.columns[column].is_number;
        let is_long = is_text && cell.text.chars().count() > LINE;
        html! {
            @if first {
                th.row.text[is_text] scope="row" data-value=[cell.value] { (cell.written()) }
            } @else {
                td.text[is_text].long[is_long] data-value=[cell.value] { (cell.written()) }
            }
        }
    }
}

fn head(column: &Column) -> Markup {
    html! { th.text[!column.is_number] scope="col" { (column.title) } }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Table, numbers, words};

    #[test]
    fn columns_without_values_are_left_out() {
        let mut table = Table::new("A", vec![words("name"), numbers("error"), numbers("value")]);
        assert_eq!(table.render().into_string(), "");
        for (name, value) in [("a", 1.0), ("b", 2.0)] {
            table.rows.push(vec![Cell::words(name), Cell::words("–"), Cell::number("x", value)]);
        }
        let page = table.render().into_string();
        assert!(
            page.contains("name") && page.contains("data-value=\"2\"") && !page.contains("error"),
            "{page}"
        );
    }
}
