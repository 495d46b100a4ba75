//! Products that are compiled for a number of samples, and not yet at a point.

use std::collections::{BTreeMap, btree_map::Entry};

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

/// What a product is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProductKey {
    pub derivative: Derivative,
    pub group: Variables,
    pub samples: usize,
    /// Bytes that it may take beside the point and the vectors.
    pub memory: usize,
    pub fusion: Fusion,
    pub dtype: DType,
}

/// v ↦ Mv for a symmetric matrix M of one group, a mean over so many samples: how they are split
/// into micro-batches, and the programs of these.
pub(crate) struct CompiledProduct {
    pub(super) split: Split,
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
    pub fn new(programs: &Programs, key: &ProductKey) -> Result<Self> {
        let ProductKey { samples, memory, fusion, dtype, .. } = *key;
        let program = |samples: usize| key.program(&*programs.objective(samples)?);
        let mut made = BTreeMap::new();
        let need = |samples: usize| {
            let program = program(samples)?;
            let need = program.need(fusion, dtype);
            made.insert(samples, program);
            Ok(need)
        };
        let split = Split::new(samples, memory, programs.network().mixes_samples().is_none(), need)?;
        let mut of_size = BTreeMap::new();
        for index in [0, split.count - 1] {
            let samples = split.range(index).len();
            if let Entry::Vacant(place) = of_size.entry(samples) {
                place.insert(made.remove(&samples).map_or_else(|| program(samples), Ok)?);
            }
        }
        Ok(Self::of(split, of_size, key))
    }

    fn of(split: Split, programs: BTreeMap<usize, ProductProgram>, key: &ProductKey) -> Self {
        let program = |index: usize| &programs[&split.range(index).len()];
        let largest = program(0);
        let footprint = largest.footprint(key.fusion, key.dtype);
        let residuals = footprint.residuals * (split.kept + usize::from(split.kept < split.count));
        let one = footprint.applying + EXACT * largest.dimension();
        let fit = key.memory.saturating_sub(residuals) / one.max(1);
        let block = fit.min(WORTHWHILE.div_ceil(largest.flops().max(1))).max(1);
        let preparing = footprint.preparing.saturating_sub(footprint.residuals);
        let by_sample = matches!(key.group, Variables::Activation(_));
        let sizes = (0..split.count).map(|index| program(index).dimension());
        let dimension = if by_sample { sizes.sum() } else { sizes.max().unwrap_or(0) };
        let memory = [residuals, one, preparing];
        Self { split, dimension, by_sample, block, memory, programs }
    }

    /// The program of a micro-batch.
    pub fn program(&self, index: usize) -> &ProductProgram {
        &self.programs[&self.split.range(index).len()]
    }

    /// How many operations there are.
    pub fn steps(&self) -> usize {
        self.programs.values().map(ProductProgram::steps).sum()
    }
}

impl ProductKey {
    fn program(&self, objective: &Objective) -> Result<ProductProgram> {
        let group = self.group.clone();
        match self.derivative {
            Derivative::Hessian => objective.hessian_program(group),
            Derivative::GaussNewton => objective.gauss_newton_program(group),
            Derivative::Residual => objective.residual_program(group),
        }
    }
}

impl ProductProgram {
    fn need(&self, fusion: Fusion, dtype: DType) -> Need {
        let ProductFootprint { residuals, preparing, applying } = self.footprint(fusion, dtype);
        Need { residuals, peak: preparing.max(residuals + applying) + EXACT * self.dimension() }
    }
}
