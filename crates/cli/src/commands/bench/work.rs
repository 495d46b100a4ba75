//! The works that are timed, each with a name.

use std::{hint::black_box, sync::Arc, time::Duration};

use candle_core::{DType, Tensor};
use eigenscape_core::Error;
use eigenscape_experiment::Result;

use super::{
    peer::{Part, Peer},
    penalty,
    subject::Subject,
    timing::Repetitions,
};

/// A timed work, with its counterpart in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The loss and its gradient. On a GPU, weights are copied there and gradients back, as in a
    /// step of training.
    Gradient,
    /// One product of the full Hessian with a vector, by the cached linear program.
    Hvp,
    /// Eight products at once; times are per product.
    Hvp8,
    /// The gradient of the loss with a penalty on the trace. The trace is estimated in output
    /// space, with a standard error at most that of the peer's estimate.
    PenalisedStep,
    /// The exact spectrum of every layer's Hessian. Includes everything: tracing, deriving,
    /// per-sample Jacobians, Gram matrices, eigenproblems.
    LayerSpectra,
    /// The spectrum of the full Hessian by Lanczos, at least as accurate as by the paper's
    /// procedure. Includes everything: tracing, deriving, residuals, products, reorthogonalisation.
    FullSpectrum,
    /// The analysis of one epoch with the paper's settings: the full Hessian by 128 Lanczos steps,
    /// every layer exactly.
    PaperEpoch,
}

/// A work prepared on a subject: everything that is needed only once is done.
pub struct Task<'a> {
    /// Does the work.
    pub run: Box<dyn Fn() -> Result<()> + 'a>,
    /// The number of reported items per run.
    pub count: usize,
    /// Floating-point operations per item, if known.
    pub flops: Option<usize>,
    /// Bytes that one run moves, counting each operand of an operation once.
    pub bytes_moved: Option<usize>,
}

/// The passes through the network in a gradient, each as costly as a forward pass: the outputs, the
/// cotangents of activations and the cotangents of weights.
const PASSES_OF_A_GRADIENT: usize = 3;
/// The passes in a product by the cached linear program: two each of tangents, cotangents and
/// cotangents of weights.
const PASSES_OF_A_PRODUCT: usize = 6;

impl Work {
    /// All works, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Gradient,
        Self::Hvp,
        Self::Hvp8,
        Self::PenalisedStep,
        Self::LayerSpectra,
        Self::FullSpectrum,
        Self::PaperEpoch,
    ];

    /// The works that exist for any network.
    pub const OF_ANY_NETWORK: [Self; 4] = [Self::Gradient, Self::Hvp, Self::Hvp8, Self::FullSpectrum];

    /// The name in the table and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::Hvp => "hvp",
            Self::Hvp8 => "hvp-8",
            Self::PenalisedStep => "penalised-step",
            Self::LayerSpectra => "layer-spectra",
            Self::FullSpectrum => "full-spectrum",
            Self::PaperEpoch => "paper-epoch",
        }
    }

    /// The parts of the peer's program that the work is compared with.
    #[must_use]
    pub fn parts(self) -> &'static [Part] {
        match self {
            Self::Gradient => &[Part::Gradient, Part::CompiledGradient],
            Self::Hvp | Self::Hvp8 | Self::FullSpectrum => &[Part::Products, Part::CompiledProducts],
            Self::PenalisedStep => &[Part::Penalty],
            Self::LayerSpectra => &[Part::Layers],
            Self::PaperEpoch => &[Part::Products, Part::CompiledProducts, Part::Layers],
        }
    }

    /// PyTorch's time in seconds, by the fastest of the ways that were measured.
    #[must_use]
    pub fn peer_seconds(self, peer: &Peer) -> Option<f64> {
        match self {
            Self::Gradient => peer.gradient_seconds(),
            Self::Hvp | Self::Hvp8 => peer.product_seconds(),
            Self::PenalisedStep => peer.penalised_step.map(|ms| 1e-3 * ms),
            Self::LayerSpectra => peer.layers_seconds(),
            Self::FullSpectrum => peer.full_seconds(),
            Self::PaperEpoch => Some(peer.full_seconds()? + peer.layers_seconds()?),
        }
    }

    /// The peer's memory in MiB, which is measured for products only.
    #[must_use]
    pub fn peer_peak_mb(self, peer: &Peer) -> Option<f64> {
        matches!(self, Self::Hvp | Self::Hvp8).then_some(peer.peak_products_mb).flatten()
    }

    /// How often a sitting repeats the work, unless it takes long.
    #[must_use]
    pub fn repetitions(self) -> Repetitions {
        let least = if matches!(self, Self::PaperEpoch | Self::PenalisedStep) { 3 } else { 5 };
        Repetitions { least, time: Duration::from_secs(1) }
    }

    /// Prepares the work on a subject.
    ///
    /// # Errors
    /// When a program cannot be built.
    pub fn prepare(self, subject: &Subject) -> Result<Task<'_>> {
        match self {
            Self::Gradient => gradient(subject),
            Self::Hvp => products(subject, 1),
            Self::Hvp8 => products(subject, 8),
            Self::PenalisedStep => penalty::step(subject),
            Self::LayerSpectra => Ok(Task::spectra(move || {
                black_box(subject.layer_spectra(&subject.landscape()?)?);
                Ok(())
            })),
            Self::FullSpectrum => Ok(Task::spectra(move || {
                black_box(subject.full_spectrum(&subject.landscape()?)?);
                Ok(())
            })),
            Self::PaperEpoch => Ok(Task::spectra(move || {
                let landscape = subject.landscape()?;
                black_box(subject.paper_spectrum(&landscape)?);
                black_box(subject.layer_spectra(&landscape)?);
                Ok(())
            })),
        }
    }
}

impl<'a> Task<'a> {
    fn spectra(run: impl Fn() -> Result<()> + 'a) -> Self {
        Self { run: Box::new(run), count: 1, flops: None, bytes_moved: None }
    }
}

fn products(subject: &Subject, count: usize) -> Result<Task<'_>> {
    let product = subject.product()?;
    let program = subject.objective()?.hessian_program(subject.parameters()).map_err(Error::from)?;
    let vectors = subject.vectors(count)?;
    // Evaluate the residuals before timing: one evaluation serves hundreds of products.
    let first = vectors.narrow(0, 0, 1).map_err(Error::from)?;
    product.apply_rows(&first).map_err(Error::from)?;
    let backend = Arc::clone(&subject.point().backend);
    let vectors = backend.place(&vectors).map_err(Error::from)?;
    let flops = Some(PASSES_OF_A_PRODUCT * forward_flops(subject)?);
    let planning = subject.point().backend.planning();
    let bytes_moved = Some(program.bytes_moved(planning, DType::F32, count));
    let run = Box::new(move || {
        black_box(product.apply_placed(&vectors).map_err(Error::from)?);
        Ok(backend.synchronize().map_err(Error::from)?)
    });
    Ok(Task { run, count, flops, bytes_moved })
}

fn gradient(subject: &Subject) -> Result<Task<'_>> {
    let function = subject.objective()?.gradient(subject.parameters()).map_err(Error::from)?;
    let flops = Some(PASSES_OF_A_GRADIENT * forward_flops(subject)?);
    let bytes_moved = Some(function.bytes_moved(subject.point().backend.planning(), DType::F32));
    let run = Box::new(move || {
        black_box::<Vec<Tensor>>(function.at(subject.point(), &[]).map_err(Error::from)?);
        Ok(())
    });
    Ok(Task { run, count: 1, flops, bytes_moved })
}

fn forward_flops(subject: &Subject) -> Result<usize> {
    Ok(subject.objective()?.loss().map_err(Error::from)?.flops())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::subject::{MODELS, Model, Sample};

    #[test]
    fn every_work_runs() {
        let subject = Subject::new(&MODELS[0], 2, &crate::plugins()).unwrap();
        for work in Work::ALL {
            let task = work.prepare(&subject).unwrap();
            (task.run)().unwrap();
            assert!(task.flops.is_none_or(|flops| flops > subject.dimension()), "{}", work.name());
            assert!(task.bytes_moved.is_none_or(|bytes| bytes > subject.dimension()), "{}", work.name());
        }
    }

    #[test]
    fn works_of_any_network_run_on_tokens() {
        let gpt = Model {
            architecture: ("gpt", "n_layer = 1\nn_head = 2\nn_embd = 4"),
            sample: Sample::Tokens(5),
            classes: 7,
            ..MODELS[3]
        };
        let subject = Subject::new(&gpt, 2, &crate::plugins()).unwrap();
        for work in Work::OF_ANY_NETWORK {
            (work.prepare(&subject).unwrap().run)().unwrap();
        }
    }

    #[test]
    fn the_models_are_those_of_the_paper() {
        let dimension = |model| Subject::new(model, 2, &crate::plugins()).unwrap().dimension();
        let dimensions: Vec<usize> = MODELS[..3].iter().map(dimension).collect();
        assert_eq!(dimensions, [61_706, 28_156_554, 11_172_810]);
    }

    /// The paper's settings: 128 products for the full Hessian, every layer's weight exactly.
    #[test]
    fn the_spectra_are_those_of_the_paper() {
        let subject = Subject::new(&MODELS[0], 2, &crate::plugins()).unwrap();
        let landscape = subject.landscape().unwrap();
        let full = subject.paper_spectrum(&landscape).unwrap();
        assert_eq!((full.dimension, full.products, full.exact), (61_706, 128, false));
        let layers = subject.layer_spectra(&landscape).unwrap();
        let dimensions: Vec<usize> = layers.iter().map(|layer| layer.dimension).collect();
        assert_eq!(dimensions, [150, 2400, 48_000, 10_080, 840]);
        assert!(layers.iter().all(|layer| layer.exact));
    }
}
