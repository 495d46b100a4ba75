//! What is being done, said from time to time where nothing else is: on a terminal bars show it, and
//! in a file or a pipe a long step would otherwise be silence.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use crate::work;

/// The longest silence.
const SILENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether that has passed.
const LOOK: Duration = Duration::from_millis(500);

/// Counts how long nothing was said, and knows what is being done.
#[derive(Debug)]
pub(crate) struct Pulse(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When something was said last.
    last: Instant,
    /// What is being done, the innermost last, each with its number.
    activities: Vec<(u64, Activity)>,
    next: u64,
}

/// Something that takes time.
#[derive(Debug, Clone)]
struct Activity {
    label: String,
    message: String,
    unit: &'static str,
    done: u64,
    total: u64,
    start: Instant,
}

impl Pulse {
    /// A pulse that nobody hears.
    pub fn silent() -> Arc<Self> {
        let state = State { last: Instant::now(), activities: Vec::new(), next: 0 };
        Arc::new(Self(Mutex::new(state)))
    }

    /// A pulse on stderr, for as long as it is held.
    pub fn on_stderr() -> Arc<Self> {
        let pulse = Self::silent();
        let weak = Arc::downgrade(&pulse);
        // Without the thread there is silence, and nothing else is lost.
        drop(thread::Builder::new().name("pulse".to_owned()).spawn(move || beat(&weak)));
        pulse
    }

    /// Something was said.
    pub fn said(&self) {
        self.lock().last = Instant::now();
    }

    /// An activity begins; the number ends it.
    pub fn begin(&self, label: &str, unit: &'static str, total: u64) -> u64 {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let (label, message) = (label.to_owned(), String::new());
        let activity = Activity { label, message, unit, done: 0, total, start: Instant::now() };
        state.activities.push((number, activity));
        number
    }

    /// So much of an activity is done, of what `message` says.
    pub fn update(&self, number: u64, done: u64, message: Option<&str>) {
        let mut state = self.lock();
        let found = state.activities.iter_mut().find(|(other, _)| *other == number);
        if let Some((_, activity)) = found {
            activity.done = done;
            if let Some(message) = message {
                message.clone_into(&mut activity.message);
            }
        }
    }

    /// An activity ends.
    pub fn end(&self, number: u64) {
        self.lock().activities.retain(|(other, _)| *other != number);
    }

    /// What to say after so long a silence.
    fn due(&self, silence: Duration) -> Option<String> {
        let mut state = self.lock();
        if state.last.elapsed() < silence {
            return None;
        }
        let (_, activity) = state.activities.last()?;
        let text = activity.words(activity.start.elapsed());
        state.last = Instant::now();
        Some(text)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn beat(pulse: &Weak<Pulse>) {
    loop {
        thread::sleep(LOOK);
        let Some(pulse) = pulse.upgrade() else { return };
        if let Some(text) = pulse.due(SILENCE) {
            // A closed stderr does not stop the run.
            drop(writeln!(io::stderr(), "{text}"));
        }
    }
}

impl Activity {
    /// "  ... spectra after epoch 3: 40 of 400 products, hessian of full, for 12 s, about 110 s left".
    fn words(&self, elapsed: Duration) -> String {
        let Self { label, message, unit, done, total, .. } = self;
        let mut text = format!("  ... {label}:");
        if *total > 0 {
            text += &format!(" {done} of {total} {unit},");
        }
        if !message.is_empty() {
            text += &format!(" {message},");
        }
        text += &format!(" for {} so far", work::words(elapsed));
        let rest = total.saturating_sub(*done) as f64 / *done as f64;
        if *done > 0 && rest > 0.0 {
            text += &format!(", about {} left", work::words(elapsed.mul_f64(rest.min(1e6))));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_silence_is_broken_by_what_is_being_done() {
        let pulse = Pulse::silent();
        assert_eq!(pulse.due(Duration::ZERO), None, "nothing is being done");
        let training = pulse.begin("training", "steps", 100);
        let spectra = pulse.begin("spectra after epoch 3", "products", 400);
        pulse.update(spectra, 40, Some("hessian of full"));
        assert_eq!(pulse.due(SILENCE), None, "something was said a moment ago");
        let said = pulse.due(Duration::ZERO).unwrap();
        assert!(
            said.starts_with("  ... spectra after epoch 3: 40 of 400 products, hessian of full, for"),
            "{said}"
        );
        assert!(said.ends_with(" left"), "{said}");
        pulse.end(spectra);
        assert!(pulse.due(Duration::ZERO).unwrap().contains("training: 0 of 100 steps, for 1 s so far"));
        pulse.end(training);
        assert_eq!(pulse.due(Duration::ZERO), None);
    }

    #[test]
    fn what_is_left_is_judged_by_what_is_done() {
        let activity = Activity {
            label: "training".to_owned(),
            message: String::new(),
            unit: "steps",
            done: 25,
            total: 100,
            start: Instant::now(),
        };
        let said = activity.words(Duration::from_secs(20));
        assert_eq!(said, "  ... training: 25 of 100 steps, for 20 s so far, about 60 s left");
    }
}
