//! Executable programs, lowered and planned on first use and cached.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Tensor};
use eigenscape_program::{Graph, Program, Value};

use crate::{
    backend::{Backend, Planning},
    buffer::Buffer,
    error::{Error, Result},
    facts,
    lowered::Lowered,
    memory::Footprint,
    plan::{Input, Plan, Plans, Signature},
};

/// A program with its cached plans, which clones share.
#[derive(Debug, Clone)]
pub struct Executable {
    program: Arc<Program>,
    planned: Arc<Mutex<HashMap<Planning, Planned>>>,
}

/// A program lowered for some backends, with its plans.
#[derive(Debug)]
struct Planned {
    lowered: Lowered,
    plans: Plans,
}

impl From<Program> for Executable {
    fn from(program: Program) -> Self {
        Self { program: Arc::new(program), planned: Arc::default() }
    }
}

impl Executable {
    /// The program from `inputs` to `outputs`; see [`Program::new`].
    ///
    /// # Errors
    /// When `outputs` depend on an input of the graph that is not among `inputs`, or a value
    /// belongs to another graph.
    pub fn new(graph: &Graph, inputs: &[Value], outputs: &[Value]) -> Result<Self> {
        Ok(Program::new(graph, inputs, outputs)?.into())
    }

    /// Evaluates the program on `inputs`, in `dtype`. An input may have one more leading axis than
    /// declared (many tangents, cotangents or samples), of the same size for all inputs that have
    /// it; every output that depends on one of these inputs then has that axis, too.
    ///
    /// # Errors
    /// When an input's shape is not the declared one, leading axes differ or are empty, or an
    /// operation fails.
    pub fn run(&self, backend: &dyn Backend, inputs: Vec<Tensor>, dtype: DType) -> Result<Vec<Tensor>> {
        self.run_rounded(backend, inputs, dtype, dtype)
    }

    /// As [`Self::run`]; each output that is not an input is rounded to `outputs` after its last
    /// use. Inputs of another floating-point type are converted by each step that uses them, so
    /// that no copy of all weights is held.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_rounded(
        &self,
        backend: &dyn Backend,
        inputs: Vec<Tensor>,
        compute: DType,
        outputs: DType,
    ) -> Result<Vec<Tensor>> {
        let inputs = inputs.into_iter().map(Buffer::from).collect();
        Buffer::all_to_host(self.run_placed(backend, inputs, compute, outputs)?)
    }

    /// As [`Self::run_rounded`], on buffers: inputs and outputs may stay in the backend's memory
    /// between runs. Inputs outside it are placed for this run.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_placed(
        &self,
        backend: &dyn Backend,
        inputs: Vec<Buffer>,
        compute: DType,
        outputs: DType,
    ) -> Result<Vec<Buffer>> {
        let lead = self.lead(&inputs)?;
        let known = inputs.iter().zip(self.program.shapes());
        let known =
            known.map(|(input, declared)| Input { dtype: input.dtype(), led: input.rank() > declared.len() });
        let signature = Signature { inputs: known.collect(), lead, compute, outputs };
        let inputs = inputs.into_iter().map(Buffer::in_order).collect::<Result<_>>()?;
        backend.run(&self.plan(backend.planning(), &signature), inputs)
    }

    /// The plan for a signature.
    #[must_use]
    pub fn plan(&self, planning: Planning, signature: &Signature) -> Arc<Plan> {
        let mut known = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Planned { lowered: Lowered::new(&self.program, planning), plans: Plans::default() };
        let Planned { lowered, plans } = known.entry(planning).or_insert_with(new);
        plans.get(lowered, signature)
    }

    /// The memory of one run.
    #[must_use]
    pub fn footprint(&self, planning: Planning, signature: &Signature) -> Footprint {
        self.plan(planning, signature).footprint()
    }

    /// The lowered program for backends of this planning.
    #[must_use]
    pub fn lowered(&self, planning: Planning) -> Lowered {
        Lowered::new(&self.program, planning)
    }

    /// The number of operations, before fusion.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.program.steps().len()
    }

    /// How many inputs there are.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.program.inputs()
    }

    /// For each output, whether it has the leading axis if the inputs marked in `inputs` have it.
    #[must_use]
    pub fn led_outputs(&self, inputs: &[bool]) -> Vec<bool> {
        let mut slots = inputs.to_vec();
        for step in self.program.steps() {
            slots.push(step.args.iter().any(|&arg| slots[arg]));
        }
        self.program.outputs().iter().map(|&slot| slots[slot]).collect()
    }

    /// Floating-point operations of one evaluation without a leading axis.
    #[must_use]
    pub fn flops(&self) -> usize {
        facts::program_flops(&self.program)
    }

    /// The size of the inputs' leading axis; 1 if no input has one.
    fn lead(&self, inputs: &[Buffer]) -> Result<usize> {
        if inputs.len() != self.inputs() {
            let problem = format!("{} inputs instead of {}", inputs.len(), self.inputs());
            return Err(Error::shape("program", problem));
        }
        let mut lead = None;
        for (i, (input, declared)) in inputs.iter().zip(self.program.shapes()).enumerate() {
            let dims = input.dims();
            if dims == declared {
                continue;
            }
            let problem = match dims.split_first() {
                Some((0, rest)) if rest == declared => format!("the leading axis of input {i} is empty"),
                Some((&size, rest)) if rest == declared => match lead.replace(size) {
                    Some(other) if other != size => {
                        format!("leading axes differ: {size} of input {i}, {other} of one before it")
                    }
                    _ => continue,
                },
                _ => format!("input {i} has shape {dims:?} instead of {declared:?}"),
            };
            return Err(Error::shape("program", problem));
        }
        Ok(lead.unwrap_or(1))
    }
}
