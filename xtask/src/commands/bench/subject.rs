//! What is measured: a network at its initial weights, with a batch of random images.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use eigenscape_autodiff::{Loss, Network, Objective, Point};
use eigenscape_core::{
    Architecture, Catalog, Context, Curvature, CurvatureOperator, Examples, Group, GroupSelector, Landscape,
    ProbeEstimator, Random, Registry, Spectrum, Targets,
    landscape::NetworkOperator,
    registry::{Environment, PluginError},
};
use eigenscape_experiment::{Failure, Result, evaluate, labels::Labels, weights::Weights};
use rand_distr::{Distribution, StandardNormal};

/// Follows the paper: 128 Lanczos steps from one random vector.
const LANCZOS: &str = "steps = 128\nprobes = 1";
const SEED: u64 = 0;
/// Bytes that products and factors may take.
const MEMORY: usize = 4 << 30;

/// A network of the list of models.
#[derive(Debug)]
pub struct Model {
    /// The architecture's name, and the model's.
    pub name: &'static str,
    /// One image, \[channels, height, width\].
    pub image: &'static [usize],
    /// C.
    pub classes: usize,
    /// The program that measures the same in PyTorch.
    pub peer: &'static str,
}

/// Every model, by name.
pub const MODELS: [Model; 1] =
    [Model { name: "lenet", image: &[1, 32, 32], classes: 10, peer: include_str!("../../../peer/lenet.py") }];

/// A model at a point: initial weights, standard normal images, labels 0, 1, ..., C − 1, 0, ... in f32, cross-entropy.
pub struct Subject {
    network: Network,
    point: Point,
    full: Group,
    layers: Vec<Group>,
    lanczos: Box<dyn ProbeEstimator>,
    gram: Box<dyn ProbeEstimator>,
}

impl Subject {
    /// Builds the network and draws weights and `batch` images.
    ///
    /// # Errors
    /// When a plugin is missing or the network cannot be built.
    pub fn new(model: &Model, batch: usize, registry: &Registry) -> Result<Self> {
        let architecture: Arc<dyn Architecture> = plugin(&registry.architectures, model.name, "")?.into();
        let classes = model.classes;
        let network = Network::new(model.image, move |scope, x| architecture.build(scope, x, classes));
        let network = network.map_err(eigenscape_core::Error::from)?;
        let examples = examples(model, batch)?;
        let weights = Weights::initial(&network, Random::new(SEED))?;
        let targets = Labels::default().targets(&examples, DType::F32)?;
        Ok(Self {
            point: evaluate::at(&weights, examples.inputs, targets),
            full: GroupSelector::Full.resolve(&network, batch)?.swap_remove(0),
            layers: GroupSelector::Layers.resolve(&network, batch)?,
            lanczos: plugin(&registry.estimators, "lanczos", LANCZOS)?,
            gram: plugin(&registry.estimators, "gram", "")?,
            network,
        })
    }

    /// P.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.full.dimension
    }

    /// N.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.point.samples()
    }

    /// Indices of all parameters.
    #[must_use]
    pub fn parameters(&self) -> &[usize] {
        self.full.variables.parameters()
    }

    /// The weights and the data.
    #[must_use]
    pub fn point(&self) -> &Point {
        &self.point
    }

    /// The loss' program, traced anew.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn objective(&self) -> Result<Objective> {
        let objective = Objective::new(&self.network, Loss::CrossEntropy, self.batch());
        Ok(objective.map_err(eigenscape_core::Error::from)?)
    }

    /// The landscape, its programs not yet built.
    ///
    /// # Errors
    /// When the loss' program cannot be built.
    pub fn landscape(&self) -> Result<Landscape> {
        Ok(Landscape::new(&self.network, Loss::CrossEntropy, self.point.clone(), MEMORY)?)
    }

    /// The spectrum of the full Hessian by Lanczos.
    ///
    /// # Errors
    /// When the estimator fails.
    pub fn full_spectrum(&self, landscape: &Landscape) -> Result<Spectrum> {
        estimate(&*self.lanczos, landscape, &self.full)
    }

    /// The exact spectrum of every layer's Hessian.
    ///
    /// # Errors
    /// When the estimator fails.
    pub fn layer_spectra(&self, landscape: &Landscape) -> Result<Vec<Spectrum>> {
        let operator = |layer| landscape.operator(Curvature::Hessian, layer);
        let operators: Vec<NetworkOperator> = self.layers.iter().map(operator).collect();
        let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        Ok(self.gram.estimate_all(&operators, &Context::silent(SEED))?)
    }

    /// Random vectors \[`count`, P\].
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn vectors(&self, count: usize) -> Result<Tensor> {
        normal("bench-vectors", &[count, self.dimension()])
    }
}

fn estimate(estimator: &dyn ProbeEstimator, landscape: &Landscape, group: &Group) -> Result<Spectrum> {
    let operator = landscape.operator(Curvature::Hessian, group);
    Ok(estimator.estimate(&operator, &Context::silent(SEED))?)
}

fn examples(model: &Model, batch: usize) -> Result<Examples> {
    let inputs = normal("bench-images", &[&[batch], model.image].concat())?;
    let labels: Vec<u32> = (0..batch).map(|n| (n % model.classes) as u32).collect();
    let labels = Tensor::new(labels, &Device::Cpu).map_err(eigenscape_core::Error::from)?;
    Ok(Examples { inputs, targets: Targets::Classes { labels, classes: model.classes } })
}

fn normal(purpose: &str, shape: &[usize]) -> Result<Tensor> {
    let mut generator = Random::new(SEED).stream(purpose, 0);
    let mut draw = || -> f32 { StandardNormal.sample(&mut generator) };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| draw()).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu).map_err(eigenscape_core::Error::from)?)
}

fn plugin<T: ?Sized + 'static>(catalog: &Catalog<T>, name: &str, parameters: &str) -> Result<Box<T>> {
    let failed = |why: String| Failure::Run {
        problem: format!("the {} `{name}` cannot be built: {why}", catalog.kind),
        remedy: Some("register the plugins of this repository".to_owned()),
    };
    let parameters = parameters.parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
    match catalog.build(name, parameters, &Environment::default()) {
        Ok(built) => Ok(built.plugin),
        Err(PluginError::UnknownName { .. }) => Err(failed("there is none of that name".to_owned())),
        Err(PluginError::Parameter { problem, .. }) => Err(failed(problem)),
        Err(PluginError::Build(error)) => Err(error.into()),
    }
}
