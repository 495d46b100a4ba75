//! Writes Parquet files: tables that pandas, Polars, DuckDB and R read, with the types of their
//! columns.
//!
//! ```
//! use eigenscape_formats::parquet::{Table, Values};
//! let mut table = Table::new(Vec::new())?;
//! table.add("group", &Values::Text(vec!["full", "fc.weight"]))?;
//! table.add("trace", &Values::Number(vec![Some(12.5), None]))?;
//! let file = table.finish()?;
//! assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The `parquet` crate, without its features, takes over a minute and a half of processor time to
//! compile with what it depends on; here are columns without compression or nesting, in one row
//! group and one page each. Text is written as a
//! dictionary, where equal neighbours take no space. The format is Apache Parquet's, with its
//! `parquet.thrift`; a test in Python reads the files by pyarrow.

mod runs;
mod thrift;

use std::{
    collections::HashMap,
    io::{self, Write},
};

use self::thrift::Struct;

const MAGIC: &[u8] = b"PAR1";

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<'a> {
    /// Words, of which many may be equal.
    Text(Vec<&'a str>),
    /// Whole numbers, or nothing.
    Whole(Vec<Option<i64>>),
    /// Numbers, or nothing.
    Number(Vec<Option<f64>>),
    /// Yes or no.
    Flag(Vec<bool>),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }

    /// The number of the type in `parquet.thrift`.
    fn kind(&self) -> i64 {
        match self {
            Self::Flag(_) => 0,
            Self::Whole(_) => 2,
            Self::Number(_) => 5,
            Self::Text(_) => 6,
        }
    }

    /// Whether rows may have no value.
    fn is_optional(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Number(_))
    }

    fn encoding(&self) -> i64 {
        if matches!(self, Self::Text(_)) { RLE_DICTIONARY } else { PLAIN }
    }
}

/// Encodings in `parquet.thrift`.
const PLAIN: i64 = 0;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;

/// The codec in `parquet.thrift` of pages that are not compressed.
const UNCOMPRESSED: i64 = 0;
/// The version of files without pages of the second version.
const VERSION: i64 = 1;

/// Kinds of pages in `parquet.thrift`.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;

/// A table that is being written, column by column.
pub struct Table<W> {
    out: W,
    /// Bytes written so far.
    at: usize,
    rows: Option<usize>,
    columns: Vec<Described>,
}

/// What the end of the file says of a column.
struct Described {
    schema: Struct,
    chunk: Struct,
    bytes: usize,
}

impl<W: Write> Table<W> {
    /// A table without columns.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self { out, at: MAGIC.len(), rows: None, columns: Vec::new() })
    }

    /// Adds a column of a name that no other column has, with a value a row.
    ///
    /// # Errors
    /// When the file cannot be written, other columns have another length, or the column takes more
    /// than 2 GiB.
    pub fn add(&mut self, name: &str, values: &Values) -> io::Result<()> {
        let rows = values.len();
        if *self.rows.get_or_insert(rows) != rows {
            return Err(io::Error::other("the columns of a table differ in length"));
        }
        let (chunk, bytes) = chunk(name, values, self.at)?;
        // A file without rows has no pages.
        if rows > 0 {
            self.out.write_all(&bytes)?;
            self.at += bytes.len();
        }
        self.columns.push(Described { schema: schema(name, values), chunk, bytes: bytes.len() });
        Ok(())
    }

    /// Writes the end of the file, and returns what was written to.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        let footer = footer(self.columns, self.rows.unwrap_or_default());
        self.out.write_all(&footer)?;
        self.out.write_all(&size(footer.len())?.to_le_bytes())?;
        self.out.write_all(MAGIC)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The pages of a column that begins at byte `at`, and their description.
fn chunk(name: &str, values: &Values, at: usize) -> io::Result<(Struct, Vec<u8>)> {
    let (mut bytes, mut dictionary) = (Vec::new(), None);
    let data = match values {
        Values::Text(words) => {
            let (known, indices) = indexed(words);
            let plain: Vec<u8> = known.iter().flat_map(|word| plain_word(word)).collect();
            let of = Struct::new().number(1, known.len()).number(2, PLAIN);
            bytes.extend(page(DICTIONARY, &plain, 7, of)?);
            dictionary = Some(at);
            let width = runs::width(known.len());
            [vec![width], runs::encoded(&indices, width)].concat()
        }
        Values::Whole(numbers) => optional(numbers, i64::to_le_bytes)?,
        Values::Number(numbers) => optional(numbers, f64::to_le_bytes)?,
        Values::Flag(flags) => {
            let bits =
                |flags: &[bool]| (0..).zip(flags).fold(0, |byte, (bit, flag)| byte | u8::from(*flag) << bit);
            flags.chunks(8).map(bits).collect()
        }
    };
    let first = at + bytes.len();
    let of = Struct::new().number(1, values.len()).number(2, values.encoding()).number(3, RLE).number(4, RLE);
    bytes.extend(page(DATA, &data, 5, of)?);
    let mut described = Struct::new()
        .number(1, values.kind())
        .numbers(2, &[values.encoding(), RLE])
        .words(3, &[name])
        .number(4, UNCOMPRESSED)
        .long(5, values.len())
        .long(6, bytes.len())
        .long(7, bytes.len())
        .long(9, first);
    if let Some(dictionary) = dictionary {
        described = described.long(11, dictionary);
    }
    Ok((Struct::new().long(2, at).inner(3, described), bytes))
}

/// The distinct words in order of appearance, and the index of each word among them.
fn indexed<'a>(words: &[&'a str]) -> (Vec<&'a str>, Vec<u64>) {
    let (mut known, mut places) = (Vec::new(), HashMap::new());
    let mut place = |word: &'a str| {
        *places.entry(word).or_insert_with(|| {
            known.push(word);
            known.len() as u64 - 1
        })
    };
    let indices = words.iter().map(|word| place(word)).collect();
    (known, indices)
}

fn plain_word(word: &str) -> Vec<u8> {
    [&(word.len() as u32).to_le_bytes()[..], word.as_bytes()].concat()
}

/// Which rows have a value, and these values.
fn optional<T: Copy, const N: usize>(
    values: &[Option<T>],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<Vec<u8>> {
    let levels: Vec<u64> = values.iter().map(|value| u64::from(value.is_some())).collect();
    let levels = runs::encoded(&levels, 1);
    let mut page = size(levels.len())?.to_le_bytes().to_vec();
    page.extend(levels);
    values.iter().flatten().for_each(|value| page.extend(bytes(*value)));
    Ok(page)
}

/// A page with its header, in which `of` describes this kind of page.
fn page(kind: i64, data: &[u8], field: u8, of: Struct) -> io::Result<Vec<u8>> {
    let size = i64::from(size(data.len())?);
    let header = Struct::new().number(1, kind).number(2, size).number(3, size).inner(field, of);
    let mut bytes = header.bytes();
    bytes.extend(data);
    Ok(bytes)
}

/// The type of a column.
fn schema(name: &str, values: &Values) -> Struct {
    let repetition = i64::from(values.is_optional());
    let of = Struct::new().number(1, values.kind()).number(3, repetition).word(4, name);
    match values {
        // Text in UTF-8, in the words of old and of new readers.
        Values::Text(_) => of.number(6, 0).inner(10, Struct::new().inner(1, Struct::new())),
        _ => of,
    }
}

/// What stands at the end of the file: the types of the columns, and where they are.
fn footer(columns: Vec<Described>, rows: usize) -> Vec<u8> {
    let total: usize = columns.iter().map(|column| column.bytes).sum();
    let mut schema = vec![Struct::new().word(4, "schema").number(5, columns.len())];
    let mut chunks = Vec::new();
    for column in columns {
        schema.push(column.schema);
        chunks.push(column.chunk);
    }
    let group = (rows > 0).then(|| Struct::new().inners(1, chunks).long(2, total).long(3, rows));
    Struct::new()
        .number(1, VERSION)
        .inners(2, schema)
        .long(3, rows)
        .inners(4, group.into_iter().collect())
        .word(6, "eigenscape")
        .bytes()
}

/// A size, which Parquet limits to 2 GiB.
fn size(bytes: usize) -> io::Result<u32> {
    i32::try_from(bytes)
        .map(i32::cast_unsigned)
        .map_err(|_| io::Error::other("a column takes more than 2 GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_levels_and_values() {
        let page = optional(&[Some(1_i64), None, Some(2)], i64::to_le_bytes).unwrap();
        // The levels 1, 0, 1 are one group of eight bits; then two numbers.
        assert_eq!(page[..6], [2, 0, 0, 0, 3, 0b101]);
        assert_eq!(page.len(), 6 + 16);
    }

    #[test]
    fn words_are_numbered_in_order_of_appearance() {
        assert_eq!(indexed(&["b", "a", "b"]), (vec!["b", "a"], vec![0, 1, 0]));
    }

    #[test]
    fn a_table_without_rows_has_columns() {
        let mut table = Table::new(Vec::new()).unwrap();
        table.add("group", &Values::Text(Vec::new())).unwrap();
        let file = table.finish().unwrap();
        let length = file.len();
        let footer = u32::from_le_bytes(file[length - 8..length - 4].try_into().unwrap());
        assert_eq!(footer as usize, length - 12);
        assert!(file.windows(5).any(|bytes| bytes == b"group"));
    }

    #[test]
    fn columns_of_other_lengths_are_refused() {
        let mut table = Table::new(Vec::new()).unwrap();
        table.add("a", &Values::Flag(vec![true])).unwrap();
        let error = table.add("b", &Values::Flag(Vec::new())).unwrap_err();
        assert!(error.to_string().contains("differ in length"), "{error}");
    }
}
