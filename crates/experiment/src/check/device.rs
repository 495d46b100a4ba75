//! The device that an experiment runs on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use eigenscape_cpu::Cpu;
use eigenscape_cuda::{Cuda, Settings};
use eigenscape_runtime::Backend;

use super::Checker;
use crate::diagnostic::{ConfigError, Located};

/// The default fraction of a card's memory that measuring may take. It refers to the total memory,
/// not the free memory, so that an experiment is split the same way each time.
const SHARE: [usize; 2] = [3, 4];

/// A device that a file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Device {
    Cpu,
    Cuda(usize),
    /// A GPU where there is one.
    Auto,
}

impl Device {
    fn parse(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None if name == "cpu" => Some(Self::Cpu),
            None if name == "cuda" => Some(Self::Cuda(0)),
            None if name == "auto" => Some(Self::Auto),
            Some(("cuda", number)) => number.parse().ok().map(Self::Cuda),
            _ => None,
        }
    }
}

/// The backend of a device and its memory limit.
pub(super) struct Computing {
    pub backend: Arc<dyn Backend>,
    /// Bytes of the card's memory that measuring may take.
    pub of_card: Option<Located<usize>>,
}

impl Checker<'_> {
    /// Opens the device with this name.
    pub(super) fn device(&self, name: &str, tf32: bool) -> Result<Computing, ConfigError> {
        let Some(device) = Device::parse(name) else {
            let problem = format!("the device \"{name}\" is not known");
            return Err(self.error("device", problem, "use \"cpu\", \"cuda:0\", \"cuda\" or \"auto\""));
        };
        let cpu = || {
            let backend = Arc::new(Cpu::with(self.registry.operations.clone()));
            Computing { backend, of_card: None }
        };
        let ordinal = match device {
            Device::Cpu if tf32 => {
                let problem = "TF32 is a type of GPUs, and the device is the CPU";
                return Err(self.error("tf32", problem, "take it out, or set device = \"cuda:0\""));
            }
            Device::Cpu => return Ok(cpu()),
            Device::Cuda(ordinal) => ordinal,
            Device::Auto => 0,
        };
        match card(ordinal, tf32) {
            Ok((cuda, total)) => {
                let backend = Arc::new(cuda.with(self.registry.operations.clone()));
                let of_card = Some(self.located("device", total / SHARE[1] * SHARE[0]));
                Ok(Computing { backend, of_card })
            }
            Err(_) if device == Device::Auto && !tf32 => Ok(cpu()),
            Err(problem) => {
                Err(self.error("device", problem, "set device = \"cpu\" where there is no NVIDIA GPU"))
            }
        }
    }
}

/// The card with this number and its total memory in bytes, or why it cannot be opened. A process
/// opens each card once.
fn card(ordinal: usize, tf32: bool) -> Result<(Cuda, usize), String> {
    type Cards = HashMap<(usize, bool), Result<(Cuda, usize), String>>;
    static CARDS: OnceLock<Mutex<Cards>> = OnceLock::new();
    let open = || {
        let cuda =
            Cuda::open(&Settings { ordinal, tf32, folders: None }).map_err(|error| error.to_string())?;
        let (_, [_, total]) = cuda.describe().map_err(|error| error.to_string())?;
        Ok((cuda, total))
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
            ("cuda", Device::Cuda(0)),
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
}
