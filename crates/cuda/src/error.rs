//! Errors of a device.

use eigenscape_runtime::Error;

/// An error that the driver or one of its libraries reports.
pub(crate) fn failure(problem: impl Into<String>) -> Error {
    Error::Device(problem.into())
}
