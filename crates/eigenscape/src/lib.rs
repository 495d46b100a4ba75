//! Curvature of neural networks' losses: the Hessian, its Gauss-Newton and residual parts, of the
//! whole network and of every layer; products with them, their spectra and traces, how far spectra
//! lie apart, and penalties on them in training. This crate is what a user of Rust needs, in one
//! import.
//!
//! # What is computed, and how exactly
//!
//! L(θ) = (1/N) Σₙ ℓ(f_θ(xₙ), tₙ) is the mean loss of a [`Network`] f on N samples.
//!
//! | | formula | how |
//! | --- | --- | --- |
//! | [`Curvature::Hessian`] | H = ∇²L | products Hv by a derived program, to rounding |
//! | [`Curvature::GaussNewton`] | G = (1/N) Σ Jₙᵀ Aₙ Jₙ | products, or an exact factor ΦᵀΦ |
//! | [`Curvature::Residual`] | R = H − G | products, derived as such |
//! | any operator's spectrum | every λ | [`Gram`] from a factor, [`Dense`] from P products |
//! | | extreme eigenvalues, density | [`Lanczos`]: with standard errors and bounds |
//! | its trace | Σ λ | [`Trace`] from a factor; [`Hutchinson`], with a standard error |
//!
//! J is the derivative of a sample's outputs, A the loss' Hessian in them. What is exact is so to
//! rounding, which is measured ([`Spectrum::rounding`]).
//!
//! No derivative is written by hand or approximated: a network is a small program, and what is
//! derived of it is another program ([`Objective`]). A network that is piecewise affine in a layer
//! (ReLU, pooling) is proved to be so, and its Hessian there has an exact factor. One thing alone
//! is approximate: a Candle module that exists already is known by its gradients, of which
//! [`CandleOperator`] takes differences.
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
//! | the spectrum of a network of yours | [`Network`] and [`nn`], [`Landscape`] | `my_network` |
//! | a penalty in a training loop of yours | [`Objective`], [`Regularizer`] | `training_loop` |
//! | a curvature matrix in a solver of yours | [`LinearOperator`] for [`faer`] | `solver` |
//! | the spectrum of a matrix of yours | [`CurvatureOperator`] | `own_matrix` |
//! | the curvature of a Candle module that you have | [`CandleOperator`] | `candle_module` |
//!
//! The examples are in this crate's `examples`; `cargo run --package eigenscape --example
//! my_network` runs one, and each checks its numbers against something known.
//!
//! # Plugins
//!
//! Architectures, losses, estimators, distances and regularizers have names, as in experiments'
//! files; [`plugins`] knows all of this repository, and settings are TOML:
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
//! A crate of your own adds more to a [`Registry`]; `examples/plugin` of the repository is one, and
//! `cargo xtask new estimator NAME` writes the start of another. Experiments as files, with
//! training, reports and checkpoints from PyTorch, are the command line's (the crate
//! `eigenscape-cli`).
//!
//! # Numbers
//!
//! Tensors are Candle's, on the CPU. The type of [`Point::targets`] is the type in which programs
//! run, f32 or f64; [`Point::to_dtype`] and [`Point::in_f64`] change it. What products are made of
//! is evaluated in f64 either way, unless [`Residuals`] say otherwise. The same seed gives the same
//! bits on one machine, on any number of threads. Operators are `Send` and `Sync`. Errors say what
//! is wrong and what to do ([`Error`]).

mod candle;
mod linear_operator;

pub use candle_core;
pub use candle_nn;
pub use eigenscape_architectures as architectures;
#[doc(inline)]
pub use eigenscape_core::{
    Architecture, Context, Curvature, CurvatureOperator, Dataset, Distance, Error, Estimate, ExactFactor,
    FactorColumns, FactorSource, Group, GroupSelector, Interrupt, Landscape, Number, Probe, ProbeEstimator,
    Progress, Random, Registry, Regularizer, Result, Spectrum, Weights, landscape::NetworkOperator,
    registry::Environment,
};
#[doc(inline)]
pub use eigenscape_cpu::{Cpu, Plain};
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
    Affinity, Error as ProgramError, Graph, Init, InitRules, Linearity, Loss, LossFunction, Mode, Network,
    NodeRef, Operation, Parameter, Primitive, Scope, Value, Variables, nn, operations, transforms,
};
pub use eigenscape_regularizers as regularizers;
#[doc(inline)]
pub use eigenscape_runtime::{Array, Backend, Buffer, Definitions, DeviceBuffer};
pub use faer;
pub use rand;

pub use self::{
    candle::{Accuracy, CandleOperator},
    linear_operator::LinearOperator,
};

/// Every plugin of this repository.
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
