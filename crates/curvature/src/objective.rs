//! Objectives: a network's mean loss on N samples, and every derivative program of it.
//!
//! No derivative is written by hand: gradient = transpose(linearize(loss)), Hv =
//! linearize(gradient), Gv = Jᵀ H_out (J v), Rv = linearize(Jᵀ u) with the output's gradient u held
//! fixed, and so on.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_program::{
    Affinity, Graph, Loss, Network, Traced, Value, Variables, selected,
    transforms::{Breaker, Seed, affinity, gradient, linearize, or_zero, pull_back, seeds, zeros_where_none},
};
use eigenscape_runtime::{Buffer, Error, Executable, Plan, Planning, Result, Signature, split};

use crate::{
    placed::PlacedPoint,
    point::Point,
    product::{Product, ProductProgram},
    residuals::evaluate_residuals,
};

/// The result of functions that only emit operations.
type Emitted<T> = eigenscape_program::Result<T>;

/// L(θ) = (1/N) Σₙ ℓ(f_θ(xₙ), tₙ) for a fixed N, as a graph.
///
/// Groups are given as [`Variables`]; a list of indices selects parameters.
#[derive(Clone)]
pub struct Objective {
    pub(crate) network: Network,
    pub(crate) loss_function: Loss,
    pub(crate) graph: Graph,
    /// Parameters, buffers, x, targets, masks.
    pub(crate) inputs: Vec<Value>,
    pub(crate) x: Value,
    pub(crate) parameters: Vec<Value>,
    pub(crate) target: Value,
    pub(crate) updates: Vec<Value>,
    pub(crate) outputs: Value,
    pub(crate) loss: Value,
}

/// A program that maps a point (and, for some functions, a direction) to tensors.
#[derive(Debug, Clone)]
pub struct Function {
    program: Executable,
}

impl Function {
    /// Evaluates at `point`, with `direction` (one tensor per parameter of its group) where the
    /// function takes one.
    ///
    /// # Errors
    /// When a shape does not fit or a tensor operation fails.
    pub fn at(&self, point: &Point, direction: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut inputs = point.tensors();
        inputs.extend_from_slice(direction);
        point.run(&self.program, inputs)
    }

    /// As [`Self::at`], with weights that are already placed, and results in the backend's memory.
    pub(crate) fn at_placed(&self, point: &PlacedPoint) -> Result<Vec<Buffer>> {
        point.run_placed(&self.program, point.inputs()?)
    }

    /// As [`Self::at`], with placed weights, in f64 whatever the type of the point.
    pub(crate) fn at_in_f64(&self, point: &PlacedPoint) -> Result<Vec<Tensor>> {
        let inputs = point.inputs()?;
        Buffer::all_to_host(self.program.run_placed(&*point.backend, inputs, DType::F64, DType::F64)?)
    }

    /// As [`Self::at_placed`], evaluated as [residuals](crate::Residuals) are.
    pub(crate) fn rounded_at(&self, point: &PlacedPoint) -> Result<Vec<Buffer>> {
        evaluate_residuals(&self.program, point, point.inputs()?)
    }

    /// Floating-point operations of one evaluation.
    #[must_use]
    pub fn flops(&self) -> usize {
        self.program.flops()
    }

    /// The number of operations.
    pub(crate) fn steps(&self) -> usize {
        self.program.steps()
    }

    /// The most bytes that an evaluation in `dtype` holds at any time, its results included, in
    /// addition to the point and the direction.
    #[must_use]
    pub fn peak(&self, planning: Planning, dtype: DType) -> usize {
        self.plan(planning, dtype).footprint().peak()
    }

    /// Bytes that the operations of one evaluation in `dtype` read and write, each operand counted
    /// once.
    #[must_use]
    pub fn bytes_moved(&self, planning: Planning, dtype: DType) -> usize {
        self.plan(planning, dtype).bytes_moved()
    }

    fn plan(&self, planning: Planning, dtype: DType) -> Arc<Plan> {
        self.program.plan(planning, &Signature::plain(self.program.inputs(), dtype))
    }
}

impl Objective {
    /// The objective of `network` with `loss_function` on `samples` samples.
    ///
    /// # Errors
    /// When there are no samples, the network cannot be built at this size, or its outputs do not
    /// fit the loss.
    pub fn new(network: &Network, loss_function: &Loss, samples: usize) -> Result<Self> {
        if samples == 0 {
            return Err(Error::shape("objective", "a mean over no samples is asked for"));
        }
        let Traced { mut graph, x, parameters, buffers, masks, updates, outputs } = network.trace(samples)?;
        let shape = loss_function.target_shape(graph.shape(outputs))?;
        let target = graph.input("targets", &shape);
        let loss = loss_function.emit(&mut graph, outputs, target)?;
        let weights = parameters.iter().chain(&buffers).copied();
        let inputs = weights.chain([x, target]).chain(masks).collect();
        let (network, loss_function) = (network.clone(), loss_function.clone());
        Ok(Self { network, loss_function, graph, inputs, x, parameters, target, updates, outputs, loss })
    }

    /// \[loss, outputs\] at a point.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn loss(&self) -> Result<Function> {
        self.function(&self.graph, &[], &[self.loss, self.outputs])
    }

    /// \[loss, outputs, ∂L/∂θ of each parameter of `group`...\] at a point.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn gradient(&self, group: impl Into<Variables>) -> Result<Function> {
        let mut graph = self.graph.clone();
        let gradient = gradient(&mut graph, self.loss, &self.select(&group.into())?)?;
        self.function(&graph, &[], &[&[self.loss, self.outputs], gradient.as_slice()].concat())
    }

    /// \[loss, outputs, ∂L/∂θ of each parameter..., new value of each buffer...\] at a point: what
    /// a training step needs.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn training_step(&self) -> Result<Function> {
        let mut graph = self.graph.clone();
        let gradient = gradient(&mut graph, self.loss, &self.parameters)?;
        let outputs = [&[self.loss, self.outputs], gradient.as_slice(), &self.updates].concat();
        self.function(&graph, &[], &outputs)
    }

    /// \[vᵀHv, its gradient in each parameter of `wrt`...\] at a point and a direction v in
    /// `group`: a third derivative.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn curvature_along(
        &self,
        group: impl Into<Variables>,
        wrt: impl Into<Variables>,
    ) -> Result<Function> {
        let mut graph = self.graph.clone();
        let (seeds, direction) = self.seeds(&mut graph, &group.into())?;
        let form = self.emit_form(&mut graph, &seeds)?;
        let gradient = gradient(&mut graph, form, &self.select(&wrt.into())?)?;
        self.function(&graph, &direction, &[&[form], gradient.as_slice()].concat())
    }

    /// v ↦ Hv for the Hessian block of `group`, with everything that does not depend on v evaluated
    /// once.
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn hessian(&self, point: &Point, group: impl Into<Variables>) -> Result<Product> {
        self.hessian_program(group)?.at(point)
    }

    /// v ↦ Gv = Jᵀ H_out J v for the Gauss-Newton block of `group` (Schraudolph 2002).
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn gauss_newton(&self, point: &Point, group: impl Into<Variables>) -> Result<Product> {
        self.gauss_newton_program(group)?.at(point)
    }

    /// v ↦ Rv = Hv − Gv for the residual block of `group`.
    ///
    /// # Errors
    /// When the program cannot be built or evaluated at the point.
    pub fn residual(&self, point: &Point, group: impl Into<Variables>) -> Result<Product> {
        self.residual_program(group)?.at(point)
    }

    /// The program of [`Self::hessian`], for any point.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn hessian_program(&self, group: impl Into<Variables>) -> Result<ProductProgram> {
        self.product(&group.into(), |graph, seeds| self.emit_hessian(graph, seeds))
    }

    /// The program of [`Self::gauss_newton`], for any point.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn gauss_newton_program(&self, group: impl Into<Variables>) -> Result<ProductProgram> {
        self.product(&group.into(), |graph, seeds| self.emit_gauss_newton(graph, seeds))
    }

    /// The program of [`Self::residual`], for any point.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn residual_program(&self, group: impl Into<Variables>) -> Result<ProductProgram> {
        self.product(&group.into(), |graph, seeds| self.emit_residual(graph, seeds))
    }

    /// The module that couples samples (BatchNorm in training mode), if any. Then there is no
    /// [factor](Self::factor).
    #[must_use]
    pub fn mixes_samples(&self) -> Option<&str> {
        self.network.mixes_samples()
    }

    /// What is proved of the outputs as functions of `group`, and where the proof fails.
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn affinity(&self, group: impl Into<Variables>) -> Result<(Affinity, Option<Breaker>)> {
        Ok(affinity(&self.graph, self.outputs, &self.select(&group.into())?))
    }

    /// S \[N, D, K\] with Aₙ = Sₙ Sₙᵀ for the D outputs of each sample, at a point; see
    /// [`LossRoot`](eigenscape_program::LossRoot). Evaluate it [as
    /// residuals](Function::rounded_at): in f32, errors of large outputs become errors in the
    /// exponents of probabilities.
    pub(crate) fn loss_factor(&self) -> Result<Function> {
        let mut graph = self.graph.clone();
        let factor = self.loss_function.factor(&mut graph, self.outputs, self.target)?;
        self.function(&graph, &[], &[factor])
    }

    /// N, the number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.graph.shape(self.outputs).first().copied().unwrap_or(0)
    }

    pub(crate) fn select(&self, group: &Variables) -> Emitted<Vec<Value>> {
        selected(group, &self.graph, (self.x, &self.parameters, self.outputs))
    }

    /// Adds an input v for each variable of the group. Returns (variable, v) pairs, and the inputs
    /// alone.
    pub(crate) fn seeds(&self, graph: &mut Graph, group: &Variables) -> Emitted<(Vec<Seed>, Vec<Value>)> {
        let seeds = seeds(graph, &self.select(group)?);
        let direction = seeds.iter().map(|(_, v)| *v).collect();
        Ok((seeds, direction))
    }

    /// vᵀHv, the second derivative of the loss along v.
    pub(crate) fn emit_form(&self, graph: &mut Graph, seeds: &[Seed]) -> Emitted<Value> {
        let mut form = self.loss;
        for _ in 0..2 {
            let tangent = linearize(graph, &[form], seeds)?[0];
            form = or_zero(graph, tangent, &[])?;
        }
        Ok(form)
    }

    fn emit_hessian(&self, graph: &mut Graph, seeds: &[Seed]) -> Emitted<Vec<Value>> {
        let group: Vec<Value> = seeds.iter().map(|(value, _)| *value).collect();
        let gradient = gradient(graph, self.loss, &group)?;
        let tangents = linearize(graph, &gradient, seeds)?;
        zeros_where_none(graph, tangents, &group)
    }

    fn emit_gauss_newton(&self, graph: &mut Graph, seeds: &[Seed]) -> Emitted<Vec<Value>> {
        let group: Vec<Value> = seeds.iter().map(|(value, _)| *value).collect();
        let Some(jv) = linearize(graph, &[self.outputs], seeds)?[0] else {
            let none = vec![None; group.len()];
            return zeros_where_none(graph, none, &group);
        };
        let out_gradient = gradient(graph, self.loss, &[self.outputs])?;
        let curved = linearize(graph, &out_gradient, &[(self.outputs, jv)])?[0];
        let shape = graph.shape(self.outputs).to_vec();
        let curved = or_zero(graph, curved, &shape)?;
        pull_back(graph, self.outputs, curved, &group)
    }

    /// Emits the derivative of Jᵀ u along v, with the gradient u of the loss in the outputs held
    /// fixed. The difference Hv − Gv would lose precision where Rv is small compared with Hv and
    /// Gv.
    fn emit_residual(&self, graph: &mut Graph, seeds: &[Seed]) -> Emitted<Vec<Value>> {
        let group: Vec<Value> = seeds.iter().map(|(value, _)| *value).collect();
        let out_gradient = gradient(graph, self.loss, &[self.outputs])?[0];
        let fixed = graph.detach(out_gradient)?;
        let pulled = pull_back(graph, self.outputs, fixed, &group)?;
        let tangents = linearize(graph, &pulled, seeds)?;
        zeros_where_none(graph, tangents, &group)
    }

    fn function(&self, graph: &Graph, direction: &[Value], outputs: &[Value]) -> Result<Function> {
        let inputs: Vec<Value> = self.inputs.iter().chain(direction).copied().collect();
        Ok(Function { program: Executable::new(graph, &inputs, outputs)? })
    }

    fn product(
        &self,
        group: &Variables,
        emit: impl FnOnce(&mut Graph, &[Seed]) -> Emitted<Vec<Value>>,
    ) -> Result<ProductProgram> {
        let mut graph = self.graph.clone();
        let (seeds, direction) = self.seeds(&mut graph, group)?;
        let products = emit(&mut graph, &seeds)?;
        let (prefix, linear) = split(&graph, &self.inputs, &direction, &products)?;
        let shapes = direction.iter().map(|v| graph.shape(*v).to_vec()).collect();
        Ok(ProductProgram::new(prefix.into(), linear.into(), shapes))
    }
}
