//! `fisher-trace`: the trace of the Fisher information (arXiv 2012.14193).

use std::num::NonZeroUsize;

use candle_core::Tensor;
use eigenscape_core::{Error, Registry, Regularizer, Result, probe::check_count};
use eigenscape_curvature::{Over, PenaltyScope};
use eigenscape_program::{ElementwiseFunction, Value};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{groups::Groups, probe};

/// The source of the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Drawn from the model's own distribution: the Fisher information.
    #[default]
    Model,
    /// Those of the data: the empirical Fisher.
    Data,
}

/// How the trace is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// The mean of the squared norms of the samples' gradients.
    #[default]
    PerSample,
    /// N times the squared norm of the mean gradient: labels drawn from the model are independent,
    /// so that products between samples have the expectation zero. Works also where samples are
    /// coupled (BatchNorm in training mode).
    OutputSpace,
}

/// Parameters of `fisher-trace`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FisherTraceParameters {
    /// The parameters whose block is used.
    pub groups: Groups,
    /// The source of the labels: "model" (default), or "data" for the empirical Fisher.
    pub labels: Labels,
    /// How the trace is estimated: "per-sample" (default) or "output-space".
    pub estimator: Estimator,
    /// How often labels are drawn for each mini-batch, 1 by default.
    pub probes: NonZeroUsize,
}

impl Default for FisherTraceParameters {
    fn default() -> Self {
        Self {
            groups: Groups::default(),
            labels: Labels::default(),
            estimator: Estimator::default(),
            probes: NonZeroUsize::MIN,
        }
    }
}

/// tr F = (1/N) Σₙ E‖∇ log p(y | xₙ)‖² with labels y drawn from the model's p( · | xₙ), for the
/// block of some parameters; or the empirical Fisher, (1/N) Σₙ ‖∇ℓₙ‖² with the data's labels.
///
/// Labels are constants in the derivative, as in the paper: the gradient is the mean of those of
/// the drawn terms, and ignores how the distribution of labels changes. (For these losses tr F = tr
/// G, and the output-space estimators of `hessian-trace` differentiate all of it.)
///
/// For labels drawn for each of the R rows (samples or tokens), with weights w of mean 1, the
/// estimate is R ‖∇L̂‖², where L̂ is the mean loss for drawn labels of weights √w: of one sample at
/// a time, or of the whole batch.
#[derive(Debug, Clone, PartialEq)]
pub struct FisherTrace {
    parameters: FisherTraceParameters,
}

impl FisherTrace {
    /// The regularizer with these parameters.
    ///
    /// # Errors
    /// When the data's labels are used in output space, or with several probes.
    pub fn new(parameters: FisherTraceParameters) -> Result<Self> {
        check_count(parameters.probes)?;
        if parameters.labels == Labels::Data {
            if parameters.estimator == Estimator::OutputSpace {
                let problem = "the data's labels are not independent of each other given the model, so that this is not the trace";
                let remedy = "use estimator = \"per-sample\", or the regularizer gradient-norm";
                return Err(Error::input("estimator", problem, remedy));
            }
            if parameters.probes.get() > 1 {
                return Err(Error::input("probes", "the data's labels are not drawn", "leave it out"));
            }
        }
        Ok(Self { parameters })
    }

    /// ∂L̂/∂θ of the group, and the factor R.
    fn drawn_gradient(&self, scope: &mut PenaltyScope, wrt: &[Value]) -> Result<(Vec<Value>, f64)> {
        if scope.loss_function().categorical().is_none() {
            let problem = format!(
                "labels drawn from the model need a loss that is −log of a probability, and `{}` is not",
                scope.loss_function().name()
            );
            let remedy = "use labels = \"data\", or hessian-trace with estimator = \"per-sample\"";
            return Err(Error::input("labels", problem, remedy));
        }
        let (outputs, targets) = (scope.outputs(), scope.targets());
        let shape = scope.graph().shape(outputs).to_vec();
        let last = shape.len() - 1;
        let rows: usize = shape[..last].iter().product();
        let noise = scope.probe(&shape);
        let graph = scope.graph();
        let noisy = graph.add(outputs, noise)?;
        let label = graph.one_hot_max(noisy)?;
        let weight = graph.sum(targets, &[last])?;
        let weight = graph.function(ElementwiseFunction::Sqrt, weight)?;
        let weight = graph.broadcast(weight, &shape)?;
        let label = graph.mul(label, weight)?;
        let loss = scope.loss_with(&[(targets, label)])?;
        Ok((scope.gradient(loss, wrt)?, rows as f64))
    }
}

impl Regularizer for FisherTrace {
    fn penalty(&self, scope: &mut PenaltyScope) -> Result<Value> {
        let FisherTraceParameters { groups, labels, estimator, .. } = &self.parameters;
        let group = groups.parameters(scope.network())?;
        if let (Estimator::PerSample, Some(module)) = (estimator, scope.network().mixes_samples()) {
            let problem = format!("needs samples that are not coupled, as they are in {module}");
            let remedy = "use estimator = \"output-space\" with labels = \"model\"";
            return Err(Error::input("estimator", problem, remedy));
        }
        let values = scope.select(&group)?;
        let (gradient, factor) = match labels {
            Labels::Model => self.drawn_gradient(scope, &values)?,
            Labels::Data => (scope.gradient(scope.loss(), &values)?, 1.0),
        };
        let square = scope.squared_norm(&gradient)?;
        Ok(scope.graph().scale(square, factor)?)
    }

    fn over(&self) -> Over {
        match self.parameters.estimator {
            Estimator::PerSample => Over::Samples,
            Estimator::OutputSpace => Over::Batch,
        }
    }

    fn draws(&self, _: &[Vec<usize>]) -> usize {
        self.parameters.probes.get()
    }

    fn draw(&self, _: usize, shapes: &[Vec<usize>], generator: &mut dyn Rng) -> Result<Vec<Tensor>> {
        shapes.iter().map(|shape| probe::gumbel(shape, generator)).collect()
    }

    fn description(&self) -> String {
        let FisherTraceParameters { groups, labels, estimator, probes } = &self.parameters;
        let by = match estimator {
            Estimator::PerSample => "per sample",
            Estimator::OutputSpace => "summed over samples",
        };
        match labels {
            Labels::Model => {
                format!(
                    "the trace of the Fisher information of {groups}, {by}, labels drawn {probes} time(s)"
                )
            }
            Labels::Data => format!("the trace of the empirical Fisher of {groups}, {by}"),
        }
    }
}

/// Adds `fisher-trace` to the registry.
pub fn register(registry: &mut Registry) {
    registry.regularizers.add::<FisherTraceParameters>(
        "fisher-trace",
        "the trace of the Fisher information, or of the empirical Fisher",
        |parameters, _| Ok(Box::new(FisherTrace::new(parameters)?)),
    );
}
