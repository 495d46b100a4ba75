//! Progress on stderr: bars on a terminal, plain lines elsewhere, nothing when quiet. Or whatever
//! an [`Observer`] makes of it.

use std::{
    io::{self, Write},
    sync::Arc,
};

use eigenscape_core::{Interrupt, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Receives the progress of a run instead of stderr.
pub trait Observer: Send + Sync {
    /// A line of text.
    fn line(&self, text: &str);

    /// `done` of `total` units of work are done; `label` says what the work is.
    fn progress(&self, label: &str, done: u64, total: u64);
}

/// The user's side of a run: shows progress, and passes on the wish to stop.
#[derive(Clone)]
pub struct Display {
    bars: MultiProgress,
    quiet: bool,
    observer: Option<Arc<dyn Observer>>,
    interrupt: Interrupt,
}

impl Display {
    /// Bars where stderr is a terminal, unless `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        Self { bars, quiet, observer: None, interrupt: Interrupt::default() }
    }

    /// Reports everything to `observer`, and nothing to stderr.
    #[must_use]
    pub fn observed(observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..Self::new(true) }
    }

    /// The interrupt that is raised when the user wants everything to stop.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        if let Some(observer) = &self.observer {
            observer.line(text);
        }
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
        Bar { bar: self.bars.add(bar), observer: self.observer.clone() }
    }
}

/// A bar that disappears when it is dropped.
pub struct Bar {
    bar: ProgressBar,
    observer: Option<Arc<dyn Observer>>,
}

impl Bar {
    /// Advances the bar by `work`.
    pub fn skip(&self, work: usize) {
        self.bar.inc(work as u64);
        if let Some(observer) = &self.observer {
            observer.progress(&self.bar.prefix(), self.bar.position(), self.bar.length().unwrap_or_default());
        }
    }

    /// Sets the message next to the bar.
    pub fn message(&self, text: impl Into<String>) {
        self.bar.set_message(text.into());
    }
}

impl Progress for Bar {
    fn advance(&self, work: usize) {
        self.skip(work);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
