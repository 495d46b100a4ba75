//! From a run's plan to what it works with: data, network, initial weights, groups. Whatever can be wrong is found here,
//! before anything is trained.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_autodiff::{Loss, Mode, Network};
use eigenscape_core::{
    Account, Curvature, Error, Examples, Group, Inputs, Landscape, Random, Split, Targets, account::size,
    landscape::NetworkOperator,
};

use crate::{
    account::{self, RunAccount, Shares},
    capacity,
    check::plugin::failed,
    checkpoint::{self, Loaded},
    diagnostic::{ConfigError, Located, Result},
    evaluate,
    labels::Labels,
    masks,
    plan::{LossPlan, ProbePlan, RunPlan, Samples},
    weights::Weights,
};

/// A run, ready to start.
pub struct Prepared<'a> {
    /// What is to be done.
    pub plan: &'a RunPlan,
    /// Training examples.
    pub train: Examples,
    /// Test examples, where there are some.
    pub test: Option<Examples>,
    /// The network in eval mode.
    pub network: Network,
    /// The network in train mode.
    pub training: Network,
    /// The loss.
    pub loss: Loss,
    /// How it reads labels.
    pub labels: Labels,
    /// The weights before training.
    pub weights: Weights,
    /// Where the weights come from, beside the file's name.
    pub checkpoint_notes: Vec<String>,
    /// One entry a probe of the plan.
    pub probes: Vec<PreparedProbe<'a>>,
    /// What it all takes of memory.
    pub account: RunAccount,
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
    /// The groups, each once.
    pub groups: Vec<Group>,
    /// The network in the mode in which curvature is measured.
    network: Network,
    loss: Loss,
    shares: Shares,
}

/// Loads the data, builds the network and resolves everything that depends on them.
///
/// # Errors
/// When the network does not fit the data or the machine's memory, the loss does not fit the targets, the checkpoint does not fit the network, a
/// group does not exist, there are fewer examples than asked for, or an estimator cannot be used on an operator.
pub fn prepare(plan: &RunPlan) -> Result<Prepared<'_>> {
    let mut prepared = survey(plan)?;
    if plan.model.checkpoint.is_none() {
        prepared.weights = Weights::initial(&prepared.network, Random::new(plan.seed))?;
    }
    Ok(prepared)
}

/// As [`prepare`], for those who want to know what would be run: initial weights are zeros that take no memory.
///
/// # Errors
/// Those of [`prepare`].
pub fn survey(plan: &RunPlan) -> Result<Prepared<'_>> {
    let train = plan.data.examples(Split::Train)?;
    let test = plan.data.has_test_split().then(|| plan.data.examples(Split::Test)).transpose()?;
    let network = network(plan, &train)?;
    let LossPlan { kind: loss, labels } = loss(plan, &train)?;
    for examples in [&train].into_iter().chain(&test) {
        check_targets(plan, &network, labels, examples)?;
    }
    capacity::check_weights(plan, &network)?;
    let (weights, checkpoint_notes) = weights(plan, &network)?;
    let training = network.in_mode(Mode::Train).map_err(Error::from)?;
    let examples = test.iter().map(Examples::len).fold(train.len(), usize::max);
    let number = weights.dtype().size_in_bytes();
    let held = account::of_data(&train, test.as_ref(), number)
        .and(account::of_weights(&network, number, plan))
        .and(capacity::check_work(plan, [&network, &training], loss, examples, number)?)
        .and(check_regularizers(plan, &training, loss, train.len(), size([network.dimension()], number))?);
    let measured = if plan.model.batch_norm == Mode::Train { &training } else { &network };
    let (mut probes, mut taken) = (Vec::new(), held.total());
    for probe in &plan.probes {
        probes.push(prepare_probe(plan, probe, measured, loss, labels, &train, &mut taken)?);
    }
    let account = account::survey::run(plan, &mut probes, held, &train)?;
    Ok(Prepared {
        plan,
        train,
        test,
        network,
        training,
        loss,
        labels,
        weights,
        checkpoint_notes,
        probes,
        account,
    })
}

fn network(plan: &RunPlan, examples: &Examples) -> Result<Network> {
    let architecture = Arc::clone(&plan.model.architecture);
    let (shape, outputs) = (examples.inputs.dims().get(1..).unwrap_or_default(), examples.outputs());
    let network = Network::new(shape, move |scope, x| architecture.build(scope, x, outputs));
    Ok(network.map_err(|error| {
        plan.model.name.error(
            format!("`{}` cannot be built for inputs of shape {shape:?}: {error}", plan.model.name.value),
            "mend the settings in [model], choose another architecture, or prepare the data differently",
        )
    })?)
}

fn loss(plan: &RunPlan, examples: &Examples) -> Result<LossPlan> {
    let classes = matches!(examples.targets, Targets::Classes { .. });
    let Some(loss) = &plan.loss else {
        let kind = if classes { Loss::CrossEntropy } else { Loss::MeanSquaredError };
        return Ok(LossPlan { kind, labels: Labels::default().of(kind) });
    };
    let kind = loss.value.kind;
    if kind == Loss::CrossEntropy && !classes {
        let help = "use \"mean-squared-error\", or \"binary-cross-entropy\" for targets from 0 to 1";
        return Err(loss
            .error("the data set has real targets, and cross-entropy needs classes", help)
            .into());
    }
    if let (Loss::BinaryCrossEntropy, Targets::Values(values)) = (kind, &examples.targets) {
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

/// Refuses targets of another shape than the network's outputs, and labels that are neither classes nor ignored.
fn check_targets(plan: &RunPlan, network: &Network, labels: Labels, examples: &Examples) -> Result<()> {
    let (shape, classes) = match &examples.targets {
        Targets::Values(values) => (values.dims()[1..].to_vec(), 0),
        Targets::Classes { labels, classes } => ([&labels.dims()[1..], &[*classes]].concat(), *classes),
    };
    if network.output_shape() != shape {
        let problem = format!(
            "`{}` gives outputs of shape {:?} for an example, and the data has targets for {shape:?}",
            plan.model.name.value,
            network.output_shape()
        );
        return Err(plan.model.name.error(problem, "choose an architecture that fits the targets").into());
    }
    let found = labels.classes(&examples.targets)?.unwrap_or_default();
    let is_class = |label: i64| usize::try_from(label).is_ok_and(|class| class < classes);
    let mut counted = found.iter().enumerate().filter_map(|(index, label)| Some((index, (*label)?)));
    if let Some((index, label)) = counted.find(|(_, label)| !is_class(*label)) {
        let each = found.len() / examples.len().max(1);
        let place = if each > 1 { vec![index / each, index % each] } else { vec![index] };
        let problem = format!("the label {place:?} is {label}, not a class");
        let help = format!(
            "number the classes from 0, or leave such labels out of the mean: \
             loss = {{ name = \"cross-entropy\", ignore_index = {label} }}"
        );
        return Err(plan.data_name.error(problem, help).into());
    }
    if !found.is_empty() && found.iter().all(Option::is_none) {
        return Err(plan.data_name.error("every label is ignored", "change `loss.ignore_index`").into());
    }
    Ok(())
}

/// The weights to start from, with notes on where they come from.
fn weights(plan: &RunPlan, network: &Network) -> Result<(Weights, Vec<String>)> {
    let Some(selection) = &plan.model.checkpoint else {
        return Ok((Weights::shapes(network, DType::F32)?, Vec::new()));
    };
    let Loaded { weights, notes } =
        checkpoint::load(&selection.value, network).map_err(|error| selection.caused(error))?;
    // A given model is analysed in the precision it came in; training is in f32.
    let weights = if plan.train.is_some() { weights.to_dtype(DType::F32)? } else { weights };
    Ok((weights, notes))
}

/// A probe with its samples; `taken` is how many bytes are held so far.
fn prepare_probe<'a>(
    run: &RunPlan,
    plan: &'a ProbePlan,
    network: &Network,
    loss: Loss,
    labels: Labels,
    train: &Examples,
    taken: &mut usize,
) -> Result<PreparedProbe<'a>> {
    let indices = sample(&plan.samples, train)?;
    let count = indices.as_ref().map_or(train.len(), Vec::len);
    // All of what is a tensor of this type is there already.
    let shared =
        matches!(&train.inputs, Inputs::Tensor(all) if indices.is_none() && all.dtype() == plan.dtype);
    let shapes = network.masks().iter().map(|mask| mask.shape.as_slice());
    let shapes = shapes.chain(train.inputs.dims().get(1..).filter(|_| !shared));
    let each =
        shapes.map(|shape| size(shape.iter().copied(), 1)).fold(train.target_size(), usize::saturating_add);
    *taken += capacity::check_samples(&plan.samples, [count, each], plan.dtype.size_in_bytes(), *taken)?;
    let examples = match indices {
        Some(indices) => train.select(&indices)?,
        None => train.clone(),
    };
    let groups = groups(plan, network, examples.len())?;
    let inputs = examples.inputs.all()?.to_dtype(plan.dtype).map_err(Error::from)?;
    let targets = labels.targets(&examples, plan.dtype).map_err(|error| plan.samples.caused(error))?;
    // The same at every moment, so that spectra differ by the weights alone.
    let mut generator = Random::new(run.seed).stream("dropout-probe", 0);
    let masks = masks::draw(network.masks(), examples.len(), plan.dtype, &mut generator)?;
    Ok(PreparedProbe {
        plan,
        inputs,
        targets,
        masks,
        groups,
        network: network.clone(),
        loss,
        shares: Shares::default(),
    })
}

impl PreparedProbe<'_> {
    /// N.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.inputs.dims().first().copied().unwrap_or(0)
    }

    /// What is measured: every curvature of every group.
    pub fn matrices(&self) -> impl Iterator<Item = (Curvature, &Group)> {
        let of = |&curvature| self.groups.iter().map(move |group| (curvature, group));
        self.plan.curvatures.iter().flat_map(of)
    }

    /// The landscape at these weights, in the probe's type.
    ///
    /// # Errors
    /// When a conversion fails.
    pub fn landscape(&self, weights: &Weights) -> eigenscape_core::Result<Landscape> {
        let weights = weights.to_dtype(self.plan.dtype)?;
        let mut point = evaluate::at(&weights, self.inputs.clone(), self.targets.clone());
        point.masks.clone_from(&self.masks);
        Landscape::new(&self.network, self.loss, point, self.shares.of_factors())
    }

    /// The landscape of which only shapes matter.
    ///
    /// # Errors
    /// When a conversion fails.
    pub(crate) fn landscape_of_shapes(&self) -> eigenscape_core::Result<Landscape> {
        self.landscape(&Weights::shapes(&self.network, self.plan.dtype)?)
    }

    /// The curvature of a group, whose products take what the estimator leaves of the memory that there is for both.
    #[must_use]
    pub fn operator<'a>(
        &self,
        landscape: &'a Landscape,
        curvature: Curvature,
        group: &'a Group,
    ) -> NetworkOperator<'a> {
        let (operator, estimator) = (landscape.operator(curvature, group), &self.plan.estimator);
        if estimator.needs_factor() {
            return operator;
        }
        let held = estimator.memory(&[&operator], self.shares.of_estimator()).unwrap_or_default();
        operator.within(self.shares.of_products(held.total()))
    }

    /// Bytes that the estimator may hold beside the operator's products: see [`eigenscape_core::Context::memory`].
    #[must_use]
    pub fn memory_of_estimator(&self) -> usize {
        self.shares.of_estimator()
    }

    /// How the memory for measuring is shared out.
    pub(crate) fn share(&mut self, shares: Shares) {
        self.shares = shares;
    }

    /// Bytes of what is kept for this probe all the time, beside the training examples.
    pub(crate) fn bytes(&self, train: &Examples) -> usize {
        let shared = |tensor: &&Tensor| match &train.inputs {
            Inputs::Tensor(inputs) => inputs.id() == tensor.id(),
            Inputs::Rows(_) => false,
        };
        let tensors = [&self.inputs, &self.targets].into_iter().chain(&self.masks);
        let tensors = tensors.filter(|tensor| !shared(tensor));
        let of = |tensor: &Tensor| size(tensor.dims().iter().copied(), tensor.dtype().size_in_bytes());
        tensors.map(of).fold(0, usize::saturating_add)
    }
}

/// What penalties take. Finds out before training whether every regularizer can be used on this network and loss, and fits into memory beside so
/// many bytes of weights.
fn check_regularizers(
    plan: &RunPlan,
    training: &Network,
    loss: Loss,
    examples: usize,
    weights: usize,
) -> Result<Account> {
    let Some(train) = &plan.train else { return Ok(Account::default()) };
    let batch = train.batch_size.get().min(examples);
    let mut largest = 0;
    for regularizer in &train.regularizers {
        let program = regularizer.regularizer.program(training, loss, batch);
        let program = program.map_err(|error| failed(&regularizer.node, &error))?;
        largest = largest.max(capacity::check_penalty(regularizer, &program, weights)?);
    }
    Ok(Account::of("a penalty", largest))
}

/// The groups that a probe asks for, each once.
fn groups(plan: &ProbePlan, network: &Network, samples: usize) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for selector in &plan.groups {
        let resolved = selector.value.resolve(network, samples).map_err(|error| selector.caused(error))?;
        for group in resolved {
            match groups.iter().find(|known| known.name == group.name) {
                Some(known) if *known == group => {}
                Some(_) => {
                    let problem = format!("there is another group of the name \"{}\"", group.name);
                    return Err(selector.error(problem, "give each group a name of its own").into());
                }
                None => groups.push(group),
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
            if labels.rank() != 1 {
                let help = "use samples = ... instead";
                return Err(samples
                    .error("the data set has a label for each token, not for each example", help)
                    .into());
            }
            let labels = labels.to_dtype(DType::I64).and_then(|labels| labels.to_vec1::<i64>());
            let mut found = vec![0; *classes];
            let mut indices = Vec::new();
            for (index, label) in (0_u32..).zip(labels.map_err(Error::from)?) {
                // What belongs to no class is left out.
                let Some(found) = usize::try_from(label).ok().and_then(|class| found.get_mut(class)) else {
                    continue;
                };
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

impl<T> Located<T> {
    /// The error that this value is at fault.
    pub(crate) fn error(&self, problem: impl Into<String>, help: impl Into<String>) -> ConfigError {
        self.site.error(problem, Some(help.into()))
    }

    /// The error that this value led to `error`.
    pub(crate) fn caused(&self, error: Error) -> ConfigError {
        match error {
            Error::Input { subject, problem, remedy } => self.error(format!("{subject}: {problem}"), remedy),
            other => {
                let (problem, remedy) = other.into_words();
                self.site.error(problem, remedy)
            }
        }
    }
}
