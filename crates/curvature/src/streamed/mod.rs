//! Curvature of a mean over many samples in bounded memory, by micro-batches.
//!
//! With micro-batches b of n_b samples, H = Σ_b (n_b/N) H_b, and likewise for every mean. An
//! activation has separate variables in each sample, so that the products of its micro-batches are
//! concatenated instead of added.

mod columns;
mod compiled;
mod factor;
mod gradient;
mod independence;
mod predictions;
mod product;
mod slices;
mod split;

use std::sync::Arc;

use eigenscape_program::{Affinity, Loss, Network, Variables, transforms::Breaker};
use eigenscape_runtime::{Interrupt, Result};

pub(crate) use self::compiled::Derivative;
pub use self::{
    columns::StreamedColumns, factor::StreamedFactor, gradient::LossGradient,
    independence::samples_are_independent, product::StreamedProduct,
};
use self::{
    compiled::CompiledProduct,
    split::{Need, Split},
};
use crate::{
    placed::PlacedPoint,
    point::Point,
    programs::Programs,
    residuals::{Numbers, Residuals},
};

/// L(θ) = (1/N) Σₙ ℓ(f_θ(xₙ), tₙ) over all samples of a point, evaluated in micro-batches that fit
/// into memory. The split follows from the memory that the programs need, and changes results only
/// by rounding.
#[derive(Clone)]
pub struct MeanLoss {
    programs: Arc<Programs>,
    point: PlacedPoint,
    memory: usize,
    interrupt: Interrupt,
}

/// Bytes of an f64, the type of sums over micro-batches.
const EXACT: usize = size_of::<f64>();

impl MeanLoss {
    /// The mean loss over the samples of `point`, whose curvature may take `memory` bytes in
    /// addition to the point and the vectors.
    ///
    /// # Errors
    /// When the point has no samples, or the network's outputs do not fit the loss.
    pub fn new(network: &Network, loss: &Loss, point: Point, memory: usize) -> Result<Self> {
        Self::of(&Programs::new(network, loss), point, memory)
    }

    /// As [`Self::new`], for a network and loss whose programs are shared by all points.
    ///
    /// # Errors
    /// When the point has no samples, or the network's outputs do not fit the loss.
    pub fn of(programs: &Arc<Programs>, point: Point, memory: usize) -> Result<Self> {
        // A loss that does not fit the network is refused for one sample, too.
        programs.objective(point.samples().min(1))?;
        Ok(Self {
            programs: Arc::clone(programs),
            point: point.into(),
            memory,
            interrupt: Interrupt::default(),
        })
    }

    /// The same loss, whose curvature may take `memory` bytes.
    #[must_use]
    pub fn within(&self, memory: usize) -> Self {
        Self { memory, ..self.clone() }
    }

    /// The same loss, which starts no micro-batch once an interrupt is requested: computations over
    /// samples then return [`Error::Interrupted`](eigenscape_runtime::Error).
    #[must_use]
    pub fn until(self, interrupt: Interrupt) -> Self {
        Self { interrupt, ..self }
    }

    /// The same loss, with the residuals of products and factors evaluated in this type; the
    /// default is f64.
    #[must_use]
    pub fn with_residuals(self, residuals: Residuals) -> Self {
        Self { point: self.point.with_residuals(residuals), ..self }
    }

    /// The interrupt that stops computations over samples.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The loss function.
    #[must_use]
    pub fn loss_function(&self) -> &Loss {
        self.programs.loss_function()
    }

    /// The parameters and the data.
    #[must_use]
    pub fn point(&self) -> &Point {
        &self.point
    }

    /// The same mean loss, with products and factors computed in f64 at the same numbers, to
    /// measure rounding errors.
    ///
    /// # Errors
    /// When the conversion of the targets fails.
    pub fn in_f64(&self) -> Result<Self> {
        Ok(Self { point: self.point.in_f64()?, ..self.clone() })
    }

    /// v ↦ Hv for the Hessian block of `group`.
    ///
    /// # Errors
    /// When the program cannot be built or does not fit into memory.
    pub fn hessian(&self, group: impl Into<Variables>) -> Result<StreamedProduct> {
        self.product(Derivative::Hessian, &group.into())
    }

    /// v ↦ Gv for the Gauss-Newton block of `group`.
    ///
    /// # Errors
    /// When the program cannot be built or does not fit into memory.
    pub fn gauss_newton(&self, group: impl Into<Variables>) -> Result<StreamedProduct> {
        self.product(Derivative::GaussNewton, &group.into())
    }

    /// v ↦ Rv = Hv − Gv for the residual block of `group`.
    ///
    /// # Errors
    /// When the program cannot be built or does not fit into memory.
    pub fn residual(&self, group: impl Into<Variables>) -> Result<StreamedProduct> {
        self.product(Derivative::Residual, &group.into())
    }

    /// The module that couples samples (BatchNorm in training mode), if any. Then there is no
    /// factor, and all samples are evaluated at once.
    #[must_use]
    pub fn mixes_samples(&self) -> Option<&str> {
        self.network().mixes_samples()
    }

    /// What is proved of the outputs as functions of `group`, and where the proof fails.
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn affinity(&self, group: impl Into<Variables>) -> Result<(Affinity, Option<Breaker>)> {
        let group = group.into();
        let (loss, group) = self.around(&group)?;
        loss.programs.objective(1)?.affinity(&*group)
    }

    /// Where the proof fails that the Hessian block of `group` has the trace of its Gauss-Newton
    /// block: see [`Objective::trace_breaker`](crate::Objective::trace_breaker).
    ///
    /// # Errors
    /// When the network has no such activation.
    pub fn trace_breaker(&self, group: impl Into<Variables>) -> Result<Option<Breaker>> {
        let group = group.into();
        let (loss, group) = self.around(&group)?;
        loss.programs.objective(1)?.trace_breaker(&*group)
    }

    fn product(&self, derivative: Derivative, group: &Variables) -> Result<StreamedProduct> {
        let (loss, group) = self.around(group)?;
        let limits = (loss.point.samples(), loss.memory);
        let compiled = CompiledProduct::new(&loss.programs, (derivative, &group), limits, loss.numbers())?;
        Ok(StreamedProduct::new(&loss.point, compiled, &loss.interrupt))
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.programs.network()
    }

    fn split(&self, samples: usize, memory: usize, need: impl FnMut(usize) -> Result<Need>) -> Result<Split> {
        let comfortable = self.point.backend.planning().comfortable;
        Split::new(samples, memory, self.mixes_samples().is_none(), comfortable, need)
    }

    fn numbers(&self) -> Numbers {
        let Point { backend, .. } = self.point();
        Numbers { planning: backend.planning(), dtype: self.point.dtype(), residuals: self.point.residuals() }
    }

    /// Bytes of a number in the type of the point.
    fn number(&self) -> usize {
        self.point.dtype().size_in_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use candle_core::{DType, Device, Tensor};
    use eigenscape_cpu::PLANNING;
    use eigenscape_program::{Scope, Value, nn};

    use super::*;
    use crate::testing::cross_entropy;

    /// Deterministic numbers without a short period.
    fn wave(shape: &[usize], phase: f64) -> Result<Tensor> {
        let count = shape.iter().product::<usize>();
        let values = Tensor::from_iter((0..count).map(|i| (i as f64 * 0.7 + phase).sin()), &Device::Cpu)?;
        Ok(values.reshape(shape)?)
    }

    fn network(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
        let x =
            nn::conv2d(&mut scope.at("conv"), x, 4, 3, eigenscape_program::ConvSettings::default(), true)?;
        let x = nn::activation(&mut scope.at("tanh"), x, nn::Activation::Tanh)?;
        let x = nn::flatten(scope, x)?;
        nn::linear(&mut scope.at("fc"), x, 3, true)
    }

    const SAMPLES: usize = 7;

    fn mean_loss(memory: usize) -> Result<MeanLoss> {
        let network = Network::new(&[2, 4, 4], network)?;
        let parameters = network.parameters().iter().zip(0_u32..);
        let parameters = parameters.map(|(p, i)| wave(&p.shape, f64::from(i))).collect::<Result<_>>()?;
        let labels = (0..SAMPLES).flat_map(|n| (0..3).map(move |c| f64::from(u8::from(n % 3 == c))));
        let point = Point {
            backend: eigenscape_cpu::Cpu::shared(),
            parameters,
            buffers: vec![],
            inputs: wave(&[SAMPLES, 2, 4, 4], 0.3)?,
            targets: Tensor::from_iter(labels, &Device::Cpu)?.reshape((SAMPLES, 3))?,
            masks: vec![],
        };
        MeanLoss::new(&network, &cross_entropy(), point, memory)
    }

    fn difference(a: &Tensor, b: &Tensor) -> Result<f64> {
        assert_eq!(a.dims(), b.dims());
        let distance = (a - b)?.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt();
        Ok(distance / b.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt())
    }

    /// Memory limits, from the smallest in which the product fits to plenty.
    fn budgets() -> impl Iterator<Item = usize> {
        let all = (0..40).map(|i| (3_000.0 * 1.2_f64.powi(i)) as usize);
        all.filter(|&memory| mean_loss(memory).is_ok_and(|loss| loss.residual(&[0, 1, 2, 3]).is_ok()))
    }

    #[test]
    fn products_do_not_depend_on_the_split() -> Result<()> {
        let plenty = mean_loss(usize::MAX)?;
        let groups =
            [Variables::from(&[0, 1, 2, 3]), Variables::from(&[0]), Variables::Activation("conv".to_owned())];
        let mut splits = std::collections::BTreeSet::new();
        for group in &groups {
            let whole = plenty.hessian(group)?;
            let vectors = wave(&[3, whole.dimension()], 0.9)?;
            for memory in budgets() {
                let bounded = mean_loss(memory)?;
                for (a, b) in [
                    (whole.apply_rows(&vectors)?, bounded.hessian(group)?),
                    (plenty.gauss_newton(group)?.apply_rows(&vectors)?, bounded.gauss_newton(group)?),
                    (plenty.residual(group)?.apply_rows(&vectors)?, bounded.residual(group)?),
                ] {
                    splits.insert(b.micro_batches());
                    assert!(difference(&b.apply_rows(&vectors)?, &a)? < 1e-13, "{memory}");
                }
            }
        }
        assert!(splits.contains(&1) && splits.len() > 2, "the budgets try {splits:?} micro-batches");
        Ok(())
    }

    /// The rows of consecutive blocks of samples, below one another, in f64.
    fn rows(factor: &StreamedFactor, blocks: &[Range<usize>], memory: usize) -> Result<Tensor> {
        let block = |block: &Range<usize>| -> Result<Tensor> {
            let rows = factor.rows(block.clone(), memory)?;
            let columns = rows.tensors.iter().map(|rows| rows.explicit(DType::F64));
            let columns = Tensor::cat(&columns.collect::<Result<Vec<_>>>()?, 1)?;
            let (m, p) = columns.dims2()?;
            Ok(columns.reshape((m / block.len(), block.len(), p))?)
        };
        Ok(Tensor::cat(&blocks.iter().map(block).collect::<Result<Vec<_>>>()?, 1)?.flatten_to(1)?)
    }

    #[test]
    fn gradients_do_not_depend_on_the_split() -> Result<()> {
        let all = [0, 1, 2, 3];
        let plenty = mean_loss(usize::MAX)?;
        let whole = plenty.gradient(&all)?;
        let program = plenty.programs.gradient(&all, SAMPLES)?;
        let at_once = program.at(&plenty.point, &[])?;
        let expected = at_once.iter().take(1).chain(&at_once[2..]);
        for (a, b) in std::iter::once(&whole.loss).chain(&whole.gradient).zip(expected) {
            assert!(difference(a, b)? < 1e-14);
        }
        // A byte less than all samples take at once, with the sums.
        let sums: usize = whole.gradient.iter().map(|slope| EXACT * slope.elem_count()).sum();
        let bounded = mean_loss(program.peak(PLANNING, DType::F64) + sums - 1)?.gradient(&all)?;
        assert!(difference(&bounded.loss, &whole.loss)? < 1e-14);
        assert!(difference(&bounded.outputs, &whole.outputs)? < 1e-14);
        for (a, b) in bounded.gradient.iter().zip(&whole.gradient) {
            assert!(difference(a, b)? < 1e-13);
        }
        assert!(matches!(mean_loss(100)?.gradient(&all), Err(eigenscape_runtime::Error::Memory { .. })));
        Ok(())
    }

    #[test]
    fn factors_do_not_depend_on_the_split() -> Result<()> {
        let whole = mean_loss(usize::MAX)?;
        for group in [Variables::from(&[0, 1, 2, 3]), Variables::Activation("conv".to_owned())] {
            let factor = whole.factor(&group)?;
            let expected = rows(&factor, std::slice::from_ref(&(0..SAMPLES)), usize::MAX)?;
            let columns: usize = factor.sizes().iter().map(|size| size.columns).sum();
            assert_eq!(expected.dims(), [whole.rank()? * SAMPLES, columns]);
            let gauss_newton = whole.gauss_newton(&group)?;
            let identity = Tensor::eye(gauss_newton.dimension(), DType::F64, &Device::Cpu)?;
            // The product orders an activation's variables by sample, then element; the factor by
            // element, then sample.
            let by_sample = match &group {
                Variables::Activation(_) => {
                    expected.reshape(((), columns / SAMPLES, SAMPLES))?.transpose(1, 2)?.flatten_from(1)?
                }
                _ => expected.clone(),
            };
            let product = by_sample.t()?.matmul(&by_sample)?;
            assert!(difference(&product, &gauss_newton.apply_rows(&identity)?)? < 1e-13);
            // Blocks of samples, evaluated at once or one by one.
            for blocks in [vec![0..3, 3..7], vec![0..1, 1..2, 2..5, 5..7]] {
                for memory in [usize::MAX, factor.evaluating(1)] {
                    assert!(difference(&rows(&factor, &blocks, memory)?, &expected)? < 1e-13);
                }
            }
            let refused = factor.rows(0..2, factor.evaluating(1) - 1);
            assert!(matches!(refused, Err(eigenscape_runtime::Error::Memory { .. })));
        }
        Ok(())
    }

    #[test]
    fn too_little_memory_is_an_error() -> Result<()> {
        let refused = mean_loss(100)?.hessian(&[0]);
        assert!(matches!(refused, Err(eigenscape_runtime::Error::Memory { .. })));
        Ok(())
    }
}
