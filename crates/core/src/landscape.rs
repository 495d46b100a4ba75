//! A loss landscape at a point, which creates the curvature operators of a network's groups.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use candle_core::{DType, Tensor};
use eigenscape_curvature::{MeanLoss, Point, Programs, Residuals, StreamedProduct};
use eigenscape_program::{Loss, Network, Variables};
use eigenscape_runtime::{Backend, Buffer};

use crate::{
    Curvature, CurvatureOperator, ExactFactor, FactorSource, Group, Interrupt,
    account::{bytes, size},
    error::{Error, Result},
    factor::LossFactor,
    group::is_layer_weight,
};

/// A mean loss over all samples of a point, around the point's parameters. Clones share what they
/// have computed.
#[derive(Clone)]
pub struct Landscape {
    loss: MeanLoss,
    factors: Arc<Mutex<Factors>>,
}

/// The factor source of all parameters (key `None`), and those of activations and slices.
type Factors = HashMap<Option<Variables>, Arc<dyn FactorSource>>;

impl Landscape {
    /// The landscape of the mean loss over the samples of `point`. Products and factors process the
    /// samples in micro-batches, so that they take at most `memory` bytes in addition to the point.
    ///
    /// # Errors
    /// When the network's outputs do not fit the loss.
    pub fn new(network: &Network, loss: &Loss, point: Point, memory: usize) -> Result<Self> {
        Self::of(&Programs::new(network, loss), point, memory)
    }

    /// As [`Self::new`], for a network and loss whose programs are shared by all points.
    ///
    /// # Errors
    /// When the network's outputs do not fit the loss.
    pub fn of(programs: &Arc<Programs>, point: Point, memory: usize) -> Result<Self> {
        let loss = MeanLoss::of(programs, point, memory)?;
        Ok(Self { loss, factors: Arc::default() })
    }

    /// The same landscape, which starts no product and no factor row once an interrupt is
    /// requested: calls then return [`Error::Interrupted`].
    #[must_use]
    pub fn until(self, interrupt: Interrupt) -> Self {
        Self { loss: self.loss.until(interrupt), factors: Arc::default() }
    }

    /// The same landscape, with the residuals of products and factors evaluated in this type; the
    /// default is f64.
    #[must_use]
    pub fn with_residuals(self, residuals: Residuals) -> Self {
        Self { loss: self.loss.with_residuals(residuals), factors: Arc::default() }
    }

    /// Bytes of the point, parameters and data, in f64.
    fn bytes_in_f64(&self) -> usize {
        let Point { parameters, buffers, inputs, targets, masks, .. } = self.loss.point();
        let tensors = parameters.iter().chain(buffers).chain([inputs, targets]).chain(masks);
        let bytes = |tensor: &Tensor| size(tensor.dims().iter().copied(), size_of::<f64>());
        tensors.map(bytes).fold(0, usize::saturating_add)
    }

    /// The curvature operator of a group.
    #[must_use]
    pub fn operator(&self, curvature: Curvature, group: &Group) -> NetworkOperator {
        let (landscape, group, memory) = (self.clone(), group.clone(), self.loss.memory());
        NetworkOperator { landscape, curvature, group, memory, product: Mutex::default() }
    }

    /// Why the group's Hessian has no exact factor; `None` where affinity is proved.
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn why_not_affine(&self, group: &Group) -> Result<Option<String>> {
        let (level, breaker) = self.loss.affinity(&group.variables)?;
        let node = breaker.map_or_else(|| "an operation is curved".to_owned(), |breaker| breaker.to_string());
        Ok((!level.is_affine()).then_some(node))
    }

    /// All groups of parameters share one source.
    fn factor(&self, group: &Group) -> Result<ExactFactor> {
        let (single, variables) = match &group.variables {
            Variables::Parameters(indices) => (None, indices.clone()),
            other => (Some(other.clone()), vec![0]),
        };
        let source = match locked(&self.factors).entry(single) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => {
                let factor = LossFactor::new(&self.loss, &group.variables)?;
                Arc::clone(new.insert(Arc::new(factor)))
            }
        };
        Ok(ExactFactor { source, variables })
    }
}

/// The curvature matrix of one group, given by products. Its program is built when it is first
/// needed.
pub struct NetworkOperator {
    landscape: Landscape,
    curvature: Curvature,
    group: Group,
    /// Bytes that products may take.
    memory: usize,
    product: Mutex<Option<Arc<StreamedProduct>>>,
}

/// Locks a mutex and ignores poisoning: a panic elsewhere leaves no half-written value here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NetworkOperator {
    fn refuse<T>(&self, problem: impl Into<String>, remedy: &str) -> Result<T> {
        Err(Error::input(self.description(), problem, remedy))
    }

    /// Refuses a matrix whose samples are coupled (BatchNorm in training mode), the residual
    /// matrix, which is indefinite, and a loss that is not convex in the outputs.
    fn check_rows(&self) -> Result<()> {
        if let Some(module) = self.landscape.loss.mixes_samples() {
            return self.refuse(
                format!("it has no exact factor by sample: {module} couples the samples"),
                "use model.batch_norm = \"eval\", or estimator = \"lanczos\"",
            );
        }
        if self.curvature == Curvature::Residual {
            let remedy = "use estimator = \"lanczos\" or \"dense\"";
            return self.refuse("it is indefinite and has no exact factor", remedy);
        }
        let loss = self.landscape.loss.loss_function();
        if !loss.is_convex() {
            return self.refuse(
                format!(
                    "it has no exact factor: the loss `{}` is not convex in the network's outputs, so that its Hessian there has no square root",
                    loss.name()
                ),
                "use estimator = \"lanczos\", or a loss that is convex in the outputs",
            );
        }
        Ok(())
    }

    fn check_factor(&self) -> Result<()> {
        self.check_rows()?;
        if self.curvature == Curvature::Hessian
            && let Some(breaker) = self.landscape.why_not_affine(&self.group)?
        {
            return self.refuse(
                format!(
                    "it has no exact factor: the network is not piecewise affine in this group ({breaker})"
                ),
                &self.instead_of_factor(),
            );
        }
        Ok(())
    }

    /// What finds the spectrum of a Hessian that has no exact factor.
    fn instead_of_factor(&self) -> String {
        /// The largest matrix that is proposed, in bytes.
        const MOST: usize = 4 << 30;
        let layers = "groups = \"layers\" (the network is piecewise affine in each layer)";
        let mut options: Vec<String> = Vec::new();
        options.extend(self.layers_are_affine().then(|| layers.to_owned()));
        options.extend(["curvature = \"gauss-newton\"", "estimator = \"lanczos\""].map(str::to_owned));
        let dimension = self.group.dimension;
        let matrix = size([dimension; 2], size_of::<f64>());
        if matrix <= MOST {
            let of = format!("(a matrix of {dimension} x {dimension}, {})", bytes(matrix));
            options.push(format!("estimator = \"dense\" {of}"));
        }
        let last = options.pop().unwrap_or_default();
        format!("use {} or {last}", options.join(", "))
    }

    /// Whether the group is of several layers, in each of which the network is piecewise affine.
    fn layers_are_affine(&self) -> bool {
        let all = self.landscape.loss.network().parameters();
        let indices = self.group.variables.parameters().iter();
        let layers = indices.filter(|index| all.get(**index).is_some_and(is_layer_weight));
        let layers: Vec<usize> = layers.copied().collect();
        let is_affine = |index: &usize| {
            let of = self.landscape.loss.affinity(Variables::Parameters(vec![*index]));
            of.is_ok_and(|(level, _)| level.is_affine())
        };
        layers.len() > 1 && layers.iter().all(is_affine)
    }

    /// Refuses a Hessian whose diagonal is not proved to be that of the Gauss-Newton matrix.
    fn check_trace(&self) -> Result<()> {
        self.check_rows()?;
        if self.curvature == Curvature::Hessian
            && let Some(breaker) = self.landscape.loss.trace_breaker(&self.group.variables)?
        {
            return self.refuse(
                format!(
                    "its exact trace is not known: the network is not piecewise affine in each parameter tensor by itself ({breaker})"
                ),
                "use curvature = \"gauss-newton\", or estimator = \"hutchinson\"",
            );
        }
        Ok(())
    }

    /// The same operator, whose products take at most `memory` bytes. The rows of its factor keep
    /// the landscape's limit.
    #[must_use]
    pub fn within(self, memory: usize) -> Self {
        Self { memory, product: Mutex::default(), ..self }
    }

    /// The most bytes that products with `vectors` vectors at a time hold, in addition to the
    /// vectors; nothing is evaluated.
    ///
    /// # Errors
    /// When even the smallest split exceeds the memory limit: the error names the bytes needed.
    pub fn memory(&self, vectors: usize) -> Result<usize> {
        Ok(self.product()?.memory(vectors))
    }

    /// The most bytes that products of the same curvature hold for some of the group's variables;
    /// `None` where this is unknown, and they may take up to their limit.
    ///
    /// # Errors
    /// Those of [`Self::memory`].
    pub fn memory_of_parts(&self, vectors: usize) -> Result<Option<usize>> {
        Ok(self.product()?.memory_of_parts(vectors))
    }

    /// Floating-point operations of a product with one vector; nothing is evaluated.
    ///
    /// # Errors
    /// Those of [`Self::memory`].
    pub fn flops(&self) -> Result<usize> {
        Ok(self.product()?.flops())
    }

    fn product(&self) -> Result<Arc<StreamedProduct>> {
        let mut product = locked(&self.product);
        if let Some(known) = &*product {
            return Ok(Arc::clone(known));
        }
        let made = self.product_of(&self.landscape.loss.within(self.memory));
        let made = Arc::new(made.map_err(|error| Error::from(error).of(&self.description()))?);
        Ok(Arc::clone(product.insert(made)))
    }

    fn product_of(&self, loss: &MeanLoss) -> eigenscape_runtime::Result<StreamedProduct> {
        let group = &self.group.variables;
        match self.curvature {
            Curvature::Hessian => loss.hessian(group),
            Curvature::GaussNewton => loss.gauss_newton(group),
            Curvature::Residual => loss.residual(group),
        }
    }
}

impl CurvatureOperator for NetworkOperator {
    fn dimension(&self) -> usize {
        self.group.dimension
    }

    fn dtype(&self) -> DType {
        self.landscape.loss.point().targets.dtype()
    }

    fn description(&self) -> String {
        format!("{} of {}", self.curvature, self.group.name)
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        self.landscape.loss.interrupt().check()?;
        Ok(self.product()?.apply_rows(vectors)?)
    }

    fn backend(&self) -> Option<&dyn Backend> {
        Some(&*self.landscape.loss.point().backend)
    }

    fn apply_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        self.landscape.loss.interrupt().check()?;
        Ok(self.product()?.apply_placed(vectors)?)
    }

    fn apply_in_f64(&self, vectors: &Tensor) -> Result<Option<Tensor>> {
        if self.dtype() == DType::F64 {
            return Ok(None);
        }
        self.landscape.loss.interrupt().check()?;
        // Frees the residuals first: those of both types together would exceed the memory limit.
        // The f64 product may still not fit.
        locked(&self.product).take();
        let Some(left) = self.memory.checked_sub(self.landscape.bytes_in_f64()) else { return Ok(None) };
        match self.product_of(&self.landscape.loss.in_f64()?.within(left)) {
            Ok(product) => Ok(Some(product.apply_rows(vectors)?)),
            Err(eigenscape_runtime::Error::Memory { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_semidefinite(&self) -> bool {
        match self.curvature {
            _ if !self.landscape.loss.loss_function().is_convex() => false,
            Curvature::GaussNewton => true,
            // The Hessian then equals the Gauss-Newton matrix, also where samples are coupled and
            // there is no factor.
            Curvature::Hessian => matches!(self.landscape.why_not_affine(&self.group), Ok(None)),
            Curvature::Residual => false,
        }
    }

    fn factor(&self) -> Result<ExactFactor> {
        self.check_factor()?;
        self.landscape.factor(&self.group)
    }

    fn trace_factor(&self) -> Result<ExactFactor> {
        self.check_trace()?;
        self.landscape.factor(&self.group)
    }
}
