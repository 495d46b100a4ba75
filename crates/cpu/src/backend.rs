//! The CPU backend.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Backend, Buffer, Definitions, Fusion, Plan, Planning, Workspace};

use crate::{Result, arena, bounds, kernels, run::run};

/// Sums of two matrix products are not fused: adding the second to the first in place saves no
/// time here.
const FUSION: Fusion = Fusion { products: false, ..Fusion::ALL };

/// What plans for [`Cpu`] depend on.
pub const PLANNING: Planning = Planning::of_host(FUSION, Workspace::new("cpu", bounds::workspace));

/// Runs plans on the CPU, on all threads of the pool.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    definitions: Definitions,
}

impl Cpu {
    /// A shared backend without plugin operations.
    #[must_use]
    pub fn shared() -> Arc<dyn Backend> {
        Arc::new(Self::default())
    }

    /// A backend that also evaluates plugin operations, by their definitions.
    #[must_use]
    pub fn with(definitions: Definitions) -> Self {
        Self { definitions }
    }
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn planning(&self) -> Planning {
        PLANNING
    }

    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        run(plan, &self.definitions, inputs)
    }

    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer> {
        Ok(kernels::join(&on_host(terms)?, lens, k, dtype)?.into())
    }

    fn own(&self, results: Vec<Buffer>, others: &[Buffer]) -> Result<Vec<Buffer>> {
        let others: Vec<Tensor> = others.iter().filter_map(Buffer::host).cloned().collect();
        let owned = kernels::owned(Buffer::all_to_host(results)?, &others)?;
        Ok(owned.into_iter().map(Buffer::from).collect())
    }

    fn recycle(&self, buffers: &[Buffer]) {
        buffers.iter().filter_map(Buffer::host).for_each(kernels::recycle);
    }

    fn release(&self) {
        arena::release();
        kernels::release();
    }
}

/// The terms of a sum, as tensors on the host.
pub(crate) fn on_host(terms: &[(f64, Vec<Buffer>)]) -> Result<Vec<(f64, Vec<Tensor>)>> {
    let parts = |parts: &[Buffer]| parts.iter().map(Buffer::to_host).collect::<Result<_>>();
    terms.iter().map(|(factor, of_term)| Ok((*factor, parts(of_term)?))).collect()
}
