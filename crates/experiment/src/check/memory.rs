//! How much memory may be taken.

use bytesize::ByteSize;

use super::Checker;
use crate::{diagnostic::ConfigError, memory};

impl Checker<'_> {
    /// Bytes that products and factors may take: as the file says, or by default.
    pub(super) fn memory(&self, raw: Option<&str>) -> Result<usize, ConfigError> {
        let Some(text) = raw else { return Ok(memory::default()) };
        match text.parse::<ByteSize>() {
            Ok(ByteSize(bytes)) if bytes > 0 => Ok(memory::saturated(bytes)),
            _ => Err(self.error(
                "memory",
                format!("\"{text}\" is no amount of memory"),
                "write a number with its unit, as in \"4GiB\" or \"500MiB\"",
            )),
        }
    }
}
