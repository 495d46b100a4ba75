//! Products compiled for a number of samples, before they are evaluated at a point.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use eigenscape_program::Variables;
use eigenscape_runtime::Result;

use super::{
    EXACT,
    split::{Need, Split},
};
use crate::{
    objective::Objective,
    product::{ProductFacts, ProductFootprint, ProductProgram},
    programs::Programs,
    residuals::Numbers,
};

/// A kind of curvature matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Derivative {
    Hessian,
    GaussNewton,
    Residual,
}

/// v ↦ Mv for a symmetric matrix M of one group, a mean over a given number of samples: the split
/// into micro-batches and their programs, which are built when they are first needed.
pub(super) struct CompiledProduct {
    pub programs: Arc<Programs>,
    derivative: Derivative,
    group: Variables,
    /// By size of micro-batch, of which there are at most two.
    facts: BTreeMap<usize, ProductFacts>,
    made: OnceLock<BTreeMap<usize, ProductProgram>>,
    pub split: Split,
    /// P.
    pub dimension: usize,
    /// Whether each sample has its own variables.
    pub by_sample: bool,
    /// The number of vectors multiplied at once: as many as fit into memory and are worthwhile.
    pub block: usize,
    /// Bytes held for any number of vectors, additional bytes per vector, and additional bytes
    /// while the kept residuals are evaluated.
    pub memory: [usize; 3],
}

impl CompiledProduct {
    /// The product over `samples` samples that takes at most `memory` bytes in addition to the
    /// point and the vectors. Multiplying more vectors at once than are worthwhile for the
    /// backend gains nothing.
    pub fn new(
        programs: &Arc<Programs>,
        (derivative, group): (Derivative, &Variables),
        (samples, memory): (usize, usize),
        numbers: Numbers,
    ) -> Result<Self> {
        let facts = |samples: usize| programs.product_facts(derivative, group, samples, numbers);
        let comfortable = numbers.planning.comfortable;
        let divisible = programs.network().mixes_samples().is_none();
        let split =
            Split::new(samples, memory, divisible, comfortable, |samples| Ok(facts(samples)?.need()))?;
        let parts = split.parts();
        let sizes = [0, split.count - 1].map(|index| parts.range(index).len());
        let facts: BTreeMap<usize, ProductFacts> =
            sizes.into_iter().map(|samples| Ok((samples, facts(samples)?))).collect::<Result<_>>()?;
        let of = |index: usize| &facts[&parts.range(index).len()];
        let ProductFacts { footprint, flops, dimension, .. } = *of(0);
        let residuals = footprint.residuals * (split.kept + usize::from(split.kept < split.count));
        let one = footprint.applying + EXACT * dimension;
        let fit = memory.saturating_sub(residuals) / one.max(1);
        let block = fit.min(numbers.planning.worthwhile.div_ceil(flops.max(1))).max(1);
        let preparing = footprint.preparing.saturating_sub(footprint.residuals);
        let by_sample = matches!(group, Variables::Activation(_));
        let sizes = (0..split.count).map(|index| of(index).dimension);
        let dimension = if by_sample { sizes.sum() } else { sizes.max().unwrap_or(0) };
        let memory = [residuals, one, preparing];
        let (programs, group, made) = (Arc::clone(programs), group.clone(), OnceLock::new());
        Ok(Self { programs, derivative, group, facts, made, split, dimension, by_sample, block, memory })
    }

    /// The memory and operations of the program of a micro-batch.
    pub fn facts(&self, index: usize) -> &ProductFacts {
        &self.facts[&self.split.parts().range(index).len()]
    }

    /// The program of a micro-batch.
    pub fn program(&self, index: usize) -> Result<&ProductProgram> {
        let samples = self.split.parts().range(index).len();
        if let Some(made) = self.made.get() {
            return Ok(&made[&samples]);
        }
        let program =
            |&samples: &usize| Ok((samples, self.programs.product(self.derivative, &self.group, samples)?));
        let made = self.facts.keys().map(program).collect::<Result<_>>()?;
        Ok(&self.made.get_or_init(|| made)[&samples])
    }
}

impl Derivative {
    /// The program of products for a group.
    pub fn program(self, objective: &Objective, group: &Variables) -> Result<ProductProgram> {
        match self {
            Self::Hessian => objective.hessian_program(group),
            Self::GaussNewton => objective.gauss_newton_program(group),
            Self::Residual => objective.residual_program(group),
        }
    }
}

impl ProductFacts {
    fn need(&self) -> Need {
        let ProductFootprint { residuals, preparing, applying } = self.footprint;
        Need { residuals, peak: preparing.max(residuals + applying) + EXACT * self.dimension }
    }
}
