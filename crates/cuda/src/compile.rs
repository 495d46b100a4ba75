//! Compiles a plan to commands: decides where all values lie, and which commands run in which
//! order.

mod within;

use std::{ops::Range, sync::Arc};

use candle_core::{DType, Device as CandleDevice, Tensor};
use eigenscape_program::{
    Operation,
    operations::{Literal, Matrix},
};
use eigenscape_runtime::{ALIGNMENT as PIECES, Error, Home as Planned, Kernel, Layout, Plan, PlannedStep};

use crate::{
    Result,
    buffer::{DeviceTensor, stored_as},
    command::{Base, Command, Place, Word},
    cublas::Product,
    device::{ALIGNMENT, Device},
    driver::Function,
    emit,
    source::KernelSource,
};

/// A plan as commands.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub commands: Vec<Command>,
    pub kernels: Vec<Function>,
    /// The names of the kernels.
    pub names: Vec<String>,
    /// Bytes of the arena: the plan's, followed by further scratch memory of steps.
    pub arena: usize,
    pub constants: Vec<DeviceTensor>,
    /// The results of a run.
    pub results: Vec<Made>,
}

/// A result of a run: its slot, its place, its shape and type.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub slot: usize,
    pub at: Place,
    pub dims: Vec<usize>,
    pub dtype: DType,
}

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
pub(crate) struct Builder<'a> {
    device: &'a Arc<Device>,
    /// The plan at hand: that of the run, or one [within](Self::within) a step of it.
    plan: &'a Plan,
    commands: Vec<Command>,
    kernels: Vec<KernelSource>,
    constants: Vec<DeviceTensor>,
    results: Vec<Made>,
    /// The free scratch memory of the current step, as byte ranges of the arena: what the plan
    /// gives to the step, then everything behind the plan's arena.
    free: [Range<usize>; 2],
    /// Where the plan's arena begins in the device's arena.
    origin: usize,
    /// The first byte behind the arenas of all plans that are being compiled.
    behind: usize,
    /// The end of the memory that any step uses.
    arena: usize,
    /// The home of each slot.
    homes: Vec<Home>,
}

/// Compiles a plan for a device.
pub(crate) fn compile(device: &Arc<Device>, plan: &Plan) -> Result<Compiled> {
    let compute = plan.signature().compute;
    if !matches!(compute, DType::F32 | DType::F64) {
        return Err(Error::unsupported(format!("{compute:?} on a GPU: it is f32 or f64")));
    }
    let mut builder = Builder {
        device,
        plan,
        commands: Vec::new(),
        kernels: Vec::new(),
        constants: Vec::new(),
        results: results(plan),
        free: [0..0, 0..0],
        origin: 0,
        behind: plan.arena().next_multiple_of(ALIGNMENT),
        arena: plan.arena(),
        homes: Vec::new(),
    };
    let inputs = 0..plan.signature().inputs.len();
    builder.homes.extend(inputs.map(|input| Home::At(Place::start(Base::Input(input)))));
    plan.steps().iter().try_for_each(|step| builder.step(step))?;
    let Builder { commands, kernels, constants, results, arena, .. } = builder;
    let names = kernels.iter().map(|kernel| kernel.name.clone()).collect();
    let kernels = device.load(&kernels)?;
    Ok(Compiled { commands, kernels, names, arena, constants, results })
}

/// The results of a run.
fn results(plan: &Plan) -> Vec<Made> {
    let made = |(result, &slot): (usize, &usize)| {
        let (dims, dtype) = (plan.layout(slot).dims.clone(), stored_as(plan.result_dtype(slot)));
        Made { slot, at: Place::start(Base::Output(result)), dims, dtype }
    };
    plan.results().iter().enumerate().map(made).collect()
}

impl<'a> Builder<'a> {
    /// The type in which steps compute.
    pub fn compute(&self) -> DType {
        self.plan.signature().compute
    }

    /// The size of the leading axis.
    pub fn lead(&self) -> usize {
        self.plan.signature().lead
    }

    /// Whether products round their factors to TF32.
    pub fn tf32(&self) -> bool {
        self.compute() == DType::F32 && self.device.tf32()
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

    fn constant(&mut self, tensor: &Tensor) -> Result<Place> {
        self.constants.push(DeviceTensor::upload(self.device, tensor)?);
        Ok(Place::start(Base::Constant(self.constants.len() - 1)))
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

    /// A slot as steps see it.
    fn view(&self, slot: usize) -> View {
        let (layout, led) = (self.plan.layout(slot).clone(), self.plan.is_led(slot));
        View { home: self.homes[slot], layout, dtype: stored_as(self.plan.stored(slot)), led }
    }

    fn step(&mut self, step: &'a PlannedStep) -> Result<()> {
        let slot = self.homes.len();
        // Commands run in order, so this step may reuse the scratch memory of earlier steps.
        self.free = [self.origin + step.own.start..self.origin + step.own.end, self.behind..usize::MAX];
        match &step.kernel {
            Kernel::Operation(Operation::Fill(fill)) => self.homes.push(Home::Repeated(fill.value.0)),
            Kernel::Operation(Operation::Literal(literal)) => {
                let at = self.constant(&written(literal, self.compute())?)?;
                self.put_constant(slot, at)?;
            }
            Kernel::Operation(Operation::Matrix(matrix)) => {
                let at = self.constant(&elements(matrix, self.compute())?)?;
                self.put_constant(slot, at)?;
            }
            _ if step.view => self.homes.push(self.homes[step.args[0]]),
            kernel => {
                let args: Vec<View> = step.args.iter().map(|&arg| self.view(arg)).collect();
                self.homes.push(Home::At(self.place(slot)));
                let out = self.view(slot);
                match (kernel, &step.body) {
                    (Kernel::Scan(scan), Some(body)) => emit::scan(self, scan, body, &args, &out)?,
                    _ => emit::step(self, kernel, &args, &out)?,
                }
            }
        }
        for slot in &step.settles {
            let result = self.results.iter().position(|made| made.slot == *slot);
            result.map_or(Ok(()), |result| self.write_result(*slot, result))?;
        }
        Ok(())
    }

    /// Where the plan puts a slot.
    fn place(&self, slot: usize) -> Place {
        match self.plan.home(slot) {
            Planned::Input(input) => Place::start(Base::Input(input)),
            Planned::Arena(offset) => Place { base: Base::Arena, offset: self.origin + offset },
            Planned::Result(result) => self.results[result].at,
        }
    }

    /// Adds a slot that lies in a constant, and copies it if it is a result.
    fn put_constant(&mut self, slot: usize, at: Place) -> Result<()> {
        self.homes.push(Home::At(at));
        match self.plan.home(slot) {
            Planned::Result(result) => self.write_result(slot, result),
            _ => Ok(()),
        }
    }

    /// Emits the copy of a slot to the memory of a result.
    fn write_result(&mut self, slot: usize, result: usize) -> Result<()> {
        let Made { at, dims, dtype, .. } = self.results[result].clone();
        let view = self.view(slot);
        emit::copy(self, &view, &View::in_order(at, &dims, dtype))
    }
}

/// The numbers of a literal, on the host.
fn written(literal: &Literal, dtype: DType) -> Result<Tensor> {
    let tensor = Tensor::from_slice(literal.numbers(), literal.dims(), &CandleDevice::Cpu)?;
    Ok(tensor.to_dtype(dtype)?)
}

/// The elements of a matrix operation, evaluated on the host.
fn elements(matrix: &Matrix, dtype: DType) -> Result<Tensor> {
    let Matrix { rows, columns, .. } = *matrix;
    let numbers = (0..rows * columns).map(|i| matrix.element(i / columns, i % columns));
    let tensor = Tensor::from_iter(numbers, &CandleDevice::Cpu)?.reshape((rows, columns))?;
    Ok(tensor.to_dtype(dtype)?)
}
