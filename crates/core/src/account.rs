//! Memory accounts: how many bytes each item will take, known before allocation.

/// The items that a computation holds in memory at the same time, with their bytes.
///
/// Sums and products saturate at `usize::MAX`, which is more than any machine has.
///
/// ```
/// use eigenscape_core::account::{Account, size};
/// let account = Account::of("the matrix", size([1000, 1000], 8));
/// let account = account.with("two vectors", size([2, 1000], 8));
/// assert_eq!(account.total(), 8_016_000);
/// assert_eq!(size([usize::MAX, 3], 8), usize::MAX);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    entries: Vec<Entry>,
}

/// An item of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is, in words that follow "memory for".
    pub what: String,
    /// Bytes.
    pub bytes: usize,
}

impl Account {
    /// An account of one item.
    pub fn of(what: impl Into<String>, bytes: usize) -> Self {
        Self::default().with(what, bytes)
    }

    /// This account with one more item; an item of no bytes is left out.
    #[must_use]
    pub fn with(mut self, what: impl Into<String>, bytes: usize) -> Self {
        if bytes > 0 {
            self.entries.push(Entry { what: what.into(), bytes });
        }
        self
    }

    /// The items of both accounts.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self
    }

    /// The items, in their order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The total bytes.
    #[must_use]
    pub fn total(&self) -> usize {
        self.entries.iter().fold(0, |total: usize, entry| total.saturating_add(entry.bytes))
    }

    /// The items in words, largest first: "12.0 GiB for the Krylov basis, 31.5 MiB for a product".
    #[must_use]
    pub fn words(&self) -> String {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
        let words = |entry: &&Entry| format!("{} for {}", bytes(entry.bytes), entry.what);
        entries.iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

/// Bytes of an array of this shape whose elements take `element` bytes each.
#[must_use]
pub fn size(shape: impl IntoIterator<Item = usize>, element: usize) -> usize {
    shape.into_iter().fold(element, usize::saturating_mul)
}

/// A number of bytes in words: "1.5 GiB".
#[must_use]
pub fn bytes(count: usize) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count == usize::MAX {
        return "more than any machine has".to_owned();
    }
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_words() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 29, "2.5 GiB"),
            (usize::MAX - 1, "16.0 EiB"),
            (usize::MAX, "more than any machine has"),
        ];
        for (count, words) in cases {
            assert_eq!(bytes(count), words);
        }
    }

    #[test]
    fn the_largest_item_is_named_first() {
        let account = Account::of("a", 1 << 20).with("nothing", 0).with("b", 3 << 30);
        assert_eq!(account.words(), "3.0 GiB for b, 1.0 MiB for a");
        assert_eq!(account.clone().and(Account::of("c", usize::MAX)).total(), usize::MAX);
    }
}
