//! Means over samples of the outputs of a program for one sample.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use eigenscape_program::{Graph, Linearity, NodeRef, Value};
use eigenscape_runtime::{Buffer, Executable, Planning, Result, Signature};

use crate::{objective::Objective, point::Point};

/// How the outputs of the samples are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    /// The mean over samples.
    Mean,
    /// All outputs, stacked to \[N, ...\].
    Stack,
}

/// The program of one sample, evaluated for N samples at once, and the means over samples of its
/// outputs.
///
/// The mean gradient of a weight is the sum of N outer products (or convolutions). Computed as one
/// product that contracts the samples, it costs as much as the gradient of a batch, and per-sample
/// gradients are not stored.
#[derive(Debug, Clone)]
pub(super) struct SampleMean {
    /// From the inputs, per-sample ones with a leading axis, to the terms.
    terms: Executable,
    /// From the terms to the results.
    results: Executable,
    /// The number of inputs without a leading axis: parameters and buffers.
    fixed: usize,
    samples: usize,
}

impl SampleMean {
    /// The means of `outputs` of `graph`, which extends the graph of `one`, the objective of one
    /// sample. `probes` are per-sample inputs.
    pub fn new(
        one: &Objective,
        graph: &Graph,
        probes: &[Value],
        outputs: &[(Value, Reduction)],
        samples: usize,
    ) -> Result<Self> {
        let fixed = one.network.parameters().len() + one.network.buffers().len();
        let inputs: Vec<Value> = one.inputs.iter().chain(probes).copied().collect();
        let depends = graph.dependents(&inputs[fixed..]);
        let mut build = Build {
            one: graph,
            depends,
            samples,
            all: Graph::default(),
            terms: Vec::new(),
            means: HashMap::new(),
        };
        let results = outputs.iter().map(|(value, reduction)| match reduction {
            Reduction::Mean => build.mean(*value),
            Reduction::Stack => build.stack(*value),
        });
        let results = results.collect::<Result<Vec<Value>>>()?;
        let (from, to): (Vec<Value>, Vec<Value>) = build.terms.into_iter().unzip();
        let terms = Executable::new(graph, &inputs, &from)?;
        let results = Executable::new(&build.all, &to, &results)?;
        Ok(Self { terms, results, fixed, samples })
    }

    /// The results at a point of N samples, with probes \[N, ...\].
    pub fn at(&self, point: &Point, probes: &[Tensor]) -> Result<Vec<Tensor>> {
        let inputs = point.tensors().into_iter().chain(probes.iter().cloned()).enumerate();
        // The samples become the leading axis, and the first axis of one sample has length 1.
        let inputs = inputs.map(|(i, tensor)| if i < self.fixed { Ok(tensor) } else { tensor.unsqueeze(1) });
        let inputs = inputs.collect::<candle_core::Result<Vec<Tensor>>>()?;
        let inputs = inputs.into_iter().map(Buffer::from).collect();
        let terms = point.run_placed(&self.terms, inputs)?;
        Buffer::all_to_host(point.run_placed(&self.results, terms)?)
    }

    pub fn flops(&self) -> usize {
        self.samples * self.terms.flops() + self.results.flops()
    }

    /// The most bytes that an evaluation in `dtype` holds at any time, in addition to the inputs.
    pub fn peak(&self, planning: Planning, dtype: DType) -> usize {
        let mut signature = Signature { lead: self.samples, ..Signature::plain(self.terms.inputs(), dtype) };
        signature.inputs[self.fixed..].iter_mut().for_each(|input| input.led = true);
        let terms = self.terms.footprint(planning, &signature);
        let results = self.results.footprint(planning, &Signature::plain(self.results.inputs(), dtype));
        // Both programs share one arena.
        terms.arena.max(results.arena) + terms.outputs + results.outputs
    }
}

struct Build<'a> {
    one: &'a Graph,
    /// Which values of `one` differ between samples.
    depends: Vec<bool>,
    samples: usize,
    /// From terms to results.
    all: Graph,
    /// Values of `one` with their inputs of `all`: \[N, ...\] where they depend on the sample.
    terms: Vec<(Value, Value)>,
    means: HashMap<Value, Value>,
}

impl Build<'_> {
    fn mean(&mut self, value: Value) -> Result<Value> {
        if let Some(mean) = self.means.get(&value) {
            return Ok(*mean);
        }
        let mean = if self.depends[value.index()] { self.emit_mean(value)? } else { self.term(value) };
        self.means.insert(value, mean);
        Ok(mean)
    }

    fn emit_mean(&mut self, value: Value) -> Result<Value> {
        if let Some(node) = self.one.operation(value) {
            if self.commutes(&node) {
                let args = node.args.iter().map(|arg| self.mean(*arg)).collect::<Result<Vec<_>>>()?;
                return Ok(self.all.emit(node.operation, &args)?);
            }
            if node.args.iter().all(|arg| self.depends[arg.index()]) {
                let known = self.terms.len();
                let stacked: Vec<Value> = node.args.iter().map(|arg| self.term(*arg)).collect();
                if let Some(sum) = node.operation.rules().stacked_sum(&mut self.all, &stacked)? {
                    return Ok(self.all.scale(sum, 1.0 / self.samples as f64)?);
                }
                self.terms.truncate(known);
            }
        }
        let stacked = self.term(value);
        let sum = self.all.sum(stacked, &[0])?;
        let shape = self.one.shape(value).to_vec();
        let sum = self.all.reshape(sum, &shape)?;
        Ok(self.all.scale(sum, 1.0 / self.samples as f64)?)
    }

    /// Whether the operation commutes with the mean over samples, and taking the mean of its
    /// arguments first makes nothing larger.
    fn commutes(&self, node: &NodeRef) -> bool {
        let size = |value: Value| self.one.shape(value).iter().product::<usize>();
        let mut varying = (0..node.args.len()).filter(|&i| self.depends[node.args[i].index()]);
        let linear = match node.operation.rules().linearity() {
            Linearity::Linear => true,
            Linearity::Multilinear(linear) => {
                varying.next().is_some_and(|i| linear.contains(&i)) && varying.next().is_none()
            }
            Linearity::Nonlinear | Linearity::PiecewiseConstant => false,
        };
        linear && node.args.iter().all(|arg| size(*arg) <= size(node.output))
    }

    /// The input of `all` for a value of `one`, with a leading axis if the value depends on the
    /// sample.
    fn term(&mut self, value: Value) -> Value {
        if let Some((_, term)) = self.terms.iter().find(|(one, _)| *one == value) {
            return *term;
        }
        let shape = self.one.shape(value);
        let lead = self.depends[value.index()].then_some(self.samples);
        let shape: Vec<usize> = lead.into_iter().chain(shape.iter().copied()).collect();
        let term = self.all.input("term", &shape);
        self.terms.push((value, term));
        term
    }

    /// Stacks the values \[1, ...\] of the samples to \[N, ...\].
    fn stack(&mut self, value: Value) -> Result<Value> {
        let term = self.term(value);
        let shape: Vec<usize> =
            std::iter::once(self.samples).chain(self.one.shape(value)[1..].iter().copied()).collect();
        if self.depends[value.index()] {
            Ok(self.all.reshape(term, &shape)?)
        } else {
            Ok(self.all.broadcast(term, &shape)?)
        }
    }
}
