//! Compiles a plan to commands: decides where all values lie, and which commands run in which
//! order.

mod within;

use std::sync::Arc;

use candle_core::{DType, Device as CandleDevice, Tensor};
use eigenscape_program::{
    Operation,
    operations::{Literal, Matrix},
};
use eigenscape_runtime::{Conversion, Error, Home as Planned, Kernel, Layout, Plan, PlannedStep, aligned};

use crate::{
    Result,
    buffer::{DeviceTensor, stored_as},
    builder::{Builder, Home, View},
    command::{Base, Command, Place},
    device::{ALIGNMENT, Device},
    driver::Function,
    emit,
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

/// A plan that is being compiled.
pub(crate) struct Compiler<'a> {
    pub builder: Builder,
    /// The plan at hand: that of the run, or one [within](Self::within) a step of it.
    plan: &'a Plan,
    results: Vec<Made>,
    /// Where the plan's arena begins in the device's arena.
    origin: usize,
    /// The first byte behind the arenas of all plans that are being compiled.
    behind: usize,
    /// The home of each slot.
    homes: Vec<Home>,
}

/// Compiles a plan for a device.
pub(crate) fn compile(device: &Arc<Device>, plan: &Plan) -> Result<Compiled> {
    let compute = plan.signature().compute;
    if !matches!(compute, DType::F32 | DType::F64) {
        return Err(Error::unsupported(format!("{compute:?} on a GPU: it is f32 or f64")));
    }
    let mut builder = Builder::new(Some(device), device.tf32(), compute, plan.signature().lead);
    builder.arena = plan.arena();
    let inputs = 0..plan.signature().inputs.len();
    let mut compiler = Compiler {
        builder,
        plan,
        results: results(plan),
        origin: 0,
        behind: plan.arena().next_multiple_of(ALIGNMENT),
        homes: inputs.map(|input| Home::At(Place::start(Base::Input(input)))).collect(),
    };
    plan.steps().iter().try_for_each(|step| compiler.step(step))?;
    let Compiler { builder: Builder { commands, kernels, constants, arena, .. }, results, .. } = compiler;
    // The plan has room for all scratch memory, as `workspace` counted.
    debug_assert!(arena <= plan.arena(), "{arena} bytes where {} are planned", plan.arena());
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

impl<'a> Compiler<'a> {
    /// A slot as steps see it.
    fn view(&self, slot: usize) -> View {
        let (layout, led) = (self.plan.layout(slot).clone(), self.plan.is_led(slot));
        View { home: self.homes[slot], layout, dtype: stored_as(self.plan.stored(slot)), led }
    }

    fn step(&mut self, step: &'a PlannedStep) -> Result<()> {
        let slot = self.homes.len();
        // Commands run in order, so this step may reuse the scratch memory of earlier steps.
        self.builder.free =
            [self.origin + step.own.start..self.origin + step.own.end, self.behind..usize::MAX];
        match &step.kernel {
            Kernel::Operation(Operation::Fill(fill)) => self.homes.push(Home::Repeated(fill.value.0)),
            Kernel::Operation(Operation::Literal(literal)) => {
                let at = self.builder.constant(&written(literal, self.builder.compute())?)?;
                self.put_constant(slot, at)?;
            }
            Kernel::Operation(Operation::Matrix(matrix)) => {
                let at = self.builder.constant(&elements(matrix, self.builder.compute())?)?;
                self.put_constant(slot, at)?;
            }
            _ if step.view => self.homes.push(self.homes[step.args[0]]),
            kernel => {
                let mut args: Vec<View> = step.args.iter().map(|&arg| self.view(arg)).collect();
                if !emit::reads_any_type(kernel) {
                    self.convert(step, &mut args)?;
                }
                self.homes.push(Home::At(self.place(slot)));
                let out = self.view(slot);
                match (kernel, &step.body) {
                    (Kernel::Scan(scan), Some(body)) => emit::scan(self, scan, body, &args, &out)?,
                    _ => emit::step(&mut self.builder, kernel, &args, &out)?,
                }
            }
        }
        for slot in &step.settles {
            let result = self.results.iter().position(|made| made.slot == *slot);
            result.map_or(Ok(()), |result| self.write_result(*slot, result))?;
        }
        Ok(())
    }

    /// Emits the conversions of operands that lie in inputs of another type, as the plan says.
    fn convert(&mut self, step: &PlannedStep, args: &mut [View]) -> Result<()> {
        let compute = self.builder.compute();
        for Conversion { operand, numbers, offset } in &step.converts {
            let view = &args[*operand];
            let Home::At(from) = view.home else { continue };
            let from = from.plus(numbers.start * view.dtype.size_in_bytes());
            let to = Place { base: Base::Arena, offset: self.origin + step.own.start + offset };
            let [from, to] = [(from, view.dtype), (to, compute)]
                .map(|(at, dtype)| View::in_order(at, &[numbers.len()], dtype));
            emit::copy(&mut self.builder, &from, &to)?;
            let layout = Layout { start: view.layout.start - numbers.start, ..view.layout.clone() };
            args[*operand] = View { led: view.led, ..to.by(layout) };
            let end = step.own.start + offset + aligned(numbers.len() * compute.size_in_bytes());
            self.builder.free[0].start = self.builder.free[0].start.max(self.origin + end);
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
        emit::copy(&mut self.builder, &view, &View::in_order(at, &dims, dtype))
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
