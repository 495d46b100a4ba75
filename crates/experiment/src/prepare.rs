//! Prepares a run from its plan: data, network, initial weights, groups. All errors that can be
//! found without training are found here.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Account, Curvature, Error, Examples, Group, Inputs, Landscape, Loss, Random, Split, account::size,
    file_names, landscape::NetworkOperator,
};
use eigenscape_curvature::Programs;
use eigenscape_program::{Mode, Network, Variables};
use eigenscape_runtime::Backend;

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
    sampling::{self, Sample},
    weights::Weights,
};

/// A run, ready to start.
pub struct Prepared<'a> {
    /// The run's plan.
    pub plan: &'a RunPlan,
    /// Training examples.
    pub train: Examples,
    /// Test examples, where there are some.
    pub test: Option<Examples>,
    /// The programs of the network in eval mode and its loss.
    pub programs: Arc<Programs>,
    /// The programs of the network in train mode and its loss.
    pub training: Arc<Programs>,
    /// How the loss reads labels.
    pub labels: Labels,
    /// The weights before training.
    pub weights: Weights,
    /// Notes on the origin of the weights, besides the file's name.
    pub checkpoint_notes: Vec<String>,
    /// Warnings about data and samples that are valid but probably not intended.
    pub warnings: Vec<String>,
    /// The classes that the probes' samples miss, as text.
    pub missing: Vec<String>,
    /// One entry per probe of the plan.
    pub probes: Vec<PreparedProbe<'a>>,
    /// The memory account of the run.
    pub account: RunAccount,
}

/// A probe, ready to measure.
pub struct PreparedProbe<'a> {
    /// The probe's plan.
    pub plan: &'a ProbePlan,
    /// Disjoint samples of one size, one or more.
    pub batches: Vec<Batch>,
    /// The groups, each once.
    pub groups: Vec<Group>,
    /// Each group's name in names of files.
    files: Vec<String>,
    /// The programs of the network in the mode in which curvature is measured.
    programs: Arc<Programs>,
    backend: Arc<dyn Backend>,
    shares: Shares,
}

/// The sample of examples over which a curvature is averaged.
pub struct Batch {
    /// \[N, ...\], in the probe's type.
    pub inputs: Tensor,
    /// Their targets, in the shape that the loss takes.
    pub targets: Tensor,
    /// The dropout masks, each with one mask per example; none in eval mode.
    pub masks: Vec<Tensor>,
}

/// Loads the data, builds the network and resolves everything that depends on them.
///
/// # Errors
/// When the network does not fit the data or the machine's memory, the loss does not fit the
/// targets, the checkpoint does not fit the network, a group does not exist, there are fewer
/// examples than asked for, or an estimator cannot be used on an operator.
pub fn prepare(plan: &RunPlan) -> Result<Prepared<'_>> {
    let (mut prepared, samples) = look(plan)?;
    if plan.model.checkpoint.is_none() && plan.model.architecture.weights().is_none() {
        prepared.weights = Weights::initial(prepared.network(), Random::new(plan.seed))?;
    }
    let Prepared { train, test, labels, probes, .. } = &mut prepared;
    for (probe, sample) in probes.iter_mut().zip(&samples) {
        let from = split_of(probe.plan, train, test.as_ref());
        probe.batches = batches(plan, probe.plan, probe.programs.network(), labels, from, &sample.indices)?;
    }
    Ok(prepared)
}

/// Like [`prepare`], but only to describe the run: samples, and initial weights without a
/// checkpoint, are zeros that take no memory.
///
/// # Errors
/// Errors of [`prepare`].
pub fn survey(plan: &RunPlan) -> Result<Prepared<'_>> {
    Ok(look(plan)?.0)
}

/// Prepares a run without values, and draws the examples of its probes.
fn look(plan: &RunPlan) -> Result<(Prepared<'_>, Vec<Sample>)> {
    let train = plan.data.examples(Split::Train)?;
    let test = plan.data.has_test_split().then(|| plan.data.examples(Split::Test)).transpose()?;
    let Objective { programs: [programs, trained], labels, train, test, mut warnings } =
        objective(plan, train, test)?;
    let network = programs.network();
    let Loaded { weights, notes: checkpoint_notes, warnings: doubts } = weights(plan, network)?;
    warnings.extend(doubts);
    let examples = test.iter().map(Examples::len).fold(train.len(), usize::max);
    let number = weights.dtype().size_in_bytes();
    let held = account::of_data(&train, test.as_ref(), plan.other_data, &labels, number)
        .and(account::of_weights(network, number, plan))
        .and(capacity::check_work(plan, [&programs, &trained], examples, weights.dtype())?)
        .and(check_regularizers(plan, &trained, train.len(), size([network.dimension()], number))?);
    let measured = if plan.model.batch_norm == Mode::Train { &trained } else { &programs };
    warnings.extend_from_slice(plan.data.warnings());
    let draws = Draws { train: train.clone(), test: test.clone(), labels: labels.clone() };
    let samples = draws.samples(plan)?;
    let missing = samples.iter().flat_map(|sample| sample.missing.iter().cloned()).collect();
    let (mut probes, mut taken) = (Vec::new(), held.total());
    for (probe, sample) in plan.probes.iter().zip(&samples) {
        let from = split_of(probe, &train, test.as_ref());
        probes.push(prepare_probe(plan, probe, measured, &labels, (from, sample), &mut taken)?);
    }
    let account = account::survey::run(plan, &mut probes, held, &train)?;
    let prepared = Prepared {
        plan,
        train,
        test,
        programs,
        training: trained,
        labels,
        weights,
        checkpoint_notes,
        warnings,
        missing,
        probes,
        account,
    };
    Ok((prepared, samples))
}

impl Prepared<'_> {
    /// The network in eval mode.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.programs.network()
    }

    /// The loss.
    #[must_use]
    pub fn loss(&self) -> &Loss {
        self.programs.loss_function()
    }
}

/// The data that a run's samples are drawn from, shared by runs that differ only in their seed.
pub struct Draws {
    train: Examples,
    test: Option<Examples>,
    labels: Labels,
}

impl Draws {
    /// The data of a surveyed run.
    #[must_use]
    pub fn of(prepared: &Prepared) -> Self {
        let Prepared { train, test, labels, .. } = prepared;
        Self { train: train.clone(), test: test.clone(), labels: labels.clone() }
    }

    /// The classes that the samples of a run with another seed miss, as text.
    ///
    /// # Errors
    /// When the samples cannot be drawn.
    pub fn missing(&self, plan: &RunPlan) -> Result<Vec<String>> {
        Ok(self.samples(plan)?.into_iter().flat_map(|sample| sample.missing).collect())
    }

    fn samples(&self, plan: &RunPlan) -> Result<Vec<Sample>> {
        let random = Random::new(plan.seed);
        let sample = |(index, probe): (usize, &ProbePlan)| {
            let from = split_of(probe, &self.train, self.test.as_ref());
            sampling::sample(probe, index + 1, random, &self.labels, from)
        };
        plan.probes.iter().enumerate().map(sample).collect()
    }
}

/// The split that a probe measures on.
fn split_of<'e>(probe: &ProbePlan, train: &'e Examples, test: Option<&'e Examples>) -> &'e Examples {
    match (probe.split, test) {
        (Split::Test, Some(test)) => test,
        _ => train,
    }
}

/// The initial weights, with notes on their origin.
fn weights(plan: &RunPlan, network: &Network) -> Result<Loaded> {
    let mut loaded = match (&plan.model.checkpoint, plan.model.architecture.weights()) {
        (Some(selection), _) => {
            checkpoint::load(&selection.value, network).map_err(|error| selection.caused(error))?
        }
        (None, Some(given)) => Loaded::of(Weights::given(network, given)?),
        (None, None) => Loaded::of(Weights::shapes(network, DType::F32)?),
    };
    // A given model is analysed in the precision it came in; training is in f32.
    if plan.train.is_some() {
        loaded.weights = loaded.weights.to_dtype(DType::F32)?;
    }
    Ok(loaded)
}

/// Prepares a probe with samples of zeros. `taken` is the number of bytes held so far.
fn prepare_probe<'a>(
    run: &RunPlan,
    plan: &'a ProbePlan,
    programs: &Arc<Programs>,
    labels: &Labels,
    (from, sample): (&Examples, &Sample),
    taken: &mut usize,
) -> Result<PreparedProbe<'a>> {
    let network = programs.network();
    let count: usize = sample.indices.iter().map(Vec::len).sum();
    // A sample of all examples, if they are a tensor of this type, shares that tensor.
    let shared = match &from.inputs {
        Inputs::Tensor(all) if count == from.len() && all.dtype() == plan.dtype => Some(all),
        _ => None,
    };
    let changed = run.augment.is_some() && plan.augment;
    let shared = shared.filter(|_| sample.indices.len() == 1 && !changed);
    let shape = from.inputs.dims().get(1..).unwrap_or_default();
    let shapes = network.masks().iter().map(|mask| mask.shape.as_slice());
    let shapes = shapes.chain((shared.is_none()).then_some(shape));
    let each = shapes
        .map(|shape| size(shape.iter().copied(), 1))
        .fold(labels.target_size(&from.targets), usize::saturating_add);
    *taken += capacity::check_samples(&plan.samples, [count, each], plan.dtype.size_in_bytes(), *taken)?;
    let of_shape = |shape: &[usize]| zeros(shape, plan.dtype);
    let batch = |indices: &Vec<u32>| -> Result<Batch> {
        let of_each = |shape: &[usize]| of_shape(&[&[indices.len()], shape].concat());
        Ok(Batch {
            inputs: shared.map_or_else(|| of_each(shape), |all| Ok(all.clone()))?,
            targets: of_shape(&labels.shape(&from.targets, indices.len()))?,
            masks: network.masks().iter().map(|mask| of_each(&mask.shape)).collect::<Result<_>>()?,
        })
    };
    let batches = sample.indices.iter().map(batch).collect::<Result<_>>()?;
    let groups = groups(plan, network, sample.indices.first().map_or(0, Vec::len))?;
    let files = file_names::distinct(groups.iter().map(|group| group.name.as_str()));
    let (programs, backend) = (Arc::clone(programs), Arc::clone(&run.backend));
    Ok(PreparedProbe { plan, batches, groups, files, programs, backend, shares: Shares::default() })
}

/// Zeros that take no memory.
fn zeros(shape: &[usize], dtype: DType) -> Result<Tensor> {
    let zeros = Tensor::zeros((), dtype, &Device::Cpu).and_then(|zero| zero.broadcast_as(shape));
    Ok(zeros.map_err(Error::from)?)
}

/// The samples of a probe.
fn batches(
    run: &RunPlan,
    plan: &ProbePlan,
    network: &Network,
    labels: &Labels,
    from: &Examples,
    indices: &[Vec<u32>],
) -> Result<Vec<Batch>> {
    let random = Random::new(run.seed);
    let augment = run.augment.as_ref().filter(|_| plan.augment);
    let batch = |(number, indices): (u64, &Vec<u32>)| -> Result<Batch> {
        let all = indices.len() == from.len();
        let mut examples = if all { from.clone() } else { from.select(indices)? };
        if let Some(augment) = augment {
            // Epoch 0 is before training, so that training does not see these augmented images.
            examples.inputs = augment.batch(&from.inputs, indices, random, 0)?.into();
        }
        let targets = labels.targets(&examples.targets, plan.dtype)?.mean().map_err(Error::from)?;
        let inputs = examples.inputs.all()?.to_dtype(plan.dtype).map_err(Error::from)?;
        // The masks are the same at every epoch, so that spectra differ only by the weights.
        let mut generator = random.stream("dropout-probe", number);
        let masks = masks::draw(network.masks(), indices.len(), plan.dtype, &mut generator)?;
        Ok(Batch { inputs, targets, masks })
    };
    (0..).zip(indices).map(batch).collect()
}

impl PreparedProbe<'_> {
    /// N, the number of examples of each batch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.batches.first().and_then(|batch| batch.inputs.dims().first()).copied().unwrap_or(0)
    }

    /// The indices of the samples; `None` for the single sample of a probe without `batches`.
    pub fn numbers(&self) -> impl Iterator<Item = Option<usize>> {
        let several = self.plan.batches.is_some();
        (0..self.batches.len()).map(move |index| several.then_some(index))
    }

    /// What the loss's weight decay adds to every eigenvalue of a matrix: 0 for the residual, which
    /// is a difference, and for an activation, which is not a parameter.
    #[must_use]
    pub fn shift(&self, curvature: Curvature, group: &Group) -> f64 {
        match (curvature, &group.variables) {
            (Curvature::Residual, _) | (_, Variables::Activation(_)) => 0.0,
            _ => self.plan.weight_decay,
        }
    }

    /// The matrices to measure: every curvature of every group.
    pub fn matrices(&self) -> impl Iterator<Item = (Curvature, &Group)> {
        let of = |&curvature| self.groups.iter().map(move |group| (curvature, group));
        self.plan.curvatures.iter().flat_map(of)
    }

    /// The landscape over one of the samples (the first if `None`) at these weights, in the probe's
    /// type.
    ///
    /// # Errors
    /// When there is no such sample, or a conversion fails.
    pub fn landscape(&self, batch: Option<usize>, weights: &Weights) -> eigenscape_core::Result<Landscape> {
        let batch = self.batches.get(batch.unwrap_or(0));
        let batch = batch.ok_or_else(|| Error::input("[[probe]]", "has no such batch", "report this"))?;
        let weights = weights.to_dtype(self.plan.dtype)?;
        let mut point = evaluate::at(&self.backend, &weights, batch.inputs.clone(), batch.targets.clone());
        point.masks.clone_from(&batch.masks);
        let landscape = Landscape::of(&self.programs, point, self.shares.of_factors())?;
        Ok(landscape.with_residuals(self.plan.residuals))
    }

    /// A landscape that is used for its shapes only.
    ///
    /// # Errors
    /// When a conversion fails.
    pub(crate) fn landscape_of_shapes(&self) -> eigenscape_core::Result<Landscape> {
        self.landscape(None, &Weights::shapes(self.programs.network(), self.plan.dtype)?)
    }

    /// The number of parameter tensors of the network.
    pub(crate) fn tensors(&self) -> usize {
        self.programs.network().parameters().len()
    }

    /// A group that bounds the others: the union of the parameter groups or, for activations, the
    /// one that is computed first.
    pub(crate) fn containing(&self, activations: bool) -> Option<Group> {
        if !activations {
            return Some(Group::of_all(&self.groups, self.programs.network().parameters()));
        }
        let modules = self.programs.network().activations().unwrap_or_default();
        let of = |module: &str| {
            let is_it =
                |group: &&Group| matches!(&group.variables, Variables::Activation(name) if name == module);
            self.groups.iter().find(is_it).cloned()
        };
        modules.iter().find_map(|(module, _)| of(module))
    }

    /// Bytes that an operator's products may take, given what the estimator holds.
    pub(crate) fn memory_of_products(&self, held: &Account) -> usize {
        self.shares.of_products(held.total())
    }

    /// The curvature operator of a group. Its products may take the memory that the estimator
    /// leaves.
    #[must_use]
    pub fn operator(&self, landscape: &Landscape, curvature: Curvature, group: &Group) -> NetworkOperator {
        let (operator, estimator) = (landscape.operator(curvature, group), &self.plan.estimator);
        if estimator.needs_factor() {
            // The estimator itself uses no products, but the residuals of eigenvectors do.
            return operator.within(self.memory_of_products(&self.eigenvectors()));
        }
        let held = estimator.memory(&[&operator], self.shares.of_estimator()).unwrap_or_default();
        operator.within(self.memory_of_products(&held))
    }

    /// The network in the mode in which curvature is measured.
    pub(crate) fn network(&self) -> &Network {
        self.programs.network()
    }

    /// A group's name in names of files.
    pub(crate) fn file_name(&self, group: &Group) -> &str {
        let index = self.groups.iter().position(|other| other == group);
        index.and_then(|index| self.files.get(index)).map_or("", String::as_str)
    }

    /// The eigenvectors of all matrices, which an estimator that works on factors finds together.
    pub(crate) fn eigenvectors(&self) -> Account {
        let Some(count) = self.plan.eigenvectors else { return Account::default() };
        let number = size_of::<f64>() + self.plan.dtype.size_in_bytes();
        let of = |(_, group): (Curvature, &Group)| {
            size([group.dimension, count.get().min(group.dimension)], number)
        };
        Account::of("eigenvectors", self.matrices().map(of).fold(0, usize::saturating_add))
    }

    /// Bytes that the estimator may hold in addition to the operator's products: see
    /// [`eigenscape_core::Context::memory`].
    #[must_use]
    pub fn memory_of_estimator(&self) -> usize {
        self.shares.of_estimator()
    }

    /// Sets the shares of the memory for measuring.
    pub(crate) fn share(&mut self, shares: Shares) {
        self.shares = shares;
    }

    /// Bytes held for this probe throughout the run, besides the training examples.
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

/// The memory of the largest penalty. Checks before training that every regularizer supports this
/// network and loss, and fits into memory beside `weights` bytes of weights.
fn check_regularizers(
    plan: &RunPlan,
    training: &Programs,
    examples: usize,
    weights: usize,
) -> Result<Account> {
    let Some(train) = &plan.train else { return Ok(Account::default()) };
    let batch = train.batch_size.get().min(examples);
    let mut largest = 0;
    for regularizer in &train.regularizers {
        let program = regularizer.regularizer.program(training.network(), training.loss_function(), batch);
        let program = program.map_err(|error| failed(&regularizer.node, &error))?;
        largest = largest.max(capacity::check_penalty(regularizer, &program, weights)?);
    }
    Ok(Account::of("a penalty", largest))
}

/// The groups that a probe selects, without duplicates.
fn groups(plan: &ProbePlan, network: &Network, samples: usize) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for selector in &plan.groups {
        let resolved = selector.value.resolve(network, samples).map_err(|error| selector.caused(error))?;
        let is_activation = |group: &Group| matches!(group.variables, Variables::Activation(_));
        if plan.eigenvectors.is_some() && resolved.iter().any(is_activation) {
            let problem = "eigenvectors are written by parameter, and an activation has none";
            return Err(selector.error(problem, "measure it in a probe without `eigenvectors`").into());
        }
        for group in resolved {
            match groups.iter().find(|known| known.name == group.name) {
                Some(known) if *known == group => {}
                Some(_) => {
                    let problem = format!("there is another group with the name \"{}\"", group.name);
                    return Err(selector.error(problem, "give each group a name of its own").into());
                }
                None => groups.push(group),
            }
        }
    }
    Ok(groups)
}

impl<T> Located<T> {
    /// An error at the location of this value.
    pub(crate) fn error(&self, problem: impl Into<String>, help: impl Into<String>) -> ConfigError {
        self.site.error(problem, Some(help.into()))
    }

    /// The error at this value that was caused by `error`.
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
