//! Kernels that are launched outside of plans.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_runtime::Error;

use crate::{Result, device::Device, driver::Function, source::KernelSource};

/// A loaded kernel that belongs to no plan.
pub(crate) struct Kernel<'a> {
    device: &'a Arc<Device>,
    source: KernelSource,
    function: Function,
}

impl<'a> Kernel<'a> {
    /// Loads the handwritten kernel of this name, for numbers of type `dtype`.
    pub fn load(device: &'a Arc<Device>, name: &str, dtype: DType) -> Result<Self> {
        let source = KernelSource::by_hand(name, dtype);
        let functions = device.load(std::slice::from_ref(&source))?;
        let function = functions.first().copied().ok_or_else(|| Error::Device(name.to_owned()))?;
        Ok(Self { device, source, function })
    }

    /// Enqueues the kernel with these words.
    pub fn launch(&self, threads: usize, mut words: Vec<u64>) -> Result<()> {
        if threads == 0 {
            return Ok(());
        }
        let blocks = self.source.blocks(threads, words.len())?;
        let _alone = self.device.work();
        // SAFETY: the words are those of the kernel, with addresses of large enough tensors.
        unsafe { self.device.driver()?.launch(self.function, blocks, &mut words) }
    }

    /// Like [`Self::launch`]; zeros fill the unused end of the kernel's table.
    pub fn launch_filled(&self, threads: usize, mut words: Vec<u64>) -> Result<()> {
        words.resize(self.source.words.max(words.len()), 0);
        self.launch(threads, words)
    }
}
