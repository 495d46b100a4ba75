//! From a plan to commands: where everything lies, and what is begun in which order.

mod within;

use std::sync::Arc;

use candle_core::{DType, Device as CandleDevice, Tensor};
use eigenscape_program::{
    Operation,
    operations::{Literal, Matrix},
};
use eigenscape_runtime::{Error, Kernel, Layout, Plan, PlannedStep};

use crate::{
    Result,
    arena::Arena,
    buffer::{DeviceTensor, stored_as},
    command::{Base, Command, Place, Word},
    cublas::Product,
    device::Device,
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
    /// Bytes of intermediate results.
    pub arena: usize,
    pub constants: Vec<DeviceTensor>,
    /// The results that a run makes.
    pub results: Vec<Made>,
}

/// A result of a run: its slot, shape and type.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub slot: usize,
    pub dims: Vec<usize>,
    pub dtype: DType,
}

/// What stands behind a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Home {
    /// Numbers in memory.
    At(Place),
    /// One number that is repeated.
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
    /// Numbers in row-major order.
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

/// A piece of memory with the slots that lie in it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    home: Home,
    /// Bytes of the arena; 0 elsewhere.
    bytes: usize,
    living: usize,
    /// The type in which an input is given: a view of it is stored so, whatever it is converted to
    /// when it is used.
    given: Option<DType>,
}

impl Piece {
    /// What one slot lies in, and is no input.
    fn new(home: Home, bytes: usize) -> Self {
        Self { home, bytes, living: 1, given: None }
    }
}

/// Commands under construction.
pub(crate) struct Builder<'a> {
    device: &'a Arc<Device>,
    plan: &'a Plan,
    commands: Vec<Command>,
    kernels: Vec<KernelSource>,
    constants: Vec<DeviceTensor>,
    results: Vec<Made>,
    arena: Arena,
    /// What the step under way holds for itself.
    scratch: Vec<(usize, usize)>,
    pieces: Vec<Piece>,
    /// The piece of each slot.
    of_slot: Vec<usize>,
}

/// The commands of a plan on a device.
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
        arena: Arena::default(),
        scratch: Vec::new(),
        pieces: Vec::new(),
        of_slot: Vec::new(),
    };
    for (i, input) in plan.signature().inputs.iter().enumerate() {
        let home = Home::At(Place::start(Base::Input(i)));
        builder.put(Piece { given: Some(input.dtype), ..Piece::new(home, 0) });
    }
    let roots = roots(plan);
    for (index, step) in plan.steps().iter().enumerate() {
        builder.step(builder.of_slot.len(), step, &roots)?;
        debug_assert_eq!(builder.of_slot.len(), plan.signature().inputs.len() + index + 1);
    }
    builder.finish()?;
    let Builder { commands, kernels, constants, results, arena, .. } = builder;
    let names = kernels.iter().map(|kernel| kernel.name.clone()).collect();
    let kernels = device.load(&kernels)?;
    Ok(Compiled { commands, kernels, names, arena: arena.size(), constants, results })
}

/// Each result that is no input, once.
fn results(plan: &Plan) -> Vec<Made> {
    let signature = plan.signature();
    let mut results: Vec<Made> = Vec::new();
    for &slot in plan.outputs().iter().filter(|&&slot| slot >= signature.inputs.len()) {
        if results.iter().all(|made| made.slot != slot) {
            let dtype = plan.dtype(slot);
            let dtype = if dtype.is_float() { signature.outputs } else { dtype };
            results.push(Made { slot, dims: plan.layout(slot).dims.clone(), dtype: stored_as(dtype) });
        }
    }
    results
}

/// For each slot the one whose memory it lies in.
fn roots(plan: &Plan) -> Vec<usize> {
    let inputs = plan.signature().inputs.len();
    let mut roots: Vec<usize> = (0..inputs).collect();
    for step in plan.steps() {
        let shared = if step.view { step.args.first() } else { step.over.map(|place| &step.args[place]) };
        roots.push(shared.map_or(roots.len(), |&slot| roots[slot]));
    }
    roots
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

    /// Memory for this step alone.
    pub fn scratch(&mut self, elements: usize, dtype: DType) -> Place {
        let bytes = elements * dtype.size_in_bytes();
        let start = self.arena.allocate(bytes);
        self.scratch.push((start, bytes));
        Place { base: Base::Arena, offset: start }
    }

    /// Frees what the step holds for itself: nothing that is begun later needs it.
    pub fn free_scratch(&mut self) {
        self.scratch.drain(..).for_each(|(start, bytes)| self.arena.free(start, bytes));
    }

    /// Runs `emit` with scratch memory of its own, which is free afterwards.
    pub fn scoped(&mut self, emit: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let held = std::mem::take(&mut self.scratch);
        let emitted = emit(self);
        self.free_scratch();
        self.scratch = held;
        emitted
    }

    /// A table that is placed now.
    pub fn table(&mut self, numbers: Vec<u32>) -> Result<Place> {
        let len = numbers.len();
        let table = Tensor::from_vec(numbers, len, &CandleDevice::Cpu)?;
        self.constant(&table)
    }

    fn constant(&mut self, tensor: &Tensor) -> Result<Place> {
        self.constants.push(DeviceTensor::upload(self.device, tensor)?);
        Ok(Place::start(Base::Constant(self.constants.len() - 1)))
    }

    /// Starts a kernel with at least so many threads.
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

    /// A batch of matrix products, of which none is empty.
    pub fn multiply(&mut self, product: Product<Place>) {
        self.commands.push(Command::Multiply(product));
    }

    /// Zeros.
    pub fn zero(&mut self, at: Place, bytes: usize) {
        if bytes > 0 {
            self.commands.push(Command::Zero { at, bytes });
        }
    }

    /// Any other command.
    pub fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Where the numbers of a view lie in row-major order in `dtype`: where they are, or in a copy.
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
        let Piece { home, given, .. } = self.pieces[self.of_slot[slot]];
        let dtype = given.unwrap_or_else(|| self.plan.dtype(slot));
        let led = self.plan.is_led(slot);
        View { home, layout: self.plan.layout(slot).clone(), dtype: stored_as(dtype), led }
    }

    fn put(&mut self, piece: Piece) {
        self.of_slot.push(self.pieces.len());
        self.pieces.push(piece);
    }

    fn share(&mut self, slot: usize) {
        let piece = self.of_slot[slot];
        self.pieces[piece].living += 1;
        self.of_slot.push(piece);
    }

    fn step(&mut self, slot: usize, step: &'a PlannedStep, roots: &[usize]) -> Result<()> {
        match &step.kernel {
            Kernel::Operation(Operation::Fill(fill)) => {
                self.put(Piece::new(Home::Repeated(fill.value.0), 0));
            }
            Kernel::Operation(Operation::Literal(literal)) => {
                let at = self.constant(&written(literal, self.compute())?)?;
                self.put(Piece::new(Home::At(at), 0));
            }
            Kernel::Operation(Operation::Matrix(matrix)) => {
                let at = self.constant(&elements(matrix, self.compute())?)?;
                self.put(Piece::new(Home::At(at), 0));
            }
            _ if step.view => self.share(step.args[0]),
            kernel => {
                let args: Vec<View> = step.args.iter().map(|&arg| self.view(arg)).collect();
                match step.over {
                    Some(place) => self.share(step.args[place]),
                    None => self.put_result(slot, step, roots),
                }
                let out = self.view(slot);
                match (kernel, &step.body) {
                    (Kernel::Scan(lowered), Some(body)) => {
                        emit::scan(self, &lowered.scan, body, &args, &out)?;
                    }
                    _ => emit::step(self, kernel, &args, &out)?,
                }
                self.free_scratch();
            }
        }
        step.dead.iter().for_each(|&slot| self.release(slot));
        for &(slot, _) in &step.rounds {
            self.write_result(slot)?;
            self.release(slot);
        }
        Ok(())
    }

    /// New memory for a result: that of a result of the run, where it is one as it stands.
    fn put_result(&mut self, slot: usize, step: &PlannedStep, roots: &[usize]) {
        let output = self.stands_as(slot, roots);
        let piece = match output {
            Some(output) => Piece::new(Home::At(Place::start(Base::Output(output))), 0),
            None => {
                let start = self.arena.allocate(step.bytes);
                Piece::new(Home::At(Place { base: Base::Arena, offset: start }), step.bytes)
            }
        };
        self.put(piece);
    }

    /// The result of the run that the memory of a slot becomes as it stands, if one does.
    fn stands_as(&self, slot: usize, roots: &[usize]) -> Option<usize> {
        let mut inside = self.results.iter().enumerate().filter(|(_, made)| roots[made.slot] == slot);
        let ((place, made), None) = (inside.next()?, inside.next()) else { return None };
        let layout = self.plan.layout(made.slot);
        let whole = layout.elements() == self.plan.layout(slot).elements();
        let same = stored_as(self.plan.dtype(slot)) == made.dtype;
        (whole && same && layout.start == 0 && layout.is_in_order()).then_some(place)
    }

    /// Writes a slot that is a result of the run to its memory, unless it lies there.
    fn write_result(&mut self, slot: usize) -> Result<()> {
        let Some(place) = self.results.iter().position(|made| made.slot == slot) else { return Ok(()) };
        let view = self.view(slot);
        let at = Place::start(Base::Output(place));
        if view.home != Home::At(at) {
            let Made { dims, dtype, .. } = self.results[place].clone();
            emit::copy(self, &view, &View::in_order(at, &dims, dtype))?;
        }
        Ok(())
    }

    /// Results that were not rounded are written at the end.
    fn finish(&mut self) -> Result<()> {
        let rounded: Vec<usize> =
            self.plan.steps().iter().flat_map(|step| step.rounds.iter().map(|(slot, _)| *slot)).collect();
        let slots: Vec<usize> = self.results.iter().map(|made| made.slot).collect();
        slots.into_iter().filter(|slot| !rounded.contains(slot)).try_for_each(|slot| self.write_result(slot))
    }

    fn release(&mut self, slot: usize) {
        let piece = &mut self.pieces[self.of_slot[slot]];
        piece.living -= 1;
        if let (0, Home::At(Place { base: Base::Arena, offset })) = (piece.living, piece.home) {
            let bytes = piece.bytes;
            self.arena.free(offset, bytes);
        }
    }
}

/// Given numbers, on the host.
fn written(literal: &Literal, dtype: DType) -> Result<Tensor> {
    let tensor = Tensor::from_slice(literal.numbers(), literal.dims(), &CandleDevice::Cpu)?;
    Ok(tensor.to_dtype(dtype)?)
}

/// A matrix by its formula, on the host.
fn elements(matrix: &Matrix, dtype: DType) -> Result<Tensor> {
    let Matrix { rows, columns, .. } = *matrix;
    let numbers = (0..rows * columns).map(|i| matrix.element(i / columns, i % columns));
    let tensor = Tensor::from_iter(numbers, &CandleDevice::Cpu)?.reshape((rows, columns))?;
    Ok(tensor.to_dtype(dtype)?)
}
