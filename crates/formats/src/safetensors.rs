//! The safetensors format: eight bytes with the header's length, a JSON header, the elements.
//!
//! ```
//! use eigenscape_formats::safetensors::Tensors;
//! let header = br#"{"a":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]}}"#;
//! let file = [&(header.len() as u64).to_le_bytes()[..], header, &[7, 9]].concat();
//! let tensors = Tensors::parse(&file)?;
//! let a = tensors.get("a").ok_or("there is no a")?;
//! assert_eq!((a.shape(), &*a.elements()), (&[2, 1][..], &[7, 9][..]));
//! # Ok::<(), String>(())
//! ```
//!
//! Element types are the `safetensors` crate's. Its reader is not used: a header of a kilobyte
//! makes it allocate tens of kilobytes, and offsets near 2⁶⁴ overflow in it. Here all shapes lie in
//! one list, and every sum is checked.

use std::{borrow::Cow, fmt, ops::Range};

use safetensors::Dtype;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::Stored;

/// Bytes of the header's length.
const PREFIX: usize = 8;
/// More axes than any tensor has; PyTorch's limit.
const MOST_AXES: usize = 64;
/// The header's entry that is no tensor.
const METADATA: &str = "__metadata__";

/// The tensors of a file.
#[derive(Debug, Clone)]
pub struct Tensors<'a> {
    /// Sorted by name.
    entries: Vec<Entry<'a>>,
    /// The axes of all shapes.
    axes: Vec<usize>,
    data: &'a [u8],
}

#[derive(Debug, Clone)]
struct Entry<'a> {
    name: Cow<'a, str>,
    dtype: Dtype,
    /// Where in `axes` the shape is.
    axes: Range<usize>,
    offsets: Range<usize>,
}

impl<'a> Tensors<'a> {
    /// Whether a file begins as one of this format.
    #[must_use]
    pub fn recognised(file: &[u8]) -> bool {
        file.get(PREFIX) == Some(&b'{')
    }

    /// Reads the header and checks that the tensors fill the rest of the file without gaps.
    ///
    /// # Errors
    /// What is wrong with a file that is not whole or not of this format.
    pub fn parse(file: &'a [u8]) -> Result<Self, String> {
        let header = header(file).ok_or("its header is cut short")?;
        let mut axes = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_slice(header);
        let entries = Header(&mut axes).deserialize(&mut deserializer);
        let entries = entries.and_then(|entries| deserializer.end().map(|()| entries));
        let mut tensors = Self {
            entries: entries.map_err(|error| format!("its header is damaged ({error})"))?,
            axes,
            data: &file[PREFIX + header.len()..],
        };
        tensors.entries.sort_unstable_by_key(|entry| (entry.offsets.start, entry.offsets.end));
        tensors.check()?;
        tensors.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        match tensors.entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(format!("the tensor {} is there twice", pair[0].name)),
            None => Ok(tensors),
        }
    }

    /// That the elements of each tensor, in the order of their places, follow those of the one
    /// before.
    fn check(&self) -> Result<(), String> {
        let mut start = 0;
        for entry in &self.entries {
            let Range { start: from, end } = entry.offsets;
            let size = self.axes[entry.axes.clone()].iter().try_fold(1_usize, |n, axis| n.checked_mul(*axis));
            let bits = size.and_then(|size| size.checked_mul(entry.dtype.bitsize()));
            let fits = from == start && end >= start && end <= self.data.len();
            if !fits || bits != (end - start).checked_mul(8) {
                return Err(format!("the elements of {} are not where they should be", entry.name));
            }
            start = end;
        }
        if start == self.data.len() {
            return Ok(());
        }
        Err(format!("it has {} bytes of elements instead of {start}", self.data.len()))
    }

    /// Names with tensors, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Stored<'_>)> {
        self.entries.iter().filter_map(|entry| Some((&*entry.name, self.stored(entry)?)))
    }

    /// The tensor of a name; `None` when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Stored<'_>> {
        let index = self.entries.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        self.stored(&self.entries[index])
    }

    fn stored(&self, entry: &Entry) -> Option<Stored<'_>> {
        let bytes = self.data.get(entry.offsets.clone())?;
        Stored::contiguous(entry.dtype, &self.axes[entry.axes.clone()], bytes)
    }
}

fn header(file: &[u8]) -> Option<&[u8]> {
    let length = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    file.get(PREFIX..PREFIX.checked_add(length)?)
}

/// The header: names with descriptions, whose shapes go to a common list.
struct Header<'l>(&'l mut Vec<usize>);

impl<'de> DeserializeSeed<'de> for Header<'_> {
    type Value = Vec<Entry<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header<'_> {
    type Value = Vec<Entry<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a table of tensors")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if name == METADATA {
                map.next_value::<IgnoredAny>()?;
            } else {
                entries.push(map.next_value_seed(Description { name, axes: &mut *self.0 })?);
            }
        }
        Ok(entries)
    }
}

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A tensor's description.
struct Description<'l, 'de> {
    name: Cow<'de, str>,
    axes: &'l mut Vec<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    Dtype,
    Shape,
    DataOffsets,
}

impl<'de> DeserializeSeed<'de> for Description<'_, 'de> {
    type Value = Entry<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Description<'_, 'de> {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a table with dtype, shape and data_offsets")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let (mut dtype, mut axes, mut offsets) = (None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Dtype => dtype = Some(map.next_value()?),
                Field::Shape => axes = Some(map.next_value_seed(Shape(&mut *self.axes))?),
                Field::DataOffsets => offsets = Some(map.next_value::<(usize, usize)>()?),
            }
        }
        let offsets = offsets.ok_or_else(|| Error::missing_field("data_offsets"))?;
        Ok(Entry {
            name: self.name,
            dtype: dtype.ok_or_else(|| Error::missing_field("dtype"))?,
            axes: axes.ok_or_else(|| Error::missing_field("shape"))?,
            offsets: offsets.0..offsets.1,
        })
    }
}

/// A shape, which is put at the end of the common list.
struct Shape<'l>(&'l mut Vec<usize>);

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of lengths")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut axes: S) -> Result<Self::Value, S::Error> {
        let start = self.0.len();
        while let Some(axis) = axes.next_element()? {
            if self.0.len() - start == MOST_AXES {
                return Err(Error::custom("a tensor has more than 64 axes"));
            }
            self.0.push(axis);
        }
        Ok(start..self.0.len())
    }
}
