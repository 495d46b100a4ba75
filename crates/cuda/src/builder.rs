//! Commands under construction: what the files of `emit` write to.

use std::{ops::Range, sync::Arc};

use candle_core::{DType, Device as CandleDevice, Tensor};
use eigenscape_runtime::{ALIGNMENT as PIECES, Layout, Signature};

use crate::{
    Result,
    buffer::DeviceTensor,
    command::{Base, Command, Place, Word},
    cublas::Product,
    device::Device,
    emit,
    source::KernelSource,
};

/// Where the numbers of a value come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Home {
    /// Numbers in memory.
    At(Place),
    /// One repeated number.
    Repeated(f64),
}

/// A value as a step sees it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub home: Home,
    pub layout: Layout,
    /// The type in which it is stored.
    pub dtype: DType,
    /// Whether the first axis is the leading one.
    pub led: bool,
}

impl View {
    /// A view of numbers in row-major order.
    pub fn in_order(at: Place, dims: &[usize], dtype: DType) -> Self {
        Self { home: Home::At(at), layout: Layout::in_order(dims), dtype, led: false }
    }

    /// The same numbers by another layout.
    pub fn by(&self, layout: Layout) -> Self {
        Self { layout, ..self.clone() }
    }

    /// The declared sizes, without the leading axis.
    pub fn declared(&self) -> &[usize] {
        &self.layout.dims[usize::from(self.led)..]
    }

    /// The size of the leading axis, if there is one.
    pub fn lead(&self) -> Option<usize> {
        self.led.then(|| self.layout.dims[0])
    }
}

/// Commands under construction.
pub(crate) struct Builder {
    /// The device for which they are; without one, scratch memory is only counted.
    device: Option<Arc<Device>>,
    /// Whether products in f32 may round their factors to TF32.
    tf32: bool,
    /// The type in which steps compute.
    compute: DType,
    /// The size of the leading axis.
    lead: usize,
    pub commands: Vec<Command>,
    pub kernels: Vec<KernelSource>,
    pub constants: Vec<DeviceTensor>,
    /// The free scratch memory of the current step, as byte ranges of the arena: what the plan
    /// gives to the step, then everything behind the plan's arena.
    pub free: [Range<usize>; 2],
    /// The end of the memory that any step uses.
    pub arena: usize,
}

impl Builder {
    /// No commands yet, for steps that compute in this type with a leading axis of this size.
    pub fn new(device: Option<&Arc<Device>>, tf32: bool, compute: DType, lead: usize) -> Self {
        Self {
            device: device.map(Arc::clone),
            tf32,
            compute,
            lead,
            commands: Vec::new(),
            kernels: Vec::new(),
            constants: Vec::new(),
            free: [0..0, 0..usize::MAX],
            arena: 0,
        }
    }

    /// The type in which steps compute.
    pub fn compute(&self) -> DType {
        self.compute
    }

    /// Whether products round their factors to TF32.
    pub fn tf32(&self) -> bool {
        self.compute == DType::F32 && self.tf32
    }

    /// The size of the leading axis.
    pub fn lead(&self) -> usize {
        self.lead
    }

    /// Emits from now on for a plan of this signature.
    pub fn compute_for(&mut self, signature: &Signature) {
        (self.compute, self.lead) = (signature.compute, signature.lead);
    }

    /// Scratch memory for the current step: from the plan's range if there is enough, else behind
    /// the plan's arena.
    pub fn scratch(&mut self, elements: usize, dtype: DType) -> Place {
        let bytes = elements * dtype.size_in_bytes();
        let region = usize::from(self.free[0].len() < bytes);
        let start = self.free[region].start;
        self.free[region].start = (start + bytes).next_multiple_of(PIECES);
        self.arena = self.arena.max(start + bytes);
        Place { base: Base::Arena, offset: start }
    }

    /// Uploads a table to the device.
    pub fn table(&mut self, numbers: Vec<u32>) -> Result<Place> {
        let len = numbers.len();
        let table = Tensor::from_vec(numbers, len, &CandleDevice::Cpu)?;
        self.constant(&table)
    }

    /// Uploads numbers to the device.
    pub fn constant(&mut self, tensor: &Tensor) -> Result<Place> {
        if let Some(device) = &self.device {
            self.constants.push(DeviceTensor::upload(device, tensor)?);
        }
        Ok(Place::start(Base::Constant(self.constants.len().saturating_sub(1))))
    }

    /// Adds the launch of a kernel with at least `threads` threads.
    pub fn launch(&mut self, kernel: KernelSource, threads: usize, words: Vec<Word>) -> Result<()> {
        if threads == 0 {
            return Ok(());
        }
        let blocks = kernel.blocks(threads, words.len())?;
        let known = self.kernels.iter().position(|known| *known == kernel);
        let kernel = known.unwrap_or_else(|| {
            self.kernels.push(kernel);
            self.kernels.len() - 1
        });
        self.commands.push(Command::Launch { kernel, blocks, words });
        Ok(())
    }

    /// Adds a batch of matrix products; no size may be 0.
    pub fn multiply(&mut self, product: Product<Place>) {
        self.commands.push(Command::Multiply(product));
    }

    /// Runs `emit`, then frees the scratch memory that it took for the current step.
    pub fn scoped(&mut self, emit: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let free = self.free.clone();
        let emitted = emit(self);
        self.free = free;
        emitted
    }

    /// Adds a command that sets `bytes` bytes to zero.
    pub fn zero(&mut self, at: Place, bytes: usize) {
        if bytes > 0 {
            self.commands.push(Command::Zero { at, bytes });
        }
    }

    /// Adds any other command.
    pub fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// The place of a view's numbers in row-major order and in type `dtype`: the original or a
    /// copy.
    pub fn in_order(&mut self, view: &View, dtype: DType) -> Result<Place> {
        if let Home::At(at) = view.home
            && view.dtype == dtype
            && view.layout.is_in_order()
        {
            return Ok(at.plus(view.layout.start * dtype.size_in_bytes()));
        }
        let copy = self.scratch(view.layout.elements(), dtype);
        emit::copy(self, view, &View::in_order(copy, &view.layout.dims, dtype))?;
        Ok(copy)
    }
}
