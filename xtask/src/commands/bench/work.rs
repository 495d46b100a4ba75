//! The works that are timed, each by name.

use std::{hint::black_box, time::Duration};

use candle_core::Tensor;
use eigenscape_core::Error;
use eigenscape_experiment::Result;

use super::{peer::Peer, subject::Subject, timing::Repetitions};

/// A piece of work, with its counterpart in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// One epoch's analysis at the paper's setting: the full Hessian by Lanczos, every layer exactly. Everything is
    /// included: tracing, deriving, residuals, products, per-sample Jacobians, Gram matrices, eigenproblems.
    PaperEpoch,
    /// Of that, the layers.
    LayerSpectra,
    /// Of that, the full Hessian.
    FullSpectrum,
    /// One product of the full Hessian with a vector, on the cached linear program.
    Hvp,
    /// Eight products at once; times are those of one.
    Hvp8,
    /// The loss and its gradient.
    Gradient,
}

/// A work made ready on a subject: what is done once is done.
pub struct Task<'a> {
    /// Does the work.
    pub run: Box<dyn Fn() -> Result<()> + 'a>,
    /// How many of what is reported one run does.
    pub count: usize,
    /// Floating-point operations of one of them, where they are known.
    pub flops: Option<usize>,
}

impl Work {
    /// Every work, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::PaperEpoch, Self::LayerSpectra, Self::FullSpectrum, Self::Hvp, Self::Hvp8, Self::Gradient];

    /// Its name in the table and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PaperEpoch => "paper-epoch",
            Self::LayerSpectra => "layer-spectra",
            Self::FullSpectrum => "full-spectrum",
            Self::Hvp => "hvp",
            Self::Hvp8 => "hvp-8",
            Self::Gradient => "gradient",
        }
    }

    /// What PyTorch takes for it, in seconds. Spectra: as the paper's code computes them. Products: the faster of the two ways.
    #[must_use]
    pub fn peer_seconds(self, peer: &Peer) -> f64 {
        match self {
            Self::PaperEpoch => peer.paper_epoch_s,
            Self::LayerSpectra => peer.spectrum_seconds(peer.layer_hvp.values().sum()),
            Self::FullSpectrum => peer.spectrum_seconds(peer.hvp_fresh),
            Self::Hvp | Self::Hvp8 => 1e-3 * peer.hvp_fresh.min(peer.hvp_cached),
            Self::Gradient => 1e-3 * peer.gradient,
        }
    }

    /// How often one sitting repeats it.
    #[must_use]
    pub fn repetitions(self) -> Repetitions {
        let least = if self == Self::PaperEpoch { 3 } else { 5 };
        Repetitions { least, time: Duration::from_secs(1) }
    }

    /// Makes it ready.
    ///
    /// # Errors
    /// When a program cannot be built.
    pub fn prepare(self, subject: &Subject) -> Result<Task<'_>> {
        match self {
            Self::PaperEpoch => Ok(Task::spectra(move || {
                let landscape = subject.landscape()?;
                black_box(subject.full_spectrum(&landscape)?);
                black_box(subject.layer_spectra(&landscape)?);
                Ok(())
            })),
            Self::LayerSpectra => Ok(Task::spectra(move || {
                black_box(subject.layer_spectra(&subject.landscape()?)?);
                Ok(())
            })),
            Self::FullSpectrum => Ok(Task::spectra(move || {
                black_box(subject.full_spectrum(&subject.landscape()?)?);
                Ok(())
            })),
            Self::Hvp => products(subject, 1),
            Self::Hvp8 => products(subject, 8),
            Self::Gradient => gradient(subject),
        }
    }
}

impl<'a> Task<'a> {
    fn spectra(run: impl Fn() -> Result<()> + 'a) -> Self {
        Self { run: Box::new(run), count: 1, flops: None }
    }
}

fn products(subject: &Subject, count: usize) -> Result<Task<'_>> {
    let product = subject.objective()?.hessian(subject.point(), subject.parameters()).map_err(Error::from)?;
    let vectors = subject.vectors(count)?;
    let flops = Some(product.flops());
    let run = Box::new(move || {
        black_box(product.apply_rows(&vectors).map_err(Error::from)?);
        Ok(())
    });
    Ok(Task { run, count, flops })
}

fn gradient(subject: &Subject) -> Result<Task<'_>> {
    let function = subject.objective()?.gradient(subject.parameters()).map_err(Error::from)?;
    let flops = Some(function.flops());
    let run = Box::new(move || {
        black_box::<Vec<Tensor>>(function.at(subject.point(), &[]).map_err(Error::from)?);
        Ok(())
    });
    Ok(Task { run, count: 1, flops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::subject::MODELS;

    #[test]
    fn every_work_of_every_model_runs() {
        let registry = crate::plugins();
        for model in &MODELS {
            let subject = Subject::new(model, 2, &registry).unwrap();
            for work in Work::ALL {
                let task = work.prepare(&subject).unwrap();
                (task.run)().unwrap();
                assert!(task.flops.is_none_or(|flops| flops > subject.dimension()), "{}", work.name());
            }
        }
    }

    /// The criterion's terms: 128 products for the full Hessian, every layer's weight exactly.
    #[test]
    fn the_spectra_are_those_of_the_paper() {
        let subject = Subject::new(&MODELS[0], 2, &crate::plugins()).unwrap();
        let landscape = subject.landscape().unwrap();
        let full = subject.full_spectrum(&landscape).unwrap();
        assert_eq!((full.dimension, full.products, full.exact), (61_706, 128, false));
        let layers = subject.layer_spectra(&landscape).unwrap();
        let dimensions: Vec<usize> = layers.iter().map(|layer| layer.dimension).collect();
        assert_eq!(dimensions, [150, 2400, 48_000, 10_080, 840]);
        assert!(layers.iter().all(|layer| layer.exact));
    }
}
