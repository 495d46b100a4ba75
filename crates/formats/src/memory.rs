//! How much memory there is.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Bytes of the machine's memory, or of the container's where it has a limit.
#[must_use]
pub fn of_machine() -> usize {
    let system = System::new_with_specifics(
        RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()),
    );
    let limit = system.cgroup_limits().map(|limits| limits.total_memory).filter(|limit| *limit > 0);
    let total = limit.map_or(system.total_memory(), |limit| limit.min(system.total_memory()));
    usize::try_from(total).unwrap_or(usize::MAX)
}
