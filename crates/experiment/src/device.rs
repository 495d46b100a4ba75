//! The device that programs run on, by its name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use eigenscape_core::account::bytes;
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
    /// What to say about the device: a card's name, memory and precision, or why "auto" is the CPU.
    pub description: Option<String>,
}

impl Opened {
    /// "cpu" or "cuda": what numbers depend on.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.backend.name()
    }
}

/// The memory of a card in bytes, as it was when the device was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// All of it.
    pub total: usize,
    /// The part that was unused.
    pub free: usize,
}

impl Card {
    /// Bytes that measuring may take: what the experiment allows, or a share of the card, but no
    /// more than is free.
    #[must_use]
    pub fn allowed(self, said: Option<usize>) -> usize {
        said.unwrap_or(self.total / SHARE[1] * SHARE[0]).min(self.free)
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
    pub remedy: String,
}

/// Opens the device with this name. `definitions` are those of plugins' operations.
///
/// # Errors
/// When there is no such device, or it cannot be opened.
pub fn open(name: &str, tf32: bool, definitions: &Definitions) -> Result<Opened, Refused> {
    let refused = |key, problem, remedy: &str| Err(Refused { key, problem, remedy: remedy.to_owned() });
    let Some(device) = Device::parse(name) else {
        let problem = format!("the device \"{name}\" is not known");
        return refused("device", problem, "use \"cpu\", \"cuda:0\", \"cuda\" or \"auto\"");
    };
    let cpu = |description| {
        Ok(Opened { backend: Arc::new(Cpu::with(definitions.clone())), card: None, description })
    };
    let opened = match device {
        Device::Cpu if tf32 => {
            let problem = "TF32 needs a GPU, and the device is the CPU".to_owned();
            return refused("tf32", problem, "remove it, or set device = \"cuda:0\"");
        }
        Device::Cpu => return cpu(None),
        Device::Cuda(ordinal) => card(ordinal, tf32),
        Device::FirstFree | Device::Auto => first_free().and_then(|ordinal| card(ordinal, tf32)),
    };
    match opened {
        Ok((cuda, card, name)) => {
            let precision = if tf32 { ", products in TF32" } else { "" };
            let (free, total) = (bytes(card.free), bytes(card.total));
            let description = Some(format!("{name}, {free} of its {total} free{precision}"));
            Ok(Opened { backend: Arc::new(cuda.with(definitions.clone())), card: Some(card), description })
        }
        Err(problem) if device == Device::Auto && tf32 => {
            let problem = format!("TF32 needs a GPU, and there is none: {problem}");
            refused("tf32", problem, "remove tf32")
        }
        Err(problem) if device == Device::Auto => cpu(Some(format!("the CPU, since {problem}"))),
        Err(problem) => refused(
            "device",
            problem,
            "docs/gpu.md says what a GPU needs; device = \"cpu\" or \"auto\" runs without one",
        ),
    }
}

/// The number of the GPU that nobody else seems to use. A process chooses once: what it takes
/// itself would make it look used.
fn first_free() -> Result<usize, String> {
    static CHOSEN: OnceLock<Result<usize, String>> = OnceLock::new();
    CHOSEN.get_or_init(|| Cuda::first_free(None).map_err(|error| error.to_string())).clone()
}

/// The card with this number, its memory and its name, or why it cannot be opened. A process opens
/// each card once.
fn card(ordinal: usize, tf32: bool) -> Result<(Cuda, Card, String), String> {
    type Cards = HashMap<(usize, bool), Result<(Cuda, Card, String), String>>;
    static CARDS: OnceLock<Mutex<Cards>> = OnceLock::new();
    let open = || {
        let cuda =
            Cuda::open(&Settings { ordinal, tf32, folders: None }).map_err(|error| error.to_string())?;
        let (name, [free, total]) = cuda.describe().map_err(|error| error.to_string())?;
        Ok((cuda, Card { total, free }, format!("cuda:{ordinal}, {name}")))
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
        let card = |free| Card { total: 80, free };
        assert_eq!((card(79).allowed(None), card(50).allowed(None)), (60, 50));
        assert_eq!((card(79).allowed(Some(70)), card(79).allowed(Some(90))), (70, 79));
    }
}
