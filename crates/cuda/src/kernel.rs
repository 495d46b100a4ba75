//! Kernels that are begun by themselves.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{Result, device::Device, driver::Function, source::KernelSource};

/// A kernel outside of all plans.
pub(crate) struct Kernel<'a> {
    device: &'a Arc<Device>,
    source: KernelSource,
    function: Function,
}

impl<'a> Kernel<'a> {
    /// The kernel of this name that is written by hand, for numbers of a type.
    pub fn load(device: &'a Arc<Device>, name: &str, dtype: DType) -> Result<Self> {
        let source = KernelSource::by_hand(name, dtype);
        let functions = device.load(std::slice::from_ref(&source))?;
        let function = functions.first().copied().ok_or_else(|| Error::Device(name.to_owned()))?;
        Ok(Self { device, source, function })
    }

    /// Begins it with these words.
    pub fn launch(&self, threads: usize, mut words: Vec<u64>) -> Result<()> {
        if threads == 0 {
            return Ok(());
        }
        let blocks = self.source.blocks(threads, words.len())?;
        let _alone = self.device.work();
        // SAFETY: the words are those of the kernel, at tensors as large as it takes them to be.
        unsafe { self.device.driver()?.launch(self.function, blocks, &mut words) }
    }

    /// As [`Self::launch`], with zeros for the words that are missing: of a table's empty end.
    pub fn launch_filled(&self, threads: usize, mut words: Vec<u64>) -> Result<()> {
        words.resize(self.source.words.max(words.len()), 0);
        self.launch(threads, words)
    }
}
