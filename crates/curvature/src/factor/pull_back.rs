//! Backward passes for many samples at once, with separate cotangents for each sample.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use eigenscape_program::{Graph, Network, Traced, Value, Variables, selected, transforms::pull_back};
use eigenscape_runtime::{Buffer, Error, Executable, Input, Result, Signature, split};

use super::{
    placed::PlacedRows,
    row_values::RowValues,
    rows::{Assembly, Factor, Form, RowSize},
};
use crate::{
    placed::PlacedPoint,
    residuals::{Numbers, evaluate_residuals},
};

/// Jₙᵀ u for given cotangents u of each sample's outputs.
///
/// The program is for *one* sample. The samples are an additional leading axis, so that each sample
/// has its own cotangents of the parameters.
pub(crate) struct PullBack {
    /// From parameters, buffers, one input and its masks to the residuals.
    prefix: Executable,
    /// From the residuals and a cotangent to the rows.
    linear: Executable,
    forms: Vec<Form>,
    /// R, the number of cotangents per sample.
    columns: usize,
    /// The number of parameters and buffers, which have no leading axis.
    fixed: usize,
    /// The shape \[1, ...\] of the outputs of one sample.
    outputs: Vec<usize>,
}

impl PullBack {
    /// The program for the rows of `group`, with `columns` cotangents per sample.
    pub fn new(network: &Network, group: &Variables, columns: usize) -> Result<Self> {
        if let Some(module) = network.mixes_samples() {
            return Err(Error::unsupported(format!(
                "the Jacobian has no rows by sample: in {module} (batch normalisation in train mode) samples are coupled"
            )));
        }
        let Traced { mut graph, x, parameters, buffers, masks, outputs, .. } = network.trace(1)?;
        let shape = graph.shape(outputs).to_vec();
        let cotangent = graph.input("cotangent", &shape);
        let values = selected(group, &graph, (x, &parameters, outputs))?;
        let pulled = pull_back(&mut graph, outputs, cotangent, &values)?;
        let depends = graph.dependents(&[cotangent]);
        let of_variable = |graph: &mut Graph, value| match group {
            Variables::Activation(_) => Ok(RowValues::Activation(value)),
            _ => RowValues::cheapest(graph, value, &depends, columns),
        };
        let values_of_rows: Vec<RowValues> = pulled
            .into_iter()
            .map(|value| of_variable(&mut graph, value))
            .collect::<eigenscape_program::Result<_>>()?;
        let forms: Vec<Form> = values_of_rows.iter().map(|rows| form(&graph, rows)).collect();
        let shapes = forms.iter().flat_map(|form| form.shapes());
        let values = values_of_rows.iter().flat_map(|rows| rows.values());
        let wanted = values.zip(shapes).map(|(value, shape)| graph.reshape(value, &shape));
        let wanted: Vec<Value> = wanted.collect::<eigenscape_program::Result<_>>()?;
        let weights = parameters.iter().chain(&buffers);
        let fixed = weights.clone().count();
        let inputs: Vec<Value> = weights.chain([&x]).chain(&masks).copied().collect();
        let (prefix, linear) = split(&graph, &inputs, &[cotangent], &wanted)?;
        let (prefix, linear) = (prefix.into(), linear.into());
        Ok(Self { prefix, linear, forms, columns, fixed, outputs: shape })
    }

    /// The size and form of each variable's rows for `samples` samples in total.
    pub fn sizes(&self, samples: usize) -> Vec<RowSize> {
        self.forms.iter().map(|form| form.size(samples, self.columns)).collect()
    }

    /// The form of each variable's rows.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// The number of operations.
    pub fn steps(&self) -> usize {
        self.prefix.steps() + self.linear.steps()
    }

    /// R, the number of cotangents per sample.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Floating-point operations for the rows of one sample.
    pub fn flops(&self) -> usize {
        self.linear.flops().saturating_mul(self.columns).saturating_add(self.prefix.flops())
    }

    /// The most bytes held while `samples` samples are evaluated, in addition to the rows.
    pub fn evaluating(&self, samples: usize, numbers: Numbers) -> usize {
        let Numbers { planning, dtype, .. } = numbers;
        let led: Vec<bool> = (0..self.prefix.inputs()).map(|input| input >= self.fixed).collect();
        let of_samples = |signature: Signature, led: &[bool]| {
            let inputs = led.iter().map(|&led| Input { dtype, led }).collect();
            Signature { inputs, lead: samples, ..signature }
        };
        let prefix = of_samples(numbers.of_residuals(led.len()), &led);
        let prefix = self.prefix.footprint(planning, &prefix);
        let mut residuals = self.prefix.led_outputs(&led);
        residuals.push(true);
        let linear = of_samples(Signature::plain(residuals.len(), dtype), &residuals);
        let linear = self.linear.footprint(planning, &linear);
        prefix.peak().max(prefix.outputs + linear.peak())
    }

    /// Allocates the rows of `samples` samples.
    pub fn allocate(&self, samples: usize, dtype: DType, device: &Device) -> Result<Vec<Assembly>> {
        let new = |form: &Form| Assembly::new(*form, samples, self.columns, dtype, device);
        self.forms.iter().map(new).collect()
    }

    /// Computes the rows of the samples of `point` for their `cotangents` \[n, D, R\], D being the
    /// number of outputs of a sample. The first sample is number `start` of `rows`.
    pub fn fill(
        &self,
        rows: &mut [Assembly],
        point: &PlacedPoint,
        cotangents: &Tensor,
        start: usize,
    ) -> Result<()> {
        let samples = point.samples();
        self.passes(point, cotangents, |r, results| {
            let mut results = Buffer::all_to_host(results)?.into_iter();
            rows.iter_mut().try_for_each(|assembly| assembly.put(r, start, samples, &mut results))
        })
    }

    /// As [`Self::fill`], with rows that stay in the memory of the point's backend.
    pub fn place(&self, rows: &mut PlacedRows, point: &PlacedPoint, cotangents: &Tensor) -> Result<()> {
        self.passes(point, cotangents, |_, results| rows.put(results))
    }

    /// Passes the results of the backward pass for each cotangent r to `put`.
    fn passes(
        &self,
        point: &PlacedPoint,
        cotangents: &Tensor,
        mut put: impl FnMut(usize, Vec<Buffer>) -> Result<()>,
    ) -> Result<()> {
        let data = std::iter::once(&point.inputs).chain(&point.masks).map(|data| data.unsqueeze(1));
        let mut inputs = point.weights()?.to_vec();
        for data in data {
            inputs.push(data?.into());
        }
        let mut residuals = evaluate_residuals(&self.prefix, point, inputs)?;
        let (samples, _, columns) = cotangents.dims3()?;
        let cotangents = cotangents.permute((2, 0, 1))?.contiguous()?;
        let lead: Vec<usize> = std::iter::once(samples).chain(self.outputs.iter().copied()).collect();
        for r in 0..columns {
            residuals.push(cotangents.get(r)?.reshape(lead.as_slice())?.into());
            let results = point.run_placed(&self.linear, residuals.clone())?;
            residuals.pop();
            put(r, results)?;
        }
        Ok(())
    }

    /// The factor from filled rows, which belong to the samples `range` of `all`.
    pub fn finish(&self, rows: Vec<Assembly>, range: &Range<usize>, all: usize) -> Result<Factor> {
        let tensors = rows.into_iter().map(|rows| rows.finish(range.start, all)).collect::<Result<_>>()?;
        Ok(Factor { rows: self.columns * range.len(), tensors })
    }
}

fn form(graph: &Graph, rows: &RowValues) -> Form {
    let len = |value: Value| graph.shape(value).iter().product();
    match *rows {
        RowValues::Explicit(value) => Form::Explicit { len: len(value) },
        RowValues::Activation(value) => Form::Activation { len: len(value) },
        RowValues::Outer { left, right } => {
            let positions = graph.shape(left)[0];
            Form::Outer { positions, left: len(left) / positions, right: len(right) / positions }
        }
    }
}
