//! Errors of a device.

use eigenscape_runtime::Error;

/// What the driver or one of its libraries said.
pub(crate) fn failure(problem: impl Into<String>) -> Error {
    Error::Device(problem.into())
}
