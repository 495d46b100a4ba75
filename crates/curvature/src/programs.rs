//! The programs of a mean loss, traced, differentiated and planned once for all weights.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use eigenscape_program::{Loss, Network, Slice, Variables};
use eigenscape_runtime::Result;

use crate::{
    factor::{PullBack, PushForward},
    objective::{Function, Objective},
    product::{ProductFacts, ProductProgram},
    residuals::Numbers,
    streamed::Derivative,
};

/// The maximum number of steps in kept programs, at about a kilobyte each with their plans. A
/// program that exceeds it is built again at each request.
const MOST_STEPS: usize = 50_000;

/// A network with a loss, and the programs built from them. A program is built when it is first
/// requested, and then kept: of all weights at which it is evaluated, only the first pay for
/// building it.
///
/// ```
/// use eigenscape_curvature::Programs;
/// use eigenscape_program::{Network, nn};
///
/// let network = Network::new(&[4], |scope, x| nn::linear(&mut scope.at("fc"), x, 3, true))?;
/// let programs = Programs::new(&network, &eigenscape_losses::cross_entropy());
/// // Loss and outputs of 8 samples; the second time nothing is traced.
/// let (first, second) = (programs.loss(8)?, programs.loss(8)?);
/// assert_eq!(first.flops(), second.flops());
/// # Ok::<(), eigenscape_runtime::Error>(())
/// ```
pub struct Programs {
    network: Network,
    loss: Loss,
    /// The number of steps in kept programs.
    steps: AtomicUsize,
    objectives: Kept<usize, Arc<Objective>>,
    functions: Kept<(Wanted, usize), Function>,
    products: Kept<(Derivative, Variables, usize), ProductProgram>,
    facts: Kept<(Derivative, Variables, usize, Numbers), ProductFacts>,
    pull_backs: Kept<(Variables, usize), Arc<PullBack>>,
    push_forwards: Kept<(Variables, usize), Arc<PushForward>>,
    cuts: Kept<Slice, (Arc<Programs>, usize)>,
}

/// The functions of an objective.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Loss,
    LossFactor,
    TrainingStep,
    Gradient(Vec<usize>),
}

impl Programs {
    /// The programs of `network` and `loss`, none of which is built yet.
    #[must_use]
    pub fn new(network: &Network, loss: &Loss) -> Arc<Self> {
        Arc::new(Self {
            network: network.clone(),
            loss: loss.clone(),
            steps: AtomicUsize::new(0),
            objectives: Kept::default(),
            functions: Kept::default(),
            products: Kept::default(),
            facts: Kept::default(),
            pull_backs: Kept::default(),
            push_forwards: Kept::default(),
            cuts: Kept::default(),
        })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The loss.
    #[must_use]
    pub fn loss_function(&self) -> &Loss {
        &self.loss
    }

    /// The programs of the network that is [cut](Network::cut) at a slice, and the slice's index
    /// among its parameters.
    pub(crate) fn cut(&self, slice: &Slice) -> Result<(Arc<Self>, usize)> {
        let make = || {
            let (network, index) = self.network.cut(slice)?;
            Ok((Self::new(&network, &self.loss), index))
        };
        self.cuts.get(slice.clone(), &self.steps, |_| 0, make)
    }

    /// \[loss, outputs\] for `samples` samples: [`Objective::loss`].
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn loss(&self, samples: usize) -> Result<Function> {
        self.function(Wanted::Loss, samples, Objective::loss)
    }

    /// The function of a training step on `samples` samples: [`Objective::training_step`].
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn training_step(&self, samples: usize) -> Result<Function> {
        self.function(Wanted::TrainingStep, samples, Objective::training_step)
    }

    /// [`Objective::gradient`] for `samples` samples.
    pub(crate) fn gradient(&self, parameters: &[usize], samples: usize) -> Result<Function> {
        let wanted = Wanted::Gradient(parameters.to_vec());
        self.function(wanted, samples, |objective| objective.gradient(parameters))
    }

    /// [`Objective::loss_factor`] for `samples` samples.
    pub(crate) fn loss_factor(&self, samples: usize) -> Result<Function> {
        self.function(Wanted::LossFactor, samples, Objective::loss_factor)
    }

    fn function(
        &self,
        wanted: Wanted,
        samples: usize,
        make: impl FnOnce(&Objective) -> Result<Function>,
    ) -> Result<Function> {
        let make = || make(&*self.objective(samples)?);
        self.functions.get((wanted, samples), &self.steps, Function::steps, make)
    }

    /// The objective for `samples` samples.
    pub(crate) fn objective(&self, samples: usize) -> Result<Arc<Objective>> {
        let make = || Ok(Arc::new(Objective::new(&self.network, &self.loss, samples)?));
        self.objectives.get(samples, &self.steps, |objective| objective.loss.index(), make)
    }

    /// The products with a curvature matrix of a group, over `samples` samples.
    pub(crate) fn product(
        &self,
        derivative: Derivative,
        group: &Variables,
        samples: usize,
    ) -> Result<ProductProgram> {
        let make = || derivative.program(&*self.objective(samples)?, group);
        let key = (derivative, group.clone(), samples);
        self.products.get(key, &self.steps, ProductProgram::steps, make)
    }

    /// The memory and operations of a product for these number types. They are kept even if the
    /// product's program is not: such a program is built once for its facts and again to run it.
    pub(crate) fn product_facts(
        &self,
        derivative: Derivative,
        group: &Variables,
        samples: usize,
        numbers: Numbers,
    ) -> Result<ProductFacts> {
        let make = || Ok(self.product(derivative, group, samples)?.facts(numbers));
        let key = (derivative, group.clone(), samples, numbers);
        self.facts.get(key, &self.steps, |_| 0, make)
    }

    /// The backward passes for a group, with `columns` cotangents per sample.
    pub(crate) fn pull_back(&self, group: &Variables, columns: usize) -> Result<Arc<PullBack>> {
        let make = || Ok(Arc::new(PullBack::new(&self.network, group, columns)?));
        self.pull_backs.get((group.clone(), columns), &self.steps, |program| program.steps(), make)
    }

    /// The forward passes for a group over `samples` samples.
    pub(crate) fn push_forward(&self, group: &Variables, samples: usize) -> Result<Arc<PushForward>> {
        let make = || Ok(Arc::new(PushForward::new(&*self.objective(samples)?, group)?));
        self.push_forwards.get((group.clone(), samples), &self.steps, |program| program.steps(), make)
    }
}

/// A cache of built values by key.
struct Kept<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    /// The value of a key. If it is not in the cache, `make` builds it, and it is kept while all
    /// kept values together have at most `MOST_STEPS` steps.
    fn get(
        &self,
        key: K,
        steps: &AtomicUsize,
        size: impl FnOnce(&V) -> usize,
        make: impl FnOnce() -> Result<V>,
    ) -> Result<V> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return Ok(known.clone());
        }
        // Built without the lock, since another thread may need another key.
        let made = make()?;
        let size = size(&made);
        let room = |kept: usize| kept.checked_add(size).filter(|sum| *sum <= MOST_STEPS);
        if steps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok() {
            lock().insert(key, made.clone());
        }
        Ok(made)
    }
}
