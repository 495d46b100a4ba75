//! Products that are compiled for a number of samples, and not yet at a point.

use std::collections::BTreeMap;

use candle_core::DType;
use eigenscape_program::Variables;
use eigenscape_runtime::{Fusion, Result};

use super::{
    EXACT,
    split::{Need, Split},
};
use crate::{
    objective::Objective,
    product::{ProductFootprint, ProductProgram},
    programs::Programs,
};

/// Operations after which one evaluation keeps all threads and vectors busy: more vectors at once
/// would only take more memory, and pass through it more slowly.
const WORTHWHILE: usize = 1 << 32;

/// Which curvature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Derivative {
    Hessian,
    GaussNewton,
    Residual,
}

/// v ↦ Mv for a symmetric matrix M of one group, a mean over so many samples: how they are split
/// into micro-batches, and the programs of these.
pub(super) struct CompiledProduct {
    pub split: Split,
    /// By number of samples: two sizes at most.
    pub programs: BTreeMap<usize, ProductProgram>,
    /// P.
    pub dimension: usize,
    /// Whether each sample has variables of its own.
    pub by_sample: bool,
    /// How many vectors are multiplied at once: as many as fit into memory and are worthwhile.
    pub block: usize,
    /// Bytes held whatever is multiplied, those of one vector more, and those of the evaluation of
    /// what is kept.
    pub memory: [usize; 3],
}

impl CompiledProduct {
    /// The product over `samples` samples that takes at most `memory` bytes beside the point and
    /// the vectors.
    pub fn new(
        programs: &Programs,
        (derivative, group): (Derivative, &Variables),
        (samples, memory): (usize, usize),
        (fusion, dtype): (Fusion, DType),
    ) -> Result<Self> {
        let program = |samples: usize| programs.product(derivative, group, samples);
        let need = |samples: usize| Ok(program(samples)?.need(fusion, dtype));
        let split = Split::new(samples, memory, programs.network().mixes_samples().is_none(), need)?;
        let parts = split.parts();
        let sizes = [0, split.count - 1].map(|index| parts.range(index).len());
        let programs: BTreeMap<usize, ProductProgram> =
            sizes.into_iter().map(|samples| Ok((samples, program(samples)?))).collect::<Result<_>>()?;
        let program = |index: usize| &programs[&parts.range(index).len()];
        let largest = program(0);
        let footprint = largest.footprint(fusion, dtype);
        let residuals = footprint.residuals * (split.kept + usize::from(split.kept < split.count));
        let one = footprint.applying + EXACT * largest.dimension();
        let fit = memory.saturating_sub(residuals) / one.max(1);
        let block = fit.min(WORTHWHILE.div_ceil(largest.flops().max(1))).max(1);
        let preparing = footprint.preparing.saturating_sub(footprint.residuals);
        let by_sample = matches!(group, Variables::Activation(_));
        let sizes = (0..split.count).map(|index| program(index).dimension());
        let dimension = if by_sample { sizes.sum() } else { sizes.max().unwrap_or(0) };
        let memory = [residuals, one, preparing];
        Ok(Self { split, dimension, by_sample, block, memory, programs })
    }

    /// The program of a micro-batch.
    pub fn program(&self, index: usize) -> &ProductProgram {
        &self.programs[&self.split.parts().range(index).len()]
    }
}

impl Derivative {
    /// The program of a group.
    pub fn program(self, objective: &Objective, group: &Variables) -> Result<ProductProgram> {
        match self {
            Self::Hessian => objective.hessian_program(group),
            Self::GaussNewton => objective.gauss_newton_program(group),
            Self::Residual => objective.residual_program(group),
        }
    }
}

impl ProductProgram {
    fn need(&self, fusion: Fusion, dtype: DType) -> Need {
        let ProductFootprint { residuals, preparing, applying } = self.footprint(fusion, dtype);
        Need { residuals, peak: preparing.max(residuals + applying) + EXACT * self.dimension() }
    }
}
