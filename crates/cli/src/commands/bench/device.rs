//! The device on which is measured.

use std::sync::Arc;

use eigenscape_core::Registry;
use eigenscape_experiment::{Failure, Result, device};
use eigenscape_runtime::Backend;

/// The device that is always there.
pub const CPU: &str = "cpu";

/// Opens the device with this name.
///
/// # Errors
/// When there is no such device, or it cannot be opened.
pub fn open(name: &str, registry: &Registry) -> Result<Arc<dyn Backend>> {
    let opened = device::open(name, false, &registry.operations);
    let refused = |refused: device::Refused| Failure::Usage {
        problem: format!("--device {name}: {}", refused.problem),
        remedy: refused.remedy,
    };
    Ok(opened.map_err(refused)?.backend)
}
