//! Measurements in child processes: peak memory is measured per process, and an allocator keeps
//! some of the freed memory.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use eigenscape_core::Error;
use eigenscape_experiment::{Failure, Result};
use serde::{Serialize, de::DeserializeOwned};

/// Runs `bench` with these arguments in a child process and returns the value that it passes to
/// [`print()`]. The child's progress output goes to our stderr.
///
/// # Errors
/// When the child process fails.
pub fn measure<T: DeserializeOwned>(arguments: &[&str]) -> Result<T> {
    let failed = |why: &dyn std::fmt::Display| Failure::Run {
        problem: format!("the process that measures `bench {}` failed: {why}", arguments.join(" ")),
        remedy: Some("what it printed above says why; give the same command again".to_owned()),
    };
    let program = env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    let output = command.arg("bench").args(arguments).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}

/// Passes a value to the parent process, which called [`measure`].
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn print(value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string(value).map_err(|error| Error::io(Path::new("stdout"), error.into()))?;
    crate::print(json)
}
