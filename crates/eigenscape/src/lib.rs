//! Curvature of the losses of neural networks: the Hessian and its Gauss-Newton and residual parts,
//! for the whole network and for each layer; products with these matrices, their spectra and
//! traces, distances between spectra, and curvature penalties in training. This crate provides
//! everything that a Rust user needs, in one import.
//!
//! # What is computed, and how exactly
//!
//! L(θ) = (1/N) Σₙ ℓ(f_θ(xₙ), tₙ) is the mean loss of a [`Network`] f on N samples.
//!
//! | | formula | how |
//! | --- | --- | --- |
//! | [`Curvature::Hessian`] | H = ∇²L | products Hv by a derived program, to rounding |
//! | [`Curvature::GaussNewton`] | G = (1/N) Σ Jₙᵀ Aₙ Jₙ | products, or an exact factor ΦᵀΦ |
//! | [`Curvature::Residual`] | R = H − G | products by a derived program |
//! | any operator's spectrum | every λ | [`Gram`] from a factor, [`Dense`] from P products |
//! | | extreme eigenvalues, density | [`Lanczos`]: with standard errors and bounds |
//! | its trace | Σ λ | [`Trace`] from a factor; [`Hutchinson`], with a standard error |
//!
//! J is the Jacobian of a sample's outputs, A the Hessian of the loss in the outputs. "Exact" means
//! up to rounding, which is measured ([`Spectrum::rounding`]).
//!
//! No derivative is written by hand or approximated: a network is a small program, and its
//! derivatives are programs derived from it ([`Objective`]). If a network is piecewise affine in a
//! layer (ReLU, pooling), this is proved, and the layer's Hessian has an exact factor. The only
//! approximation concerns existing Candle modules, which only provide gradients: [`CandleOperator`]
//! takes their differences.
//!
//! # Where to start
//!
//! ```
//! use eigenscape::{
//!     Context, Cpu, Curvature, Gram, GroupSelector, Landscape, Network, Point, ProbeEstimator,
//!     Random, Weights, candle_core::{Device, Tensor}, class_targets, losses, nn,
//! };
//! // A network, its weights, and data.
//! let network = Network::new(&[2], |scope, x| {
//!     let x = nn::linear(&mut scope.at("hidden"), x, 8, true)?;
//!     let x = nn::activation(scope, x, nn::Activation::Relu)?;
//!     nn::linear(&mut scope.at("out"), x, 3, true)
//! })?;
//! let Weights { parameters, buffers } = Weights::initial(&network, Random::new(0))?;
//! let inputs = [[0.0_f32, 1.0], [1.0, 0.0], [-1.0, -1.0], [0.5, 2.0]];
//! let inputs = Tensor::new(&inputs, &Device::Cpu)?;
//! let targets = class_targets(&Tensor::new(&[0_i64, 1, 2, 0], &Device::Cpu)?, 3, 0.0, None)?;
//! let targets = targets.to_dtype(inputs.dtype())?;
//! let backend = Cpu::shared();
//! let point = Point { backend, parameters, buffers, inputs, targets, masks: vec![] };
//!
//! // The mean loss around these weights, in at most 1 GiB, and each layer's spectrum.
//! let landscape = Landscape::new(&network, &losses::cross_entropy(), point, 1 << 30)?;
//! for group in GroupSelector::Layers.resolve(&network, 4)? {
//!     let hessian = landscape.operator(Curvature::Hessian, &group);
//!     let spectrum = Gram::default().spectrum(&hessian, &Context::silent(0))?;
//!     assert!(spectrum.exact && spectrum.lambda_min() >= 0.0);
//! }
//! # Ok::<(), eigenscape::Error>(())
//! ```
//!
//! | you want | you start with | example |
//! | --- | --- | --- |
//! | the spectrum of your network | [`Network`] and [`nn`], [`Landscape`] | `my_network` |
//! | a penalty in your training loop | [`Objective`], [`Regularizer`] | `training_loop` |
//! | a curvature matrix in your solver | [`LinearOperator`] for [`faer`] | `solver` |
//! | the spectrum of your matrix | [`CurvatureOperator`] | `own_matrix` |
//! | the curvature of your Candle module | [`CandleOperator`] | `candle_module` |
//!
//! The examples are in this crate's `examples`; `cargo run --package eigenscape --example
//! my_network` runs one. Each checks its numbers against known ones.
//!
//! # Plugins
//!
//! Architectures, losses, estimators, distances and regularizers have names, as in experiment
//! files. [`plugins`] has all plugins of this repository; their settings are TOML:
//!
//! ```
//! let plugins = eigenscape::plugins();
//! let loss = plugins.losses.named("huber", "delta = 0.5")?;
//! let lanczos = plugins.estimators.named("lanczos", "steps = 64\nprobes = 4")?;
//! let wasserstein = plugins.distances.named("wasserstein", "")?;
//! # assert_eq!(loss.name(), "huber");
//! # Ok::<(), eigenscape::Error>(())
//! ```
//!
//! Your own crate can add plugins to a [`Registry`]: `examples/plugin` in the repository is such a
//! crate, and `cargo xtask new estimator NAME` writes a template of another. Experiments as files,
//! with training, reports and checkpoints from PyTorch, are run by the command line (the crate
//! `eigenscape-cli`).
//!
//! # Numbers
//!
//! Tensors are Candle's, on the CPU; on an NVIDIA GPU the work is done by [`Cuda`] in place of
//! [`Cpu`] as [`Point::backend`]. Another backend implements [`Backend`], with the types of
//! [`runtime`]. Programs run in the type of [`Point::targets`], f32 or f64; [`Point::to_dtype`] and
//! [`Point::in_f64`] change it. Residuals are evaluated in f64 in both cases, unless [`Residuals`]
//! say otherwise. The same seed gives the same bits on one machine, for any number of threads.
//! Operators are `Send` and `Sync`. Errors say what is wrong and what to do ([`Error`]).

mod candle;
mod linear_operator;

pub use candle_core;
pub use candle_nn;
pub use eigenscape_architectures as architectures;
#[doc(inline)]
pub use eigenscape_core::{
    Account, Architecture, ClassMeans, Context, Curvature, CurvatureOperator, Dataset, Distance, Eigenpair,
    Error, Estimate, ExactFactor, Examples, FactorColumns, FactorSource, Findings, Group, GroupSelector,
    Inputs, Interrupt, Landscape, ModelInput, Number, Probe, ProbeEstimator, Progress, Random, Registry,
    Regularizer, Result, RowSource, Spectrum, Split, Targets, Weights, landscape::NetworkOperator,
    registry::Environment,
};
#[doc(inline)]
pub use eigenscape_cpu::{Cpu, Plain};
pub use eigenscape_cuda::{self as cuda, Cuda};
#[doc(inline)]
pub use eigenscape_curvature::{
    Factor, Function, KnownLoss, LossGradient, MeanLoss, Objective, Over, Penalty, PenaltyFunction,
    PenaltyScope, Point, Product, Programs, Residuals, RowSize, Rows, TargetRows, TraceEstimate,
    class_targets,
};
pub use eigenscape_datasets as datasets;
pub use eigenscape_distances as distances;
pub use eigenscape_estimators::{
    self as estimators, class_structure::ClassStructure, dense::Dense, gram::Gram, hutchinson::Hutchinson,
    lanczos::Lanczos, trace::Trace,
};
pub use eigenscape_losses as losses;
#[doc(inline)]
pub use eigenscape_program::{
    Affinity, Batched, Categorical, ClassCoding, DiagonalRoot, Error as ProgramError, Graph, Init, InitRules,
    Linearity, Loss, LossFunction, LossRoot, Mode, Needs, Network, NodeRef, Operation, Parameter,
    Predictions, Primitive, Scope, Value, Variables, nn, operations, transforms,
};
pub use eigenscape_regularizers as regularizers;
pub use eigenscape_runtime as runtime;
#[doc(inline)]
pub use eigenscape_runtime::{Array, Backend, Buffer, Definitions, DeviceBuffer};
pub use faer;
pub use rand;

pub use self::{
    candle::{Accuracy, CandleOperator},
    linear_operator::LinearOperator,
};

/// A registry with every plugin of this repository.
#[must_use]
pub fn plugins() -> Registry {
    let mut registry = Registry::default();
    architectures::register(&mut registry);
    datasets::register(&mut registry);
    distances::register(&mut registry);
    estimators::register(&mut registry);
    losses::register(&mut registry);
    regularizers::register(&mut registry);
    registry.complete()
}
