//! What a run holds in memory: known from shapes, types and settings, before anything of it is
//! allocated or trained.
//!
//! What measuring spectra takes must fit into the experiment's `memory`, where that is given;
//! together with what is held all the time (the data, the weights, a training step) it must fit
//! into the machine.

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

/// What one run holds.
#[derive(Debug, Clone, Default)]
pub struct RunAccount {
    /// All the time: the data, the weights, a training step.
    pub held: Account,
    /// While spectra are measured, beside that: the records of all moments, and what the most
    /// demanding matrix takes.
    pub measuring: Account,
    /// Bytes that measuring may take, and whether the experiment says so.
    pub allowed: Allowed,
}

/// Bytes that measuring may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// As the experiment's `memory` says.
    Said(usize),
    /// What the machine has beside what is held.
    Left(usize),
}

impl Default for Allowed {
    fn default() -> Self {
        Self::Left(0)
    }
}

impl Allowed {
    /// What the experiment says, or what is left.
    #[must_use]
    pub fn new(said: Option<&Located<usize>>, held: &Account) -> Self {
        let left = || of_machine().saturating_sub(held.total());
        said.map_or_else(|| Self::Left(left()), |said| Self::Said(said.value))
    }

    /// How many.
    #[must_use]
    pub fn bytes(self) -> usize {
        let (Self::Said(bytes) | Self::Left(bytes)) = self;
        bytes
    }
}

/// How what measuring may take is shared out while one matrix is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shares {
    /// Beside records and grids.
    all: usize,
    /// For products and factors: half of the machine's where the experiment says nothing.
    products: usize,
}

impl Shares {
    /// Of what is allowed, `beside` which so many bytes are taken.
    #[must_use]
    pub fn new(allowed: Allowed, beside: usize) -> Self {
        let all = allowed.bytes().saturating_sub(beside);
        let products = match allowed {
            Allowed::Said(_) => all,
            Allowed::Left(_) => all.min(memory::default()),
        };
        Self { all, products }
    }

    /// For an estimator, which takes more only where it cannot do with less: half.
    #[must_use]
    pub fn of_estimator(self) -> usize {
        self.all / 2
    }

    /// For an operator's products, beside an estimator that holds so many.
    #[must_use]
    pub fn of_products(self, held: usize) -> usize {
        self.products.min(self.all.saturating_sub(held))
    }

    /// For factors and what is made of them.
    #[must_use]
    pub fn of_factors(self) -> usize {
        self.products
    }
}

/// What the data of a run takes, beside the data sets of `others`: its examples, and targets in the
/// shape that the loss takes, `number` bytes a number.
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

/// What a network's weights take, `number` bytes a number: themselves, those in the types of
/// probes, what a training has beside them between its steps, and a copy of the largest tensor,
/// which is made where it is moved or written.
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

/// What the records of a training take until all runs are done, and when they are written.
///
/// `examples` is how many there are to train on.
pub fn of_epochs(plan: &RunPlan, examples: usize) -> Account {
    /// A record, and its lines in results.json.
    const RECORD: usize = 1024;
    /// A step's or a penalty's entry in its epoch's log, and a scalar of it for TensorBoard.
    const STEP: usize = 64;
    let Some(train) = &plan.train else { return Account::default() };
    let kinds = 1 + train.regularizers.len();
    let records = size([plan.runs, plan.epochs() + 1, kinds], RECORD);
    let steps = size([plan.epochs(), examples.div_ceil(train.batch_size.get()), kinds], STEP);
    let of = if plan.runs > 1 { format!(" of {} runs", plan.runs) } else { String::new() };
    Account::of(format!("the records of {} epochs{of}", plan.epochs()), records)
        .with("the scalars of all steps", if plan.tensorboard { steps } else { 0 })
}

/// Bytes that an eigenvalue takes until its run is written: itself, its weight and its residual,
/// twice while they are recorded, the random vector that it comes from, and their lines in
/// results.json.
pub const EIGENVALUE: usize = 48 + 4 + 144;

/// Bytes of an eigenvalue in a spectrum of which a part of the random vectors is left out.
pub const LEFT_OUT: usize = 24;

/// Bytes that a distance takes until its run is written: its record, what it is without each part
/// of the random vectors, and their lines in results.json.
pub const DISTANCE: usize = 512 + PARTS * (8 + 32);

impl RunAccount {
    /// Refuses what does not fit.
    ///
    /// # Errors
    /// What is needed for what, what is allowed, and what to do.
    pub fn check(&self, plan: &RunPlan) -> Result<()> {
        let (needed, allowed) = (self.measuring.total(), self.allowed.bytes());
        if let (Some(said), true) = (&plan.memory, needed > allowed) {
            let problem = format!(
                "measuring would take {} of memory ({}), and {} are allowed",
                bytes(needed),
                self.measuring.words(),
                bytes(allowed)
            );
            return Err(said.error(problem, REMEDY).into());
        }
        let all = self.held.clone().and(self.measuring.clone());
        let machine = of_machine();
        if all.total() > machine {
            let problem = format!(
                "the run would take {} of memory ({}), and this machine has {}",
                bytes(all.total()),
                all.words(),
                bytes(machine)
            );
            let own = self.measuring.total() > self.held.total();
            return Err(plan.model.name.error(problem, if own { REMEDY } else { SMALLER }).into());
        }
        Ok(())
    }

    /// The account in lines: what measuring takes, what is held beside it, and the sum.
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

/// What to do about a network or a data set that the machine does not hold.
const SMALLER: &str = "make the network or the data set smaller, train in smaller batches (train.batch_size) or by an optimizer without state, or take a \
                       machine with more memory";

/// What to do about too little memory for measuring.
pub const REMEDY: &str = "raise `memory` (the experiment's key) where the machine has more; or measure smaller groups or fewer samples, let the estimator \
                          do less (`steps`, `probes`, `points`), take \"hutchinson\" where the trace will do, or train and measure in fewer epochs";
