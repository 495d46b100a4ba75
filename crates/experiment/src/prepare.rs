//! From a run's plan to what it works with: data, network, initial weights, groups. Whatever can be wrong is found here,
//! before anything is trained.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Loss, Mode, Network, Objective, class_targets};
use eigenscape_core::{Error, Examples, Group, Landscape, Random, Split, Targets};

use crate::{
    checkpoint,
    diagnostic::{ConfigError, Located, Result},
    evaluate, masks,
    plan::{ProbePlan, RunPlan, Samples},
    weights::Weights,
};

/// A run, ready to start.
pub struct Prepared<'a> {
    /// What is to be done.
    pub plan: &'a RunPlan,
    /// Training examples.
    pub train: Examples,
    /// Test examples.
    pub test: Examples,
    /// The network in eval mode.
    pub network: Network,
    /// The network in train mode.
    pub training: Network,
    /// The loss.
    pub loss: Loss,
    /// The weights before training.
    pub weights: Weights,
    /// One entry a probe of the plan.
    pub probes: Vec<PreparedProbe<'a>>,
}

/// A probe, ready to measure.
pub struct PreparedProbe<'a> {
    /// What is to be measured.
    pub plan: &'a ProbePlan,
    /// The examples over which the curvature is a mean, in the probe's type.
    pub inputs: Tensor,
    /// Their targets, in the shape of the outputs.
    pub targets: Tensor,
    /// The masks of dropout, one for each example, where it is measured in train mode.
    pub masks: Vec<Tensor>,
    /// The mean loss over them.
    pub objective: Objective,
    /// The groups, each once.
    pub groups: Vec<Group>,
    /// How many numbers each parameter tensor of the network holds.
    pub sizes: Vec<usize>,
}

/// Loads the data, builds the network and resolves everything that depends on them.
///
/// # Errors
/// When the network does not fit the data, the loss does not fit the targets, the checkpoint does not fit the network, a
/// group does not exist, there are fewer examples than asked for, or an estimator cannot be used on an operator.
pub fn prepare(plan: &RunPlan) -> Result<Prepared<'_>> {
    let train = plan.data.examples(Split::Train)?;
    let test = plan.data.examples(Split::Test)?;
    let network = network(plan, &train)?;
    let loss = loss(plan, &train)?;
    let weights = weights(plan, &network)?;
    let training = network.in_mode(Mode::Train).map_err(Error::from)?;
    let measured = if plan.model.batch_norm == Mode::Train { &training } else { &network };
    let probes = plan.probes.iter().map(|probe| prepare_probe(probe, measured, loss, &train, plan.seed));
    let probes = probes.collect::<Result<Vec<_>>>()?;
    for probe in &probes {
        check_factors(probe, &weights)?;
    }
    Ok(Prepared { plan, train, test, network, training, loss, weights, probes })
}

fn network(plan: &RunPlan, examples: &Examples) -> Result<Network> {
    let architecture = Arc::clone(&plan.model.architecture);
    let (shape, outputs) = (examples.inputs.dims().get(1..).unwrap_or_default(), examples.outputs());
    let network = Network::new(shape, move |scope, x| architecture.build(scope, x, outputs));
    Ok(network.map_err(|error| {
        plan.model.name.error(
            format!("`{}` cannot be built for inputs of shape {shape:?}: {error}", plan.model.name.value),
            "choose another architecture, or prepare the data differently",
        )
    })?)
}

fn loss(plan: &RunPlan, examples: &Examples) -> Result<Loss> {
    let classes = matches!(examples.targets, Targets::Classes { .. });
    let Some(loss) = &plan.loss else {
        return Ok(if classes { Loss::CrossEntropy } else { Loss::MeanSquaredError });
    };
    if loss.value == Loss::CrossEntropy && !classes {
        let help = "use \"mean-squared-error\", or \"binary-cross-entropy\" for targets from 0 to 1";
        return Err(loss
            .error("the data set has real targets, and cross-entropy needs classes", help)
            .into());
    }
    if let (Loss::BinaryCrossEntropy, Targets::Values(values)) = (loss.value, &examples.targets) {
        let values = values.to_dtype(DType::F64).map_err(Error::from)?;
        let values = values.flatten_all().and_then(|t| t.to_vec1::<f64>()).map_err(Error::from)?;
        if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            let problem =
                format!("binary-cross-entropy needs targets from 0 to 1, and the data set has {value}");
            return Err(loss.error(problem, "use \"mean-squared-error\"").into());
        }
    }
    Ok(loss.value)
}

fn weights(plan: &RunPlan, network: &Network) -> Result<Weights> {
    let Some(path) = &plan.model.checkpoint else {
        return Ok(Weights::initial(network, Random::new(plan.seed))?);
    };
    let weights = checkpoint::load(&path.value, network).map_err(|error| path.caused(error))?;
    // A given model is analysed in the precision it came in; training is in f32.
    Ok(if plan.train.is_some() { weights.to_dtype(DType::F32)? } else { weights })
}

fn prepare_probe<'a>(
    plan: &'a ProbePlan,
    network: &Network,
    loss: Loss,
    train: &Examples,
    seed: u64,
) -> Result<PreparedProbe<'a>> {
    let examples = match sample(&plan.samples, train)? {
        Some(indices) => train.select(&indices)?,
        None => train.clone(),
    };
    let objective = Objective::new(network, loss, examples.len()).map_err(Error::from)?;
    let groups = groups(plan, network)?;
    let inputs = examples.inputs.to_dtype(plan.dtype).map_err(Error::from)?;
    let targets = targets(&examples, plan.dtype)?;
    // The same at every moment, so that spectra differ by the weights alone.
    let mut generator = Random::new(seed).stream("dropout-probe", 0);
    let masks = masks::draw(network.masks(), examples.len(), plan.dtype, &mut generator)?;
    let sizes = network.parameters().iter().map(|parameter| parameter.shape.iter().product()).collect();
    Ok(PreparedProbe { plan, inputs, targets, masks, objective, groups, sizes })
}

/// Finds out before training whether an estimator that needs exact factors will get them.
fn check_factors(probe: &PreparedProbe, weights: &Weights) -> Result<()> {
    if !probe.plan.estimator.needs_factor() {
        return Ok(());
    }
    let landscape = probe.landscape(weights)?;
    for &curvature in &probe.plan.curvatures {
        for group in &probe.groups {
            let operator = landscape.operator(curvature, group);
            operator.check_factor().map_err(|error| probe.plan.estimator_name.caused(error))?;
        }
    }
    Ok(())
}

impl PreparedProbe<'_> {
    /// The landscape at these weights, in the probe's type.
    ///
    /// # Errors
    /// When a conversion fails.
    pub fn landscape(&self, weights: &Weights) -> eigenscape_core::Result<Landscape> {
        let weights = weights.to_dtype(self.plan.dtype)?;
        let mut point = evaluate::at(&weights, self.inputs.clone(), self.targets.clone());
        point.masks.clone_from(&self.masks);
        Ok(Landscape::new(self.objective.clone(), point))
    }
}

fn groups(plan: &ProbePlan, network: &Network) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for selector in &plan.groups {
        let resolved =
            selector.value.resolve(network.parameters()).map_err(|error| selector.caused(error))?;
        for group in resolved {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
    }
    Ok(groups)
}

/// Indices of the examples to measure on, ascending; `None` for all.
fn sample(samples: &Located<Samples>, train: &Examples) -> Result<Option<Vec<u32>>> {
    let available = train.len();
    match samples.value {
        Samples::All => Ok(None),
        Samples::First(count) if count.get() <= available => Ok(Some((0..count.get() as u32).collect())),
        Samples::First(count) => {
            let problem = format!("{count} examples are asked for, and the training split has {available}");
            Err(samples.error(problem, "ask for fewer, or \"all\"").into())
        }
        Samples::PerClass(count) => {
            let Targets::Classes { labels, classes } = &train.targets else {
                let help = "use samples = ... instead";
                return Err(samples.error("the data set has real targets and no classes", help).into());
            };
            let labels = labels.to_vec1::<u32>().map_err(Error::from)?;
            let mut found = vec![0; *classes];
            let mut indices = Vec::new();
            for (index, label) in (0_u32..).zip(&labels) {
                let found = &mut found[*label as usize];
                *found += 1;
                if *found <= count.get() {
                    indices.push(index);
                }
            }
            if let Some(class) = found.iter().position(|found| *found < count.get()) {
                let problem =
                    format!("class {class} has {} training examples, fewer than {count}", found[class]);
                return Err(samples.error(problem, "ask for fewer").into());
            }
            Ok(Some(indices))
        }
    }
}

/// Targets as a network's outputs should be: for classes see [`class_targets`].
///
/// # Errors
/// When a label is not below the number of classes, or a tensor operation fails.
pub fn targets(examples: &Examples, dtype: DType) -> eigenscape_core::Result<Tensor> {
    match &examples.targets {
        Targets::Values(values) => Ok(values.to_dtype(dtype)?),
        Targets::Classes { labels, classes } => {
            Ok(class_targets(labels, *classes, 0.0, None)?.to_dtype(dtype)?)
        }
    }
}

impl<T> Located<T> {
    /// The error that this value is at fault.
    fn error(&self, problem: impl Into<String>, help: impl Into<String>) -> ConfigError {
        self.site.error(problem, Some(help.into()))
    }

    /// The error that this value led to `error`.
    fn caused(&self, error: Error) -> ConfigError {
        match error {
            Error::Input { subject, problem, remedy } => self.error(format!("{subject}: {problem}"), remedy),
            other => self.site.error(other.to_string(), None),
        }
    }
}
