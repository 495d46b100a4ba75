//! From the names in a file to the network's: `strip_prefix`, then `rename`, then `transpose`.

use std::borrow::Cow;

use eigenscape_core::registry::nearest;
use eigenscape_formats::Refusal;

use super::{
    pattern::{self, Rename, fits},
    state_dict::{Entry, Item, StateDict, short, shown},
};

/// The maximum number of prefixes of a name that are tried.
const PREFIXES: usize = 8;

impl StateDict<'_> {
    /// Removes a prefix from the names that have it. At least one name must have it.
    pub(super) fn strip(&mut self, prefix: &str) -> Result<(), Refusal> {
        let mut stripped = false;
        for entry in &mut self.entries {
            if let Some(rest) = entry.stored_as.strip_prefix(prefix) {
                (entry.stored_as, stripped) = (rest, true);
            }
        }
        if stripped {
            return Ok(());
        }
        let names = self.stored_names();
        Err(Refusal::new(
            format!("has no name that begins with {prefix:?}; its names are: {names}"),
            "correct or remove `strip_prefix`",
        ))
    }

    /// Keeps the tensors whose names in the file satisfy `is_kept`, and renames and transposes them
    /// by a selection whose patterns need not match.
    pub(super) fn lenient(
        mut self,
        selection: &super::Selection,
        is_kept: impl Fn(&str) -> bool,
    ) -> Result<Self, Refusal> {
        self.entries.retain(|entry| is_kept(entry.stored_as));
        for entry in &mut self.entries {
            let (name, turned) = lenient(selection, entry.stored_as)?;
            entry.name = Cow::Owned(name);
            entry.item = entry.item.transposed().filter(|_| turned).unwrap_or(entry.item);
        }
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(self)
    }

    /// Renames the tensors by `rename` and transposes the matrices that `transpose` matches.
    pub(super) fn named(mut self, rename: &[Rename], transpose: &[String]) -> Result<Self, Refusal> {
        let mut used = vec![false; rename.len()];
        for entry in &mut self.entries {
            entry.name = match pattern::chosen(rename, entry.stored_as)? {
                Some((_, name)) => Cow::Owned(name),
                None => Cow::Borrowed(entry.stored_as),
            };
            entry.item = entry.item.as_stored();
            for (used, pattern) in used.iter_mut().zip(rename) {
                *used = *used || fits(pattern.from(), entry.stored_as);
            }
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            return Err(self.fits_nothing(&rename[unused]));
        }
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some([a, b]) = self.entries.array_windows().find(|[a, b]| a.name == b.name) {
            return Err(twice(a, b));
        }
        for pattern in transpose {
            self.transpose(pattern)?;
        }
        Ok(self)
    }

    fn fits_nothing(&self, unused: &Rename) -> Refusal {
        let (from, to) = (unused.from(), unused.to());
        let names = || self.entries.iter().map(|entry| entry.stored_as);
        let remedy = if names().any(|name| fits(to, name)) {
            format!("write names in the file to the left of those in the network: \"{to}\" = \"{from}\"")
        } else if let Some(prefix) = names().find_map(|name| before(from, name)) {
            format!("take the prefix away first: add strip_prefix = {prefix:?} in [model.checkpoint]")
        } else {
            match nearest(from, names()) {
                Some(name) => format!("correct or remove it; did you mean \"{}\"?", short(&name)),
                None => "correct or remove it".to_owned(),
            }
        };
        let problem = format!(
            "has no name that matches \"{from}\" in `rename`; its names are: {}",
            self.stored_names()
        );
        Refusal::new(problem, remedy)
    }

    /// Transposes the matrices that a pattern matches, by their names in the file or, if it matches
    /// none of these, by their names in the network.
    fn transpose(&mut self, pattern: &str) -> Result<(), Refusal> {
        let chosen = |name: &dyn Fn(&Entry) -> bool| -> Vec<usize> {
            (0..self.entries.len()).filter(|index| name(&self.entries[*index])).collect()
        };
        let mut indices = chosen(&|entry| fits(pattern, entry.stored_as));
        if indices.is_empty() {
            indices = chosen(&|entry| fits(pattern, &entry.name));
        }
        if indices.is_empty() {
            let near = nearest(pattern, self.entries.iter().map(|entry| entry.stored_as));
            let near = near.map_or(String::new(), |name| format!("; did you mean \"{}\"?", short(&name)));
            return Err(Refusal::new(
                format!(
                    "has no name that matches \"{pattern}\" in `transpose`; its names are: {}",
                    self.stored_names()
                ),
                format!("correct or remove it{near}"),
            ));
        }
        for index in indices {
            let entry = &mut self.entries[index];
            entry.item = entry.item.transposed().ok_or_else(|| {
                let problem = format!(
                    "\"{pattern}\" in `transpose` matches {}, which is {} and not a matrix",
                    short(entry.stored_as),
                    entry.item
                );
                Refusal::new(problem, "make it match only matrices, as in transpose = [\"*.c_attn.weight\"]")
            })?;
        }
        Ok(())
    }

    /// The first names in the file, as text.
    fn stored_names(&self) -> String {
        shown(self.entries.iter().map(|entry| entry.stored_as))
    }
}

/// The shortest prefix, ending in a dot, after which a pattern matches the rest of a name.
fn before<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    let dots = name.match_indices('.').map(|(dot, _)| dot + 1);
    dots.take(PREFIXES).find(|end| fits(pattern, &name[*end..])).map(|end| &name[..end])
}

fn twice(a: &Entry, b: &Entry) -> Refusal {
    let name = short(&a.name);
    if a.stored_as == b.stored_as {
        return Refusal::new(
            format!("has two tensors with the name {name}"),
            "change `strip_prefix` so that names stay different, or save the file again",
        );
    }
    Refusal::new(
        format!("`rename` makes {name} of {} and of {}", short(a.stored_as), short(b.stored_as)),
        "give each tensor a name of its own: change `rename`",
    )
}

/// Applies `strip_prefix`, `rename` and `transpose` to one name; none of them needs to match.
/// Returns the name in the network, and whether its matrix is transposed.
pub(crate) fn lenient(selection: &super::Selection, name: &str) -> Result<(String, bool), Refusal> {
    let stripped = selection
        .strip_prefix
        .iter()
        .fold(name, |name, prefix| name.strip_prefix(prefix.as_str()).unwrap_or(name));
    let renamed = pattern::chosen(&selection.rename, stripped)?;
    let renamed = renamed.map_or_else(|| stripped.to_owned(), |(_, name)| name);
    let turned = selection.transpose.iter().any(|pattern| fits(pattern, stripped) || fits(pattern, &renamed));
    Ok((renamed, turned))
}

impl<'c> Item<'c> {
    /// A transposed matrix; `None` for anything else.
    fn transposed(self) -> Option<Self> {
        match self {
            Self::Tensor(stored) | Self::Transposed(stored) if stored.shape().len() == 2 => {
                Some(Self::Transposed(stored))
            }
            _ => None,
        }
    }

    /// The item in the orientation of the file.
    fn as_stored(self) -> Self {
        match self {
            Self::Transposed(stored) => Self::Tensor(stored),
            other => other,
        }
    }
}
