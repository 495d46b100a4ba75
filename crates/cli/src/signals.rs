//! Signals: the first requests a stop at a point where nothing is lost, the second ends the process
//! at once.

use eigenscape_experiment::progress::Display;

/// Listens for SIGINT (Ctrl-C) and SIGTERM from now on.
#[cfg(unix)]
pub fn listen(display: &Display) {
    use std::sync::{Arc, atomic::AtomicBool};

    use signal_hook::{
        consts::{SIGINT, SIGTERM, SIGXFSZ},
        flag,
        iterator::Signals,
        low_level::emulate_default_handler,
    };
    // Handling SIGXFSZ turns exceeding the file size limit into a write error, like a full disk.
    let too_large = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let mut signals = match too_large.and_then(|_| Signals::new([SIGINT, SIGTERM])) {
        Ok(signals) => signals,
        // Signals then end the process, which loses little.
        Err(error) => return display.line(&format!("warning: signals cannot be handled ({error})")),
    };
    let display = display.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if display.interrupt().request() {
                drop(emulate_default_handler(signal));
            } else {
                display.line("stopping after the current step or product; a second signal stops at once");
            }
        }
    });
}

/// On other systems signals end the process, which loses little.
#[cfg(not(unix))]
pub fn listen(_: &Display) {}
