//! Progress on stderr: bars on a terminal, plain lines elsewhere, nothing when quiet. Or whatever
//! an [`Observer`] makes of it.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use eigenscape_core::{Interrupt, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pulse::Pulse;

/// How often a bar is drawn again, so that its times go on.
const TICK: Duration = Duration::from_millis(250);

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
    pulse: Arc<Pulse>,
}

impl Display {
    /// Bars where stderr is a terminal, and otherwise a line when nothing else was said for long;
    /// neither if `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let pulse = if quiet || io::stderr().is_terminal() { Pulse::silent() } else { Pulse::on_stderr() };
        Self { bars, quiet, observer: None, interrupt: Interrupt::default(), pulse }
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
            self.pulse.said();
        }
    }

    /// A bar over the steps of training.
    #[must_use]
    pub fn training(&self, label: &str, steps: usize) -> Bar {
        let template = "{prefix} {wide_bar} {pos}/{len} steps  {msg}  {elapsed}, {eta} left";
        // Nothing is shown where nothing is trained.
        self.bar(label, steps, "steps", if steps == 0 { "" } else { template })
    }

    /// A bar over the products of a set of spectra.
    #[must_use]
    pub fn spectra(&self, label: &str, products: usize) -> Bar {
        let template = "{prefix} {wide_bar} {pos}/{len} products  {msg}  {elapsed}, {eta} left";
        // Of matrices without products it is not known how far they are.
        let template = if products == 0 { WAITING } else { template };
        self.bar(label, products, "products", template)
    }

    /// Shows that something is being done of which it is not known how long it takes.
    #[must_use]
    pub fn waiting(&self, label: &str) -> Bar {
        self.bar(label, 0, "", WAITING)
    }

    fn bar(&self, label: &str, length: usize, unit: &'static str, template: &str) -> Bar {
        let bar = ProgressBar::new(length as u64).with_prefix(label.to_owned());
        // The template is a constant; if it were invalid, the default bar would be used.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        let bar = self.bars.add(bar);
        if !self.bars.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        let number = self.pulse.begin(label, unit, length as u64);
        Bar { bar, observer: self.observer.clone(), pulse: Arc::clone(&self.pulse), number }
    }
}

/// What is shown of work of unknown length.
const WAITING: &str = "{spinner} {prefix}  {msg}  {elapsed}";

/// A bar that disappears when it is dropped.
pub struct Bar {
    bar: ProgressBar,
    observer: Option<Arc<dyn Observer>>,
    pulse: Arc<Pulse>,
    number: u64,
}

impl Bar {
    /// Advances the bar by `work`.
    pub fn skip(&self, work: usize) {
        self.bar.inc(work as u64);
        self.pulse.update(self.number, self.bar.position(), None);
        if let Some(observer) = &self.observer {
            observer.progress(&self.bar.prefix(), self.bar.position(), self.bar.length().unwrap_or_default());
        }
    }

    /// Sets the message next to the bar.
    pub fn message(&self, text: impl Into<String>) {
        let text = text.into();
        self.pulse.update(self.number, self.bar.position(), Some(&text));
        self.bar.set_message(text);
    }
}

impl Progress for Bar {
    fn advance(&self, work: usize) {
        self.skip(work);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.pulse.end(self.number);
        self.bar.finish_and_clear();
    }
}
