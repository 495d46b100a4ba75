//! The time that commands take on a device.

use std::{collections::HashMap, time::Instant};

use crate::{Result, command::Command, driver::Driver};

/// The time that commands took, by their names. While profiling is on, each command is waited for.
#[derive(Debug, Default)]
pub(crate) struct Profile(HashMap<String, Spent>);

/// The number of runs of a command, and the time that they took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// The number of runs.
    pub count: usize,
    /// Total seconds, from the start of each command to its completion on the device.
    pub seconds: f64,
}

impl Profile {
    /// Times a command.
    pub fn time(
        &mut self,
        driver: &Driver,
        name: String,
        command: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        driver.synchronize()?;
        let begun = Instant::now();
        command()?;
        driver.synchronize()?;
        let spent = self.0.entry(name).or_default();
        spent.count += 1;
        spent.seconds += begun.elapsed().as_secs_f64();
        Ok(())
    }

    /// All entries, longest first.
    pub fn sorted(self) -> Vec<(String, Spent)> {
        let mut all: Vec<(String, Spent)> = self.0.into_iter().collect();
        all.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
        all
    }
}

/// The name of a command: that of its kernel, or the sizes of its product.
pub(crate) fn name(command: &Command, names: &[String]) -> String {
    match command {
        Command::Launch { kernel, .. } => names.get(*kernel).cloned().unwrap_or_default(),
        Command::Multiply(product) => {
            let [m, n, k] = product.sizes;
            format!("{} x {m} x {n} x {k} {:?}", product.batch, product.dtype)
        }
        Command::Zero { .. } => "zero".to_owned(),
        Command::OnHost(_) => "on the host".to_owned(),
    }
}
