//! The shared types and traits of Eigenscape: models, data sets, losses, curvature operators, probe
//! estimators, spectra, distances and regularizers, and the [`Registry`] in which plugins register
//! them by name.
//!
//! This crate contains no algorithms. Plugins depend on this crate and never on each other.

pub mod account;
pub mod architecture;
pub mod class_means;
pub mod dataset;
pub mod density;
pub mod distance;
pub mod eigenpair;
pub mod error;
pub mod estimator;
pub mod factor;
pub mod file_names;
pub mod group;
pub mod inputs;
pub mod landscape;
pub mod moments;
pub mod notes;
pub mod number;
pub mod operator;
pub mod probe;
pub mod random;
pub mod registry;
pub mod regularizer;
pub mod results;
pub mod spectrum;
pub mod weights;

pub use account::Account;
pub use architecture::{Architecture, ModelInput};
pub use class_means::ClassMeans;
pub use dataset::{Dataset, Examples, Split, Targets};
pub use distance::Distance;
pub use eigenpair::Eigenpair;
pub use eigenscape_program::{Loss, LossFunction};
pub use eigenscape_runtime::Interrupt;
pub use error::{Error, Result};
pub use estimator::{Context, Estimate, Findings, ProbeEstimator, Progress, Silent};
pub use factor::{ExactFactor, FactorColumns, FactorSource};
pub use group::{Group, GroupSelector};
pub use inputs::{Inputs, RowSource};
pub use landscape::Landscape;
pub use moments::Moments;
pub use number::Number;
pub use operator::{Curvature, CurvatureOperator};
pub use probe::Probe;
pub use random::Random;
pub use registry::{Catalog, Registry};
pub use regularizer::Regularizer;
pub use spectrum::{Node, Spectrum};
pub use weights::Weights;
