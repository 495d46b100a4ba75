//! Progress on stderr: bars on a terminal, plain lines elsewhere, nothing when quiet.

use std::io::{self, Write};

use eigenscape_core::{Interrupt, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The user's side of a run: shows progress, and passes on the wish to stop.
#[derive(Clone)]
pub struct Display {
    bars: MultiProgress,
    quiet: bool,
    interrupt: Interrupt,
}

impl Display {
    /// Bars where stderr is a terminal, unless `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target), quiet, interrupt: Interrupt::default() }
    }

    /// The interrupt that is raised when the user wants everything to stop.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        if !self.quiet {
            // A closed stderr does not stop the run.
            self.bars.suspend(|| drop(writeln!(io::stderr(), "{text}")));
        }
    }

    /// A bar over the steps of training.
    #[must_use]
    pub fn training(&self, label: &str, steps: usize) -> Bar {
        self.bar(label, steps, "{prefix} {wide_bar} {pos}/{len} steps  {msg}  {eta} left")
    }

    /// A bar over the products of a set of spectra.
    #[must_use]
    pub fn spectra(&self, label: &str, products: usize) -> Bar {
        self.bar(label, products, "{prefix} {wide_bar} {pos}/{len} products  {msg}  {eta} left")
    }

    fn bar(&self, label: &str, length: usize, template: &str) -> Bar {
        let bar = ProgressBar::new(length as u64).with_prefix(label.to_owned());
        // The template is a constant; if it were invalid, the default bar would be used.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Bar(self.bars.add(bar))
    }
}

/// A bar that disappears when it is dropped.
pub struct Bar(ProgressBar);

impl Bar {
    /// Advances the bar by `work`.
    pub fn skip(&self, work: usize) {
        self.0.inc(work as u64);
    }

    /// Sets the message next to the bar.
    pub fn message(&self, text: impl Into<String>) {
        self.0.set_message(text.into());
    }
}

impl Progress for Bar {
    fn advance(&self, work: usize) {
        self.skip(work);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
