//! What is measured: a network at its initial weights with a batch of random samples.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Architecture, Catalog, Context, Curvature, CurvatureOperator, Examples, Group, GroupSelector, Landscape,
    ProbeEstimator, Random, Registry, Spectrum, Targets, landscape::NetworkOperator,
};
use eigenscape_cpu::Cpu;
use eigenscape_curvature::{MeanLoss, Objective, Point, StreamedProduct};
use eigenscape_experiment::{Result, evaluate, labels::Labels, weights::Weights};
use eigenscape_losses::cross_entropy;
use eigenscape_program::Network;
use eigenscape_runtime::Backend;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::work::Work;

/// The paper's number of Lanczos steps, from one random vector.
const PAPER: &str = "steps = 128\nprobes = 1";
/// The settings with the fewest products whose spectrum is as accurate as by the paper's procedure,
/// as `cargo xtask bench accuracy` shows.
const ENOUGH: &str = "steps = 56\nprobes = 1\ndeflation = true\naveraged = true";
const SEED: u64 = 0;
/// The memory limit of products and factors in bytes.
const MEMORY: usize = 4 << 30;

/// A benchmarked network.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// The name here and in the peer's program.
    pub name: &'static str,
    /// The architecture and its settings in TOML.
    pub architecture: (&'static str, &'static str),
    /// One sample.
    pub sample: Sample,
    /// The number of classes C.
    pub classes: usize,
    /// The number of samples N.
    pub batch: usize,
    /// The works that are measured.
    pub works: &'static [Work],
    /// The number of random vectors of the trace penalty in the paper's code.
    pub probes: usize,
}

/// What a network takes.
#[derive(Debug, Clone, Copy)]
pub enum Sample {
    /// An image, \[channels, height, width\], of one class.
    Image(&'static [usize]),
    /// A sequence of this number of tokens below C, of one class each.
    Tokens(usize),
}

/// Networks of the paper, all with the paper's batch size.
const PAPERS: Model = Model {
    name: "",
    architecture: ("", ""),
    sample: Sample::Image(&[1, 32, 32]),
    classes: 10,
    batch: 100,
    works: &Work::ALL,
    probes: 3,
};

/// All models. Transformers are not affine in their layers, so that neither exact layer spectra nor
/// estimates of the trace in output space exist for them.
pub const MODELS: [Model; 6] = [
    Model { name: "lenet", architecture: ("lenet", ""), probes: 10, ..PAPERS },
    Model { name: "vgg11_bn", architecture: ("vgg11_bn", ""), ..PAPERS },
    Model { name: "resnet18", architecture: ("resnet18", ""), ..PAPERS },
    Model {
        name: "gpt",
        architecture: ("gpt", "n_layer = 6\nn_head = 8\nn_embd = 256"),
        sample: Sample::Tokens(128),
        classes: 512,
        batch: 8,
        works: &Work::OF_ANY_NETWORK,
        ..PAPERS
    },
    Model {
        name: "vit",
        architecture: ("vit-tiny", "depth = 6\npatch = 4"),
        sample: Sample::Image(&[3, 32, 32]),
        batch: 32,
        works: &Work::OF_ANY_NETWORK,
        ..PAPERS
    },
    Model {
        name: "gpt2",
        architecture: ("gpt", ""),
        sample: Sample::Tokens(128),
        classes: 50_257,
        batch: 2,
        works: &[Work::Gradient, Work::Hvp],
        ..PAPERS
    },
];

/// A model at a point in f32: initial weights, running means of variance 0.01, running variances in
/// (0.8, 1.2), standard normal images, labels 0, 1, ..., C − 1, 0, ... or random tokens; with the
/// cross-entropy and BatchNorm in evaluation mode.
pub struct Subject {
    network: Network,
    point: Point,
    full: Group,
    layers: Vec<Group>,
    probes: usize,
    paper: Box<dyn ProbeEstimator>,
    enough: Box<dyn ProbeEstimator>,
    gram: Box<dyn ProbeEstimator>,
}

impl Subject {
    /// Builds the network and draws weights and `batch` samples.
    ///
    /// # Errors
    /// When a plugin is missing or the network cannot be built.
    pub fn new(model: &Model, batch: usize, registry: &Registry) -> Result<Self> {
        let (classes, architecture) = (model.classes, model.architecture);
        let subject = match model.sample {
            Sample::Image(image) => {
                Self::at(architecture, image, classes, images(image, classes, batch)?, registry)
            }
            Sample::Tokens(length) => {
                Self::at(architecture, &[length], classes, tokens(length, classes, batch)?, registry)
            }
        };
        Ok(Self { probes: model.probes, ..subject? })
    }

    /// Any architecture with its settings, on images.
    ///
    /// # Errors
    /// When a plugin is missing or the network cannot be built.
    pub fn of(
        architecture: &str,
        settings: &str,
        image: &[usize],
        classes: usize,
        batch: usize,
        registry: &Registry,
    ) -> Result<Self> {
        Self::at((architecture, settings), image, classes, images(image, classes, batch)?, registry)
    }

    fn at(
        (architecture, settings): (&str, &str),
        sample: &[usize],
        classes: usize,
        examples: Examples,
        registry: &Registry,
    ) -> Result<Self> {
        let architecture: Arc<dyn Architecture> =
            plugin(&registry.architectures, architecture, settings)?.into();
        let network = Network::new(sample, move |scope, x| architecture.build(scope, x, classes));
        let network = network.map_err(eigenscape_core::Error::from)?;
        let batch = examples.len();
        let mut weights = Weights::initial(&network, Random::new(SEED))?;
        weights.buffers = statistics(&network)?;
        let targets = Labels::of(&cross_entropy()).targets(&examples.targets, DType::F32)?;
        let targets = targets.mean().map_err(eigenscape_core::Error::from)?;
        Ok(Self {
            point: evaluate::at(&Cpu::shared(), &weights, examples.inputs.all()?, targets),
            full: GroupSelector::Full.resolve(&network, batch)?.swap_remove(0),
            layers: GroupSelector::Layers.resolve(&network, batch)?,
            probes: 1,
            paper: plugin(&registry.estimators, "lanczos", PAPER)?,
            enough: plugin(&registry.estimators, "lanczos", ENOUGH)?,
            gram: plugin(&registry.estimators, "gram", "")?,
            network,
        })
    }

    /// The number of parameters P.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.full.dimension
    }

    /// The number of samples N.
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

    /// The same network and point on another backend.
    #[must_use]
    pub fn on(self, backend: Arc<dyn Backend>) -> Self {
        Self { point: Point { backend, ..self.point }, ..self }
    }

    /// The same network at another point.
    #[must_use]
    pub fn moved(self, point: Point) -> Self {
        Self { point, ..self }
    }

    /// The number of random vectors of the trace penalty in the paper's code.
    #[must_use]
    pub fn probes(&self) -> usize {
        self.probes
    }

    /// The group of all parameters.
    #[must_use]
    pub fn full(&self) -> &Group {
        &self.full
    }

    /// The program of the loss, newly traced.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn objective(&self) -> Result<Objective> {
        self.objective_of(self.batch())
    }

    /// [`Self::objective`] for another number of samples.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn objective_of(&self, samples: usize) -> Result<Objective> {
        let objective = Objective::new(&self.network, &cross_entropy(), samples);
        Ok(objective.map_err(eigenscape_core::Error::from)?)
    }

    /// The point with `count` samples drawn without replacement.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn sampled(&self, count: usize, draw: u64) -> Result<Point> {
        if count == self.batch() {
            return Ok(self.point.clone());
        }
        let mut generator = Random::new(SEED).stream("bench-samples", draw);
        let mut indices: Vec<u32> = (0..self.batch() as u32).collect();
        // The first `count` steps of a Fisher-Yates shuffle.
        for i in 0..count {
            indices.swap(i, generator.random_range(i..self.batch()));
        }
        let indices = Tensor::new(&indices[..count], &Device::Cpu).map_err(eigenscape_core::Error::from)?;
        let pick = |tensor: &Tensor| tensor.index_select(&indices, 0).map_err(eigenscape_core::Error::from);
        let (inputs, targets) = (pick(&self.point.inputs)?, pick(&self.point.targets)?);
        Ok(Point { inputs, targets, ..self.point.clone() })
    }

    /// Random signs of these shapes.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn signs(&self, shapes: &[Vec<usize>], draw: u64) -> Result<Vec<Tensor>> {
        let mut generator = Random::new(SEED).stream("bench-signs", draw);
        let mut sign = || if generator.random::<bool>() { 1.0_f32 } else { -1.0 };
        let mut tensor = |shape: &Vec<usize>| {
            let signs: Vec<f32> = (0..shape.iter().product()).map(|_| sign()).collect();
            Ok(Tensor::from_vec(signs, shape.as_slice(), &Device::Cpu)
                .map_err(eigenscape_core::Error::from)?)
        };
        shapes.iter().map(&mut tensor).collect()
    }

    /// Products with the full Hessian as in an experiment: in micro-batches if memory requires it.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn product(&self) -> Result<StreamedProduct> {
        let loss = MeanLoss::new(&self.network, &cross_entropy(), self.point.clone(), MEMORY);
        let product = loss.and_then(|loss| loss.hessian(&self.full.variables));
        Ok(product.map_err(eigenscape_core::Error::from)?)
    }

    /// The landscape; its programs are not built yet.
    ///
    /// # Errors
    /// When the loss' program cannot be built.
    pub fn landscape(&self) -> Result<Landscape> {
        self.landscape_at(self.point.clone())
    }

    /// The landscape at another point.
    ///
    /// # Errors
    /// When the loss' program cannot be built.
    pub fn landscape_at(&self, point: Point) -> Result<Landscape> {
        Ok(Landscape::new(&self.network, &cross_entropy(), point, MEMORY)?)
    }

    /// The spectrum of the full Hessian by Lanczos, at least as accurate as by the paper's
    /// procedure.
    ///
    /// # Errors
    /// When the estimator fails.
    pub fn full_spectrum(&self, landscape: &Landscape) -> Result<Spectrum> {
        estimate(&*self.enough, landscape, &self.full)
    }

    /// The spectrum of the full Hessian by Lanczos with the paper's number of steps.
    ///
    /// # Errors
    /// When the estimator fails.
    pub fn paper_spectrum(&self, landscape: &Landscape) -> Result<Spectrum> {
        estimate(&*self.paper, landscape, &self.full)
    }

    /// The exact spectrum of every layer's Hessian.
    ///
    /// # Errors
    /// When the estimator fails.
    pub fn layer_spectra(&self, landscape: &Landscape) -> Result<Vec<Spectrum>> {
        let operator = |layer| landscape.operator(Curvature::Hessian, layer);
        let operators: Vec<NetworkOperator> = self.layers.iter().map(operator).collect();
        let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| operator as _).collect();
        Ok(self.gram.spectra(&operators, &Context::silent(SEED))?)
    }

    /// Random vectors \[`count`, P\].
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn vectors(&self, count: usize) -> Result<Tensor> {
        normal("bench-vectors", 0, &[count, self.dimension()])
    }
}

fn estimate(estimator: &dyn ProbeEstimator, landscape: &Landscape, group: &Group) -> Result<Spectrum> {
    let operator = landscape.operator(Curvature::Hessian, group);
    Ok(estimator.spectrum(&operator, &Context::silent(SEED))?)
}

fn images(image: &[usize], classes: usize, batch: usize) -> Result<Examples> {
    let inputs = normal("bench-images", 0, &[&[batch], image].concat())?;
    let labels: Vec<u32> = (0..batch).map(|n| (n % classes) as u32).collect();
    let labels = Tensor::new(labels, &Device::Cpu).map_err(eigenscape_core::Error::from)?;
    Ok(Examples { inputs: inputs.into(), targets: Targets::Classes { labels, classes } })
}

fn tokens(length: usize, classes: usize, batch: usize) -> Result<Examples> {
    let draw = |index: u64| {
        let mut generator = Random::new(SEED).stream("bench-tokens", index);
        let tokens: Vec<u32> =
            (0..batch * length).map(|_| generator.random_range(0..classes as u32)).collect();
        Tensor::from_vec(tokens, (batch, length), &Device::Cpu).map_err(eigenscape_core::Error::from)
    };
    Ok(Examples { inputs: draw(0)?.into(), targets: Targets::Classes { labels: draw(1)?, classes } })
}

/// Running statistics as after some training: means near 0, variances near 1.
fn statistics(network: &Network) -> Result<Vec<Tensor>> {
    let buffers = network.buffers().iter().enumerate().map(|(index, buffer)| {
        let normal = normal("bench-statistics", index as u64, &buffer.shape)?;
        let statistics = if buffer.name.ends_with("running_mean") {
            normal * 0.1
        } else {
            normal.clamp(-1.0, 1.0).and_then(|normal| normal.affine(0.2, 1.0))
        };
        Ok(statistics.map_err(eigenscape_core::Error::from)?)
    });
    buffers.collect()
}

fn normal(purpose: &str, index: u64, shape: &[usize]) -> Result<Tensor> {
    let mut generator = Random::new(SEED).stream(purpose, index);
    let mut draw = || -> f32 { StandardNormal.sample(&mut generator) };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| draw()).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu).map_err(eigenscape_core::Error::from)?)
}

/// The plugin of this name, with parameters in TOML.
pub fn plugin<T: ?Sized + 'static>(catalog: &Catalog<T>, name: &str, parameters: &str) -> Result<Box<T>> {
    Ok(catalog.named(name, parameters)?)
}
