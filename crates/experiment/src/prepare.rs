//! From a run's plan to what it works with: data, network, initial weights, groups. Whatever can be wrong is found here,
//! before anything is trained.

use candle_core::{DType, Tensor};
use eigenscape_core::{
    Account, Curvature, Error, Examples, Group, Inputs, Landscape, Loss, Random, Split, account::size,
    landscape::NetworkOperator,
};
use eigenscape_program::{Mode, Network, Variables};

use crate::{
    account::{self, RunAccount, Shares},
    capacity,
    check::plugin::failed,
    checkpoint::{self, Loaded},
    diagnostic::{ConfigError, Located, Result},
    evaluate,
    labels::Labels,
    masks,
    objective::{Objective, objective},
    plan::{ProbePlan, RunPlan},
    sampling,
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
    /// What of data and samples is allowed but probably not meant.
    pub warnings: Vec<String>,
    /// One entry a probe of the plan.
    pub probes: Vec<PreparedProbe<'a>>,
    /// What it all takes of memory.
    pub account: RunAccount,
}

/// A probe, ready to measure.
pub struct PreparedProbe<'a> {
    /// What is to be measured.
    pub plan: &'a ProbePlan,
    /// Disjoint samples of one size, one or more.
    pub batches: Vec<Batch>,
    /// The groups, each once.
    pub groups: Vec<Group>,
    /// The network in the mode in which curvature is measured.
    network: Network,
    loss: Loss,
    shares: Shares,
}

/// The examples over which a curvature is a mean.
pub struct Batch {
    /// \[N, ...\], in the probe's type.
    pub inputs: Tensor,
    /// Their targets, in the shape that the loss takes.
    pub targets: Tensor,
    /// The masks of dropout, one for each example, where it is measured in train mode.
    pub masks: Vec<Tensor>,
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
    let Objective { network, loss, labels, train, test, mut warnings } = objective(plan, train, test)?;
    capacity::check_weights(plan, &network)?;
    let (weights, checkpoint_notes) = weights(plan, &network)?;
    let training = network.in_mode(Mode::Train).map_err(Error::from)?;
    let examples = test.iter().map(Examples::len).fold(train.len(), usize::max);
    let number = weights.dtype().size_in_bytes();
    let held = account::of_data(&train, test.as_ref(), &labels, number)
        .and(account::of_weights(&network, number, plan))
        .and(capacity::check_work(plan, [&network, &training], &loss, examples, weights.dtype())?)
        .and(check_regularizers(plan, &training, &loss, train.len(), size([network.dimension()], number))?);
    let measured = if plan.model.batch_norm == Mode::Train { &training } else { &network };
    let (mut probes, mut taken) = (Vec::new(), held.total());
    for (index, probe) in plan.probes.iter().enumerate() {
        let from = match (probe.split, &test) {
            (Split::Test, Some(test)) => test,
            _ => &train,
        };
        let (prepared, missing) = prepare_probe(plan, probe, measured, &labels, from, &mut taken)?;
        let which = |missing: String| format!("[[probe]] number {}: {missing}", index + 1);
        warnings.extend(missing.into_iter().map(which));
        probes.push(prepared);
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
        warnings,
        probes,
        account,
    })
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

/// A probe, and what its samples miss; `taken` is how many bytes are held so far.
fn prepare_probe<'a>(
    run: &RunPlan,
    plan: &'a ProbePlan,
    network: &Network,
    labels: &Labels,
    from: &Examples,
    taken: &mut usize,
) -> Result<(PreparedProbe<'a>, Vec<String>)> {
    let random = Random::new(run.seed);
    let indices = sampling::batches(plan, random, labels, from)?;
    let count: usize = indices.iter().map(Vec::len).sum();
    let augment = run.augment.as_ref().filter(|_| plan.augment);
    // All of what is a tensor of this type is there already.
    let shared =
        matches!(&from.inputs, Inputs::Tensor(all) if count == from.len() && all.dtype() == plan.dtype);
    let shared = shared && indices.len() == 1 && augment.is_none();
    let shapes = network.masks().iter().map(|mask| mask.shape.as_slice());
    let shapes = shapes.chain(from.inputs.dims().get(1..).filter(|_| !shared));
    let each = shapes
        .map(|shape| size(shape.iter().copied(), 1))
        .fold(labels.target_size(from), usize::saturating_add);
    *taken += capacity::check_samples(&plan.samples, [count, each], plan.dtype.size_in_bytes(), *taken)?;
    let (mut batches, mut missing) = (Vec::new(), Vec::new());
    for (number, indices) in (0_u64..).zip(&indices) {
        let all = indices.len() == from.len();
        let mut examples = if all { from.clone() } else { from.select(indices)? };
        if let Some(augment) = augment {
            // Before any training there is an epoch 0, whose images no training sees.
            examples.inputs = augment.batch(&from.inputs, indices, random, 0)?.into();
        }
        let which = plan.batches.map(|_| format!(" of batch {number}")).unwrap_or_default();
        let lacks = sampling::missing(labels, from, &examples)?;
        missing.extend(lacks.map(|lacks| {
            let split = sampling::split_name(plan.split);
            format!("the {} {split} examples{which} miss {lacks}", indices.len())
        }));
        let targets = labels.targets(&examples.targets, plan.dtype)?;
        if targets.count() <= 0.0 {
            let problem = format!(
                "every label of the {} examples{which} is ignored, or of a class of weight 0",
                indices.len()
            );
            return Err(plan.samples.error(problem, "measure on more samples").into());
        }
        let inputs = examples.inputs.all()?.to_dtype(plan.dtype).map_err(Error::from)?;
        let targets = targets.mean().map_err(Error::from)?;
        // The same at every moment, so that spectra differ by the weights alone.
        let mut generator = random.stream("dropout-probe", number);
        let masks = masks::draw(network.masks(), indices.len(), plan.dtype, &mut generator)?;
        batches.push(Batch { inputs, targets, masks });
    }
    let groups = groups(plan, network, indices.first().map_or(0, Vec::len))?;
    let (network, loss) = (network.clone(), labels.loss.clone());
    Ok((PreparedProbe { plan, batches, groups, network, loss, shares: Shares::default() }, missing))
}

impl PreparedProbe<'_> {
    /// N, of each batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.batches.first().and_then(|batch| batch.inputs.dims().first()).copied().unwrap_or(0)
    }

    /// The numbers of the samples; `None` for the only one of a probe that does not ask for several.
    pub fn numbers(&self) -> impl Iterator<Item = Option<usize>> {
        let several = self.plan.batches.is_some();
        (0..self.batches.len()).map(move |index| several.then_some(index))
    }

    /// What the loss' weight decay adds to every eigenvalue of a matrix: nothing to the residual, which is a difference, and nothing
    /// where the variables are no parameters.
    #[must_use]
    pub fn shift(&self, curvature: Curvature, group: &Group) -> f64 {
        match (curvature, &group.variables) {
            (Curvature::Residual, _) | (_, Variables::Activation(_)) => 0.0,
            _ => self.plan.weight_decay,
        }
    }

    /// What is measured: every curvature of every group.
    pub fn matrices(&self) -> impl Iterator<Item = (Curvature, &Group)> {
        let of = |&curvature| self.groups.iter().map(move |group| (curvature, group));
        self.plan.curvatures.iter().flat_map(of)
    }

    /// The landscape over one of the samples (the first where there is one) at these weights, in the probe's type.
    ///
    /// # Errors
    /// When there is no such sample, or a conversion fails.
    pub fn landscape(&self, batch: Option<usize>, weights: &Weights) -> eigenscape_core::Result<Landscape> {
        let batch = self.batches.get(batch.unwrap_or(0));
        let batch = batch.ok_or_else(|| Error::input("[[probe]]", "has no such batch", "report this"))?;
        let weights = weights.to_dtype(self.plan.dtype)?;
        let mut point = evaluate::at(&weights, batch.inputs.clone(), batch.targets.clone());
        point.masks.clone_from(&batch.masks);
        Landscape::new(&self.network, &self.loss, point, self.shares.of_factors())
    }

    /// The landscape of which only shapes matter.
    ///
    /// # Errors
    /// When a conversion fails.
    pub(crate) fn landscape_of_shapes(&self) -> eigenscape_core::Result<Landscape> {
        self.landscape(None, &Weights::shapes(&self.network, self.plan.dtype)?)
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
        let tensors = self
            .batches
            .iter()
            .flat_map(|batch| [&batch.inputs, &batch.targets].into_iter().chain(&batch.masks));
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
    loss: &Loss,
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
