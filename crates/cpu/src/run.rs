//! Runs a plan in this thread's arena.

use candle_core::{DType, Tensor};
use eigenscape_program::Operation;
use eigenscape_runtime::{
    ALIGNMENT, Buffer, Conversion, Definitions, Home, Kernel, Layout, Plan, PlannedStep,
};

use crate::{
    Error, Result,
    arena::{Carved, carve, with_arena},
    evaluate::{Operand, Recurrence, Target, add_onto, evaluate},
    kernels::Workspace,
    numbers::{Numbers, Stored, kept_as, numbers_mut},
    outside::{Given, Made, Read},
};

/// Runs a plan and returns its outputs; the inputs are in row-major order.
pub(crate) fn run(plan: &Plan, definitions: &Definitions, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
    // An output that is an input is returned as it was given, unconverted.
    let given: Vec<Option<Buffer>> = plan.outputs().iter().map(|&slot| inputs.get(slot).cloned()).collect();
    let inputs = Buffer::all_to_host(inputs)?.into_iter().map(|input| readable(plan, input));
    let inputs = inputs.collect::<Result<_>>()?;
    let results = plan.results().iter().map(|_| None).collect();
    let mut run = Run { plan, definitions, inputs, results };
    with_arena(plan.arena(), |arena| run.steps(arena))?;
    let made: Vec<Tensor> = run.into_tensors()?;
    let output = |(&slot, given): (&usize, Option<Buffer>)| {
        let place = plan.results().iter().position(|&result| result == slot);
        given.or_else(|| Some(made.get(place?)?.clone().into()))
    };
    Ok(plan.outputs().iter().zip(given).filter_map(output).collect())
}

/// Runs a plan with one output within a step of another run: the output is written to `out`, and
/// `arena` is the plan's arena.
pub(crate) fn run_within(
    plan: &Plan,
    definitions: &Definitions,
    inputs: Vec<Given>,
    out: &mut [u8],
    arena: &mut [u8],
) -> Result<()> {
    if let Some(given) = plan.outputs().first().and_then(|&slot| inputs.get(slot)) {
        out.copy_from_slice(given.read().numbers()?.0);
        return Ok(());
    }
    let inputs = inputs.into_iter().map(Some).collect();
    Run { plan, definitions, inputs, results: vec![Some(Made::Lent(out))] }.steps(arena)
}

/// Converts an input to a type that kernels read.
fn readable(plan: &Plan, input: Tensor) -> Result<Option<Given<'static>>> {
    Ok(Some(Given::Tensor(match input.dtype() {
        DType::F32 | DType::F64 | DType::U32 => input,
        dtype if dtype.is_float() => input.to_dtype(plan.signature().compute)?,
        _ => input.to_dtype(DType::U32)?,
    })))
}

/// The state of a run.
struct Run<'p> {
    plan: &'p Plan,
    definitions: &'p Definitions,
    /// The inputs; `None` once no later step needs them.
    inputs: Vec<Option<Given<'p>>>,
    /// The memory of results; `None` until a step starts to write one.
    results: Vec<Option<Made<'p>>>,
}

impl<'p> Run<'p> {
    /// Runs all steps in order.
    fn steps(&mut self, arena: &mut [u8]) -> Result<()> {
        let (plan, first) = (self.plan, self.plan.signature().inputs.len());
        plan.steps().iter().enumerate().try_for_each(|(i, step)| self.step(first + i, step, arena))
    }

    /// Runs the step whose result is `slot`, then settles and frees what the step lists.
    fn step(&mut self, slot: usize, step: &PlannedStep, arena: &mut [u8]) -> Result<()> {
        match &step.kernel {
            Kernel::Operation(Operation::Fill(fill)) => self.fill(slot, fill.value.0, arena)?,
            _ if step.view => (),
            _ => self.compute(slot, step, arena)?,
        }
        step.settles.iter().try_for_each(|&slot| self.settle(slot, arena))?;
        step.frees.iter().for_each(|&input| self.inputs[input] = None);
        Ok(())
    }

    /// Writes the one number that a slot repeats.
    fn fill(&self, slot: usize, value: f64, arena: &mut [u8]) -> Result<()> {
        let Home::Arena(start) = self.plan.home(slot) else { return Err(misplaced()) };
        let at = &mut arena[start..][..self.plan.dtype(slot).size_in_bytes()];
        match self.plan.dtype(slot) {
            DType::F32 => numbers_mut(at)?.fill(value as f32),
            _ => numbers_mut(at)?.fill(value),
        }
        Ok(())
    }

    /// Runs a step that computes its result, unlike a view.
    fn compute(&mut self, slot: usize, step: &PlannedStep, arena: &mut [u8]) -> Result<()> {
        let (layout, size) = (self.plan.layout(slot), kept_as(step.dtype).size_in_bytes());
        let range = layout.start * size..(layout.start + layout.elements()) * size;
        match self.plan.home(slot) {
            Home::Arena(at) => {
                let carved = carve(arena, [at + range.start..at + range.end, step.own.clone()]);
                let mut carved = carved.ok_or_else(misplaced)?;
                let [out, own] = std::mem::take(&mut carved.written);
                self.write(slot, step, &carved, [out, own])
            }
            Home::Result(result) => {
                let mut made = self.begun(result)?;
                let mut carved = carve(arena, [0..0, step.own.clone()]).ok_or_else(misplaced)?;
                let [_, own] = std::mem::take(&mut carved.written);
                self.write(slot, step, &carved, [&mut made.bytes_mut()[range], own])?;
                self.results[result] = Some(made);
                Ok(())
            }
            Home::Input(_) => Err(misplaced()),
        }
    }

    /// Writes a step's result to `out`. `own` is the step's scratch memory: converted operands,
    /// then the kernel's workspace.
    fn write(
        &self,
        slot: usize,
        step: &PlannedStep,
        carved: &Carved,
        [out, own]: [&mut [u8]; 2],
    ) -> Result<()> {
        let Self { plan, definitions, .. } = *self;
        let guards: Vec<_> = step.args.iter().map(|&arg| self.input(arg)).collect();
        let inputs = guards.iter().map(|guard| guard.as_ref().map(Read::numbers).transpose());
        let inputs: Vec<_> = inputs.collect::<Result<_>>()?;
        let (converted, work) = converted(plan, step, &inputs, own)?;
        let operand = |place: usize| {
            let arg = step.args[place];
            let conversion = step.converts.iter().find(|conversion| conversion.operand == place);
            let numbers = match conversion {
                Some(conversion) => of_conversion(plan, arg, conversion, converted),
                None => self.stored(arg, inputs[place], carved)?,
            };
            Ok::<_, Error>(Operand { numbers, led: plan.is_led(arg) })
        };
        if let Some(over) = step.over {
            return add_onto(out, &operand(1 - over)?);
        }
        let args: Vec<Operand> = (0..step.args.len()).map(operand).collect::<Result<_>>()?;
        let target = &mut Target { bytes: out, dims: &plan.layout(slot).dims, dtype: kept_as(step.dtype) };
        let work = &mut Workspace::new(work);
        match (&step.kernel, step.body.as_deref()) {
            (Kernel::Scan(scan), Some(body)) => {
                Recurrence { scan, body, definitions }.evaluate(&args, target, work)
            }
            (kernel, _) => evaluate(kernel, plan.signature().compute, definitions, &args, target, work),
        }
    }

    /// Copies an output from where it was computed to its own memory, rounded to the output's type.
    fn settle(&mut self, slot: usize, arena: &mut [u8]) -> Result<()> {
        let results = self.plan.results();
        let result = results.iter().position(|&result| result == slot).ok_or_else(misplaced)?;
        let mut made = self.begun(result)?;
        let carved = carve(arena, [0..0, 0..0]).ok_or_else(misplaced)?;
        {
            let guard = self.input(slot);
            let input = guard.as_ref().map(Read::numbers).transpose()?;
            let dtype = kept_as(self.plan.result_dtype(slot));
            self.stored(slot, input, &carved)?.copy_to(made.bytes_mut(), dtype)?;
        }
        self.results[result] = Some(made);
        Ok(())
    }

    /// Takes the memory of a result out of `results`, or allocates it. The caller puts it back.
    fn begun(&mut self, result: usize) -> Result<Made<'p>> {
        let (plan, slot) = (self.plan, self.plan.results()[result]);
        let new = || Numbers::new(kept_as(plan.result_dtype(slot)), plan.layout(slot).elements());
        self.results[result].take().map_or_else(|| Ok(Made::Own(new()?)), Ok)
    }

    /// The memory of the input that holds a slot; `None` if the slot lies elsewhere.
    fn input(&self, slot: usize) -> Option<Read<'_>> {
        match self.plan.home(slot) {
            Home::Input(input) => self.inputs[input].as_ref().map(Given::read),
            _ => None,
        }
    }

    /// A slot's numbers. `input` holds the numbers of the input in which the slot lies, if any.
    fn stored<'s>(
        &'s self,
        slot: usize,
        input: Option<(&'s [u8], DType)>,
        carved: &Carved<'s>,
    ) -> Result<Stored<'s>> {
        let layout = self.plan.layout(slot);
        let bytes_of = |dtype: DType, start: usize| {
            let (reach, size) = (layout.reach(), dtype.size_in_bytes());
            start + reach.start * size..start + reach.end * size
        };
        let own = kept_as(self.plan.dtype(slot));
        let (bytes, dtype) = match self.plan.home(slot) {
            Home::Arena(start) => (carved.read(bytes_of(own, start)), own),
            Home::Result(result) => {
                let made = self.results[result].as_ref();
                (made.and_then(|made| made.bytes().get(bytes_of(own, 0))), own)
            }
            Home::Input(_) => {
                let (bytes, dtype) = input.ok_or_else(misplaced)?;
                (bytes.get(bytes_of(dtype, 0)), dtype)
            }
        };
        Ok(Stored { bytes: bytes.ok_or_else(misplaced)?, dtype, layout })
    }

    fn into_tensors(self) -> Result<Vec<Tensor>> {
        let results = self.plan.results().iter().zip(self.results);
        let tensor = |(&slot, made): (&usize, Option<Made>)| match made {
            Some(Made::Own(numbers)) => numbers.into_tensor(&self.plan.layout(slot).dims),
            _ => Err(misplaced()),
        };
        results.map(tensor).collect()
    }
}

/// Converts the operands that `step.converts` lists to their planned types. Returns the bytes with
/// the converted operands and the rest of `own`.
fn converted<'s>(
    plan: &Plan,
    step: &PlannedStep,
    inputs: &[Option<(&[u8], DType)>],
    own: &'s mut [u8],
) -> Result<(&'s [u8], &'s mut [u8])> {
    let mut end = 0;
    for Conversion { operand, numbers, offset } in &step.converts {
        let (bytes, dtype) = inputs[*operand].ok_or_else(misplaced)?;
        let (from, to) = (dtype.size_in_bytes(), plan.dtype(step.args[*operand]));
        let bytes = bytes.get(numbers.start * from..numbers.end * from).ok_or_else(misplaced)?;
        let out = &mut own[*offset..][..numbers.len() * to.size_in_bytes()];
        Stored { bytes, dtype, layout: &Layout::in_order(&[numbers.len()]) }.copy_to(out, to)?;
        end = (offset + out.len()).next_multiple_of(ALIGNMENT);
    }
    let (converted, work) = own.split_at_mut(end);
    Ok((converted, work))
}

/// A converted operand.
fn of_conversion<'s>(
    plan: &'s Plan,
    slot: usize,
    conversion: &Conversion,
    converted: &'s [u8],
) -> Stored<'s> {
    let (dtype, layout) = (plan.dtype(slot), plan.layout(slot));
    let bytes = conversion.numbers.len() * dtype.size_in_bytes();
    Stored { bytes: &converted[conversion.offset..][..bytes], dtype, layout }
}

fn misplaced() -> Error {
    Error::unsupported("a plan whose steps are misplaced in memory")
}
