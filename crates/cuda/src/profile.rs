//! Where time goes on a device.

use std::{collections::HashMap, time::Instant};

use crate::{Result, command::Command, driver::Driver};

/// Time that commands took, by what they are. While there is one, each command is waited for.
#[derive(Debug, Default)]
pub(crate) struct Profile(HashMap<String, Spent>);

/// How often something was begun, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// How often.
    pub count: usize,
    /// Seconds in all, each time to the end and with the way there.
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

    /// All of it, the longest first.
    pub fn sorted(self) -> Vec<(String, Spent)> {
        let mut all: Vec<(String, Spent)> = self.0.into_iter().collect();
        all.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
        all
    }
}

/// What a command is called: a kernel by its name, a product by its sizes.
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
