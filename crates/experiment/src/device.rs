//! The device that programs run on, by its name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use eigenscape_cpu::Cpu;
use eigenscape_cuda::{Cuda, Settings};
use eigenscape_runtime::{Backend, Definitions};

/// The default fraction of a card's memory that measuring may take; the rest is for weights, data
/// and others. It refers to the total memory, so that an experiment is split the same way each
/// time, unless less is free.
const SHARE: [usize; 2] = [3, 4];

/// A device that a file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Device {
    Cpu,
    Cuda(usize),
    /// A GPU that nobody else seems to use.
    FirstFree,
    /// A GPU where there is one.
    Auto,
}

impl Device {
    fn parse(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None if name == "cpu" => Some(Self::Cpu),
            None if name == "cuda" => Some(Self::FirstFree),
            None if name == "auto" => Some(Self::Auto),
            Some(("cuda", number)) => number.parse().ok().map(Self::Cuda),
            _ => None,
        }
    }
}

/// An open device.
#[derive(Debug)]
pub struct Opened {
    /// Runs programs on it.
    pub backend: Arc<dyn Backend>,
    /// The memory of a card.
    pub card: Option<Card>,
}

/// The memory of a card in bytes, as it was when the device was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// All of it.
    pub total: usize,
    /// What nobody used.
    pub free: usize,
}

impl Card {
    /// What measuring may take unless the experiment says it.
    #[must_use]
    pub fn allowed(self) -> usize {
        (self.total / SHARE[1] * SHARE[0]).min(self.free)
    }
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The experiment's key that is wrong.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Opens the device with this name. `definitions` are those of plugins' operations.
///
/// # Errors
/// When there is no such device, or it cannot be opened.
pub fn open(name: &str, tf32: bool, definitions: &Definitions) -> Result<Opened, Refused> {
    let refused = |key, problem, remedy| Err(Refused { key, problem, remedy });
    let Some(device) = Device::parse(name) else {
        let problem = format!("the device \"{name}\" is not known");
        return refused("device", problem, "use \"cpu\", \"cuda:0\", \"cuda\" or \"auto\"");
    };
    let cpu = || Ok(Opened { backend: Arc::new(Cpu::with(definitions.clone())), card: None });
    let opened = match device {
        Device::Cpu if tf32 => {
            let problem = "TF32 is a type of GPUs, and the device is the CPU".to_owned();
            return refused("tf32", problem, "take it out, or set device = \"cuda:0\"");
        }
        Device::Cpu => return cpu(),
        Device::Cuda(ordinal) => card(ordinal, tf32),
        Device::FirstFree | Device::Auto => first_free().and_then(|ordinal| card(ordinal, tf32)),
    };
    match opened {
        Ok((cuda, card)) => {
            Ok(Opened { backend: Arc::new(cuda.with(definitions.clone())), card: Some(card) })
        }
        Err(_) if device == Device::Auto && !tf32 => cpu(),
        Err(problem) => refused("device", problem, "set device = \"cpu\" where there is no NVIDIA GPU"),
    }
}

/// The number of the GPU that nobody else seems to use. A process chooses once: what it takes
/// itself would make it look used.
fn first_free() -> Result<usize, String> {
    static CHOSEN: OnceLock<Result<usize, String>> = OnceLock::new();
    CHOSEN.get_or_init(|| Cuda::first_free(None).map_err(|error| error.to_string())).clone()
}

/// The card with this number, or why it cannot be opened. A process opens each card once.
fn card(ordinal: usize, tf32: bool) -> Result<(Cuda, Card), String> {
    type Cards = HashMap<(usize, bool), Result<(Cuda, Card), String>>;
    static CARDS: OnceLock<Mutex<Cards>> = OnceLock::new();
    let open = || {
        let cuda =
            Cuda::open(&Settings { ordinal, tf32, folders: None }).map_err(|error| error.to_string())?;
        let (_, [free, total]) = cuda.describe().map_err(|error| error.to_string())?;
        Ok((cuda, Card { total, free }))
    };
    let mut cards = CARDS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    cards.entry((ordinal, tf32)).or_insert_with(open).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_name() {
        let known = [
            ("cpu", Device::Cpu),
            ("cuda", Device::FirstFree),
            ("cuda:3", Device::Cuda(3)),
            ("auto", Device::Auto),
        ];
        for (name, device) in known {
            assert_eq!(Device::parse(name), Some(device));
        }
        for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "mps"] {
            assert_eq!(Device::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_share_of_the_card_is_allowed_but_no_more_than_is_free() {
        assert_eq!(Card { total: 80, free: 79 }.allowed(), 60);
        assert_eq!(Card { total: 80, free: 50 }.allowed(), 50);
    }
}
