//! Memory account of a run, computed from shapes, types and settings before anything is allocated
//! or trained.
//!
//! Measuring spectra must fit into the experiment's `memory`, where that is set. Measuring together
//! with everything held throughout the run (data, weights, a training step) must fit into the
//! machine's memory.

mod dearest;
pub(crate) mod survey;

use eigenscape_core::{
    Account, Examples,
    account::{bytes, size},
    results::PARTS,
};
use eigenscape_formats::memory::of_machine;
use eigenscape_program::Network;

use crate::{
    diagnostic::{Located, Result},
    labels::Labels,
    memory,
    optimizer::Optimizer,
    plan::RunPlan,
};

/// The memory that one run needs.
#[derive(Debug, Clone, Default)]
pub struct RunAccount {
    /// Held throughout the run: the data, the weights, a training step.
    pub held: Account,
    /// Held in addition while spectra are measured: the records of all measured epochs and the most
    /// demanding matrix.
    pub measuring: Account,
    /// The memory that measuring may take, and where the limit comes from.
    pub allowed: Allowed,
}

/// The limit on the memory for measuring, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// The experiment's `memory` key.
    Said(usize),
    /// The machine's memory minus what the run holds throughout; used without a `memory` key.
    Left(usize),
}

impl Default for Allowed {
    fn default() -> Self {
        Self::Left(0)
    }
}

impl Allowed {
    /// The limit `said` by the experiment, or else the machine's memory minus `held`.
    #[must_use]
    pub fn new(said: Option<&Located<usize>>, held: &Account) -> Self {
        let left = || of_machine().saturating_sub(held.total());
        said.map_or_else(|| Self::Left(left()), |said| Self::Said(said.value))
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        let (Self::Said(bytes) | Self::Left(bytes)) = self;
        bytes
    }
}

/// Divides the memory for measuring among estimator, products and factors while one matrix is
/// measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shares {
    /// Bytes left after records and distances are accounted for.
    all: usize,
    /// Bytes for products and factors; without a `memory` key at most half of the machine's memory.
    products: usize,
}

impl Shares {
    /// Divides `allowed` bytes, of which `beside` are already taken.
    #[must_use]
    pub fn new(allowed: Allowed, beside: usize) -> Self {
        let all = allowed.bytes().saturating_sub(beside);
        let products = match allowed {
            Allowed::Said(_) => all,
            Allowed::Left(_) => all.min(memory::default()),
        };
        Self { all, products }
    }

    /// Bytes for an estimator: half of the total. An estimator exceeds this share only if it cannot
    /// work with less.
    #[must_use]
    pub fn of_estimator(self) -> usize {
        self.all / 2
    }

    /// Bytes for an operator's products, given that the estimator holds `held` bytes.
    #[must_use]
    pub fn of_products(self, held: usize) -> usize {
        self.products.min(self.all.saturating_sub(held))
    }

    /// Bytes for factors and everything computed from them.
    #[must_use]
    pub fn of_factors(self) -> usize {
        self.products
    }
}

/// Memory for a run's data: its examples, and their targets in the shape that the loss takes, at
/// `number` bytes per number. `others` is the size of the other runs' data sets.
pub fn of_data(
    train: &Examples,
    test: Option<&Examples>,
    others: usize,
    labels: &Labels,
    number: usize,
) -> Account {
    let all = || [train].into_iter().chain(test);
    let sets = all().fold(0, |sum: usize, examples| sum.saturating_add(examples.bytes()));
    let targets = all().map(|examples| size([examples.len(), labels.target_size(&examples.targets)], number));
    Account::of("the data set", sets)
        .with("its targets", targets.fold(0, usize::saturating_add))
        .with("the data sets of other runs", others)
}

/// Memory for a network's weights, at `number` bytes per number: the weights, the weights in the
/// probes' types, the optimizer's state, and a copy of the largest tensor, made when it is moved or
/// written.
pub fn of_weights(network: &Network, number: usize, plan: &RunPlan) -> Account {
    let declared = network.parameters().iter().chain(network.buffers());
    let largest = declared.map(|tensor| size(tensor.shape.iter().copied(), number)).max().unwrap_or(0);
    let dimension = network.dimension();
    let states = match plan.train.as_ref().map(|train| train.optimizer) {
        None => 0,
        Some(Optimizer::Sgd(sgd)) => usize::from(sgd.momentum > 0.0),
        Some(Optimizer::Adam(_)) => 2,
    };
    let others = plan.probes.iter().map(|probe| probe.dtype.size_in_bytes()).filter(|other| *other != number);
    Account::of("the weights", size([dimension], number))
        .with("a copy of the largest tensor", largest)
        .with("the weights in a probe's type", size([dimension], others.max().unwrap_or(0)))
        .with("the optimizer's state", size([dimension, states], number))
}

/// Memory for the records of all epochs, kept until all runs are done, and for writing them.
///
/// `examples` is the number of training examples.
pub fn of_epochs(plan: &RunPlan, examples: usize) -> Account {
    /// Bytes of a record and its lines in results.json.
    const RECORD: usize = 1024;
    /// Bytes of a step's or penalty's entry in the epoch log and its TensorBoard scalar.
    const STEP: usize = 64;
    let Some(train) = &plan.train else { return Account::default() };
    let kinds = 1 + train.regularizers.len();
    let records = size([plan.runs, plan.epochs() + 1, kinds], RECORD);
    let steps = size([plan.epochs(), examples.div_ceil(train.batch_size.get()), kinds], STEP);
    let of = if plan.runs > 1 { format!(" of {} runs", plan.runs) } else { String::new() };
    Account::of(format!("the records of {} epochs{of}", plan.epochs()), records)
        .with("the scalars of all steps", if plan.tensorboard { steps } else { 0 })
}

/// Bytes per eigenvalue until its run is written: the eigenvalue, its weight, its residual and the
/// index of the random vector that it comes from, each twice while they are recorded; and their
/// lines in results.json.
pub const EIGENVALUE: usize = 48 + 8 + 144 + 24;

/// Bytes per eigenvector until its run is written: its record, twice, with the name of its file,
/// and its lines in results.json.
pub const EIGENPAIR: usize = 1024;

/// Bytes per eigenvalue in a spectrum without one part of its random vectors (for the jackknife).
pub const LEFT_OUT: usize = 24;

/// Bytes per distance until its run is written: its record, its values without each part of the
/// random vectors, and their lines in results.json.
pub const DISTANCE: usize = 512 + PARTS * (8 + 32);

impl RunAccount {
    /// Refuses a run that does not fit into memory.
    ///
    /// # Errors
    /// When measuring exceeds its limit, or the whole run exceeds the machine's memory. The message
    /// lists the parts with their sizes.
    pub fn check(&self, plan: &RunPlan) -> Result<()> {
        let (needed, allowed) = (self.measuring.total(), self.allowed.bytes());
        if let (Some(said), true) = (&plan.memory, needed > allowed) {
            let problem = format!(
                "measuring would take {} of memory, and {} are allowed",
                bytes(needed),
                bytes(allowed)
            );
            return Err(said.error(problem, itemised(REMEDY, &self.measuring)).into());
        }
        let all = self.held.clone().and(self.measuring.clone());
        let machine = of_machine();
        if all.total() > machine {
            let problem = format!(
                "the run would take {} of memory, and this machine has {}",
                bytes(all.total()),
                bytes(machine)
            );
            let own = self.measuring.total() > self.held.total();
            let remedy = itemised(if own { REMEDY } else { SMALLER }, &all);
            return Err(plan.model.name.error(problem, remedy).into());
        }
        Ok(())
    }

    /// The account as lines of text: memory held, memory to measure, and the total.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let machine = of_machine();
        let of = match self.allowed {
            Allowed::Said(said) => format!(" of {} (`memory`)", bytes(said)),
            Allowed::Left(_) => String::new(),
        };
        let sum = |account: &Account| match account.entries() {
            [] => String::new(),
            _ => format!(": {}", account.words()),
        };
        vec![
            format!("memory held: {}{}", bytes(self.held.total()), sum(&self.held)),
            format!("memory to measure: {}{of}{}", bytes(self.measuring.total()), sum(&self.measuring)),
            format!(
                "memory in all: {} of this machine's {}",
                bytes(self.held.total().saturating_add(self.measuring.total())),
                bytes(machine)
            ),
        ]
    }
}

/// A remedy, and below it what takes the memory.
pub(crate) fn itemised(remedy: &str, account: &Account) -> String {
    format!("{remedy}\nthe memory is {}", account.words())
}

/// The remedy where the network or the data set does not fit into the machine's memory.
const SMALLER: &str = "make the network or the data set smaller, train in smaller batches (train.batch_size) or by an optimizer without state, or take a \
                       machine with more memory";

/// The remedy where measuring exceeds its memory limit.
pub const REMEDY: &str = "raise `memory` (the experiment's key) if the machine has more; or measure smaller groups or fewer samples, let the estimator \
                          do less (`steps`, `probes`, `points`), take \"hutchinson\" if the trace is enough, or train and measure in fewer epochs";
