//! The scope in which a penalty is emitted.

use eigenscape_program::{
    Error, Graph, Loss, Network, Result, Value, Variables,
    transforms::{gradient, or_zero, pull_back},
    transforms::{linearize, substitute},
};

use super::squared_norm::squared_norm;
use crate::objective::Objective;

/// The program of an objective at N samples, to which a penalty is added. Parameters, inputs,
/// outputs and loss are values of the program, and every derivative is another value. For a penalty
/// [over samples](crate::Over::Samples) N is 1.
///
/// ```
/// use eigenscape_curvature::{Objective, Over};
/// use eigenscape_program::{Network, nn};
/// use eigenscape_runtime::{Error, Result};
/// let network = Network::new(&[4], |scope, x| nn::linear(&mut scope.at("fc"), x, 3, true))?;
/// let objective = Objective::new(&network, &eigenscape_losses::cross_entropy(), 8)?;
/// // ‖∇L‖²: its gradient, a Hessian-vector product, is derived.
/// let penalty = objective.penalty(Over::Batch, |scope| -> Result<_> {
///     let (loss, parameters) = (scope.loss(), scope.parameters().to_vec());
///     let gradient = scope.gradient(loss, &parameters)?;
///     Ok(scope.squared_norm(&gradient)?)
/// })?;
/// assert!(penalty.probe_shapes().is_empty());
/// # Ok::<(), Error>(())
/// ```
pub struct PenaltyScope<'a> {
    objective: &'a Objective,
    graph: Graph,
    probes: Vec<Value>,
    known: Option<Known>,
}

/// The loss and its gradient in every parameter as inputs of the program: what
/// [`KnownLoss`](crate::KnownLoss) gives.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub loss: Value,
    pub gradient: Vec<Value>,
}

impl Known {
    /// The loss, then the gradient.
    pub fn values(&self) -> Vec<Value> {
        [&[self.loss], self.gradient.as_slice()].concat()
    }
}

impl<'a> PenaltyScope<'a> {
    pub(super) fn new(objective: &'a Objective) -> Self {
        Self { objective, graph: objective.graph.clone(), probes: Vec::new(), known: None }
    }

    /// The program so far, to emit into.
    pub fn graph(&mut self) -> &mut Graph {
        &mut self.graph
    }

    /// The objective to which the penalty is added.
    #[must_use]
    pub fn objective(&self) -> &'a Objective {
        self.objective
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        &self.objective.network
    }

    /// The loss function.
    #[must_use]
    pub fn loss_function(&self) -> &'a Loss {
        &self.objective.loss_function
    }

    /// The mean loss, a scalar of shape \[\].
    #[must_use]
    pub fn loss(&self) -> Value {
        self.objective.loss
    }

    /// [`Self::loss`] as computed before by the training step: its value costs nothing here, and
    /// its derivative is the gradient given with it.
    pub fn known_loss(&mut self) -> Value {
        self.known().loss
    }

    /// The gradient of [`Self::loss`] in each of `wrt` as computed before by the training step. It
    /// counts as a constant in every derivative.
    ///
    /// # Errors
    /// When one of `wrt` is not a parameter.
    pub fn known_gradient(&mut self, wrt: &[Value]) -> Result<Vec<Value>> {
        let parameters = &self.objective.parameters;
        let place = |value: &Value| parameters.iter().position(|parameter| parameter == value);
        let places: Option<Vec<usize>> = wrt.iter().map(place).collect();
        let places = places.ok_or_else(|| {
            Error::Unsupported("a training step knows the gradient in parameters alone".to_owned())
        })?;
        let gradient = &self.known().gradient;
        Ok(places.into_iter().map(|place| gradient[place]).collect())
    }

    fn known(&mut self) -> &Known {
        let Self { objective, graph, known, .. } = self;
        known.get_or_insert_with(|| Known {
            loss: graph.input("loss", &[]),
            gradient: objective
                .parameters
                .iter()
                .map(|parameter| {
                    let shape = graph.shape(*parameter).to_vec();
                    graph.input("gradient", &shape)
                })
                .collect(),
        })
    }

    /// The network's inputs \[N, ...\].
    #[must_use]
    pub fn inputs(&self) -> Value {
        self.objective.x
    }

    /// The network's outputs \[N, ...\].
    #[must_use]
    pub fn outputs(&self) -> Value {
        self.objective.outputs
    }

    /// The targets, in the shape that the loss takes.
    #[must_use]
    pub fn targets(&self) -> Value {
        self.objective.target
    }

    /// The parameters, in the network's order.
    #[must_use]
    pub fn parameters(&self) -> &'a [Value] {
        &self.objective.parameters
    }

    /// The values of a group.
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn select(&self, group: &Variables) -> Result<Vec<Value>> {
        self.objective.select(group)
    }

    /// A new random input, drawn by the caller of the evaluation. For a penalty [over
    /// samples](crate::Over::Samples) the first axis is that of the sample and has length 1: each
    /// sample gets its own draw.
    pub fn probe(&mut self, shape: &[usize]) -> Value {
        let probe = self.graph.input("probe", shape);
        self.probes.push(probe);
        probe
    }

    /// A [probe](Self::probe) of a value's shape.
    pub(super) fn probe_like(&mut self, value: Value) -> Value {
        let shape = self.graph.shape(value).to_vec();
        self.probe(&shape)
    }

    /// ∂`of`/∂v for each value v of `wrt`; `of` is a scalar.
    ///
    /// # Errors
    /// When a rule fails.
    pub fn gradient(&mut self, of: Value, wrt: &[Value]) -> Result<Vec<Value>> {
        gradient(&mut self.graph, of, wrt)
    }

    /// Jᵀ·`cotangent` for the Jacobian J of `of` in each value of `wrt`.
    ///
    /// # Errors
    /// When the cotangent has another shape than `of`, or a rule fails.
    pub fn pull_back(&mut self, of: Value, cotangent: Value, wrt: &[Value]) -> Result<Vec<Value>> {
        pull_back(&mut self.graph, of, cotangent, wrt)
    }

    /// Whether `of` has a derivative in `wrt` that is not identically zero; there is none in
    /// indices, for example.
    ///
    /// # Errors
    /// When a rule fails.
    pub fn varies(&self, of: Value, wrt: Value) -> Result<bool> {
        let mut graph = self.graph.clone();
        let shape = graph.shape(wrt).to_vec();
        let tangent = graph.input("tangent", &shape);
        Ok(linearize(&mut graph, &[of], &[(wrt, tangent)])?[0].is_some())
    }

    /// Σ ‖v‖² over `values`, a scalar of shape \[\].
    ///
    /// # Errors
    /// When a rule fails.
    pub fn squared_norm(&mut self, values: &[Value]) -> Result<Value> {
        let mut total = None;
        for value in values {
            let norm = squared_norm(&mut self.graph, *value)?;
            total = Some(self.graph.accumulate(total, norm)?);
        }
        or_zero(&mut self.graph, total, &[])
    }

    /// `factor`·`value` for a scalar factor of shape \[\].
    ///
    /// # Errors
    /// When the factor is no scalar.
    pub fn times(&mut self, factor: Value, value: Value) -> Result<Value> {
        let shape = self.graph.shape(value).to_vec();
        let factor = self.graph.reshape(factor, &vec![1; shape.len()])?;
        let factor = self.graph.broadcast(factor, &shape)?;
        self.graph.mul(factor, value)
    }

    /// The mean loss in which the first value of each pair of `replacements` is replaced by the
    /// second.
    ///
    /// # Errors
    /// When their shapes differ.
    pub fn loss_with(&mut self, replacements: &[(Value, Value)]) -> Result<Value> {
        Ok(substitute(&mut self.graph, &[self.objective.loss], replacements)?[0])
    }

    /// The shapes of the probes; with first axes of length `samples` if given.
    pub(super) fn probe_shapes(&self, samples: Option<usize>) -> Vec<Vec<usize>> {
        let shape = |probe: &Value| {
            let mut shape = self.graph.shape(*probe).to_vec();
            if let (Some(samples), Some(first)) = (samples, shape.first_mut()) {
                *first = samples;
            }
            shape
        };
        self.probes.iter().map(shape).collect()
    }

    /// The gradient of `penalty` in each of `parameters`. A dependence on the [known
    /// loss](Self::known_loss) contributes through the known gradient.
    pub(super) fn whole_gradient(&mut self, penalty: Value, parameters: &[Value]) -> Result<Vec<Value>> {
        let Some(known) = self.known.clone() else { return self.gradient(penalty, parameters) };
        let mut gradient = self.gradient(penalty, &[parameters, &[known.loss]].concat())?;
        let slope = gradient.split_off(parameters.len())[0];
        for (partial, known) in gradient.iter_mut().zip(known.gradient) {
            let through = self.times(slope, known)?;
            *partial = self.graph.add(*partial, through)?;
        }
        Ok(gradient)
    }

    /// The program, its random inputs, and the inputs known from the training step.
    pub(super) fn finish(self) -> (Graph, Vec<Value>, Option<Known>) {
        (self.graph, self.probes, self.known)
    }
}
