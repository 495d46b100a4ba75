//! The schema's unions: JSON objects with a single key, which names the variant.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

/// A union, written as `{"KIND": VALUE}`.
pub(super) trait Union<'de>: Sized {
    /// A description of the expected value, for error messages.
    const EXPECTED: &'static str;

    /// Reads the value of the variant `kind` from `map`. The value of an unknown variant must be
    /// read, too, as [`IgnoredAny`].
    fn read<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error>;
}

/// Reads a union.
pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Union<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Kinds(PhantomData))
}

struct Kinds<T>(PhantomData<T>);

impl<'de, T: Union<'de>> Visitor<'de> for Kinds<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let Some(kind) = map.next_key::<String>()? else {
            return Err(A::Error::custom(format!("expected {}, not an empty object", T::EXPECTED)));
        };
        let value = T::read(&kind, &mut map)?;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}
