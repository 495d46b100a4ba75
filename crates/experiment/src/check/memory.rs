//! The memory limit of an experiment.

use bytesize::ByteSize;

use super::Checker;
use crate::{
    diagnostic::{ConfigError, Located},
    memory,
};

impl Checker<'_> {
    /// Bytes that measuring may take, if the file sets `memory`.
    pub(super) fn memory(&self, raw: Option<&str>) -> Result<Option<Located<usize>>, ConfigError> {
        let Some(text) = raw else { return Ok(None) };
        if text.trim().bytes().all(|byte| byte.is_ascii_digit()) && text.contains(|c| c != '0') {
            let problem = format!("\"{text}\" has no unit, and that many bytes are too few");
            return Err(self.error(
                "memory",
                problem,
                format!("write it as in \"{0}MiB\" or \"{0}GiB\"", text.trim()),
            ));
        }
        match text.parse::<ByteSize>() {
            Ok(ByteSize(bytes)) if bytes > 0 => Ok(Some(self.located("memory", memory::saturated(bytes)))),
            _ => Err(self.error(
                "memory",
                format!("\"{text}\" is not an amount of memory"),
                "write a number with its unit, as in \"4GiB\" or \"500MiB\"",
            )),
        }
    }
}
