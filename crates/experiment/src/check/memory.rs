//! How much memory may be taken.

use bytesize::ByteSize;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::Checker;
use crate::diagnostic::ConfigError;

/// The share of the machine's memory that is taken by default: 1 / this.
const SHARE: u64 = 2;

impl Checker<'_> {
    /// Bytes that products and factors may take: as the file says, or half of the machine's memory. Of all of it, not of what
    /// happens to be free: the same experiment is split in the same way each time.
    pub(super) fn memory(&self, raw: Option<&str>) -> Result<usize, ConfigError> {
        let Some(text) = raw else { return Ok(usize_from(of_machine() / SHARE)) };
        match text.parse::<ByteSize>() {
            Ok(ByteSize(bytes)) if bytes > 0 => Ok(usize_from(bytes)),
            _ => Err(self.error(
                "memory",
                format!("\"{text}\" is no amount of memory"),
                "write a number with its unit, as in \"4GiB\" or \"500MiB\"",
            )),
        }
    }
}

fn usize_from(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The machine's memory, or the container's where it has a limit.
fn of_machine() -> u64 {
    let system = System::new_with_specifics(
        RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()),
    );
    let limit = system.cgroup_limits().map(|limits| limits.total_memory).filter(|limit| *limit > 0);
    limit.map_or(system.total_memory(), |limit| limit.min(system.total_memory()))
}
