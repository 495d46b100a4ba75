//! Products over all samples.

use std::sync::OnceLock;

use candle_core::{D, DType, Tensor};
use eigenscape_runtime::{Buffer, Error, Interrupt, Part, Result};

use super::compiled::CompiledProduct;
use crate::{placed::PlacedPoint, product::Product};

/// v ↦ Mv for a symmetric matrix M of one group, a mean over all samples. Nothing is evaluated
/// before the first application.
pub struct StreamedProduct {
    point: PlacedPoint,
    compiled: CompiledProduct,
    interrupt: Interrupt,
    /// The first micro-batches, with their residuals.
    kept: OnceLock<Vec<Product>>,
}

impl StreamedProduct {
    pub(super) fn new(point: &PlacedPoint, compiled: CompiledProduct, interrupt: &Interrupt) -> Self {
        Self { point: point.clone(), compiled, interrupt: interrupt.clone(), kept: OnceLock::new() }
    }

    /// P, the number of scalars of the group.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.compiled.dimension
    }

    /// Bytes held at most between and during products with so many vectors at a time, beside the
    /// point, the vectors and their products.
    #[must_use]
    pub fn memory(&self, vectors: usize) -> usize {
        let [residuals, one, preparing] = self.compiled.memory;
        residuals.saturating_add(one.saturating_mul(self.compiled.block.min(vectors)).max(preparing))
    }

    /// What products of fewer variables with so many vectors at a time hold at most; `None` where
    /// samples are evaluated in several micro-batches: with fewer variables more of them may be
    /// kept.
    #[must_use]
    pub fn memory_of_parts(&self, vectors: usize) -> Option<usize> {
        let [residuals, one, preparing] = self.compiled.memory;
        let all = residuals.saturating_add(one.saturating_mul(vectors).max(preparing));
        (self.compiled.split.count == 1).then_some(all)
    }

    /// In how many micro-batches the samples are evaluated.
    #[must_use]
    pub fn micro_batches(&self) -> usize {
        self.compiled.split.count
    }

    /// Mv for each row v of `vectors` \[K, P\], the variables of the group laid end to end: \[K,
    /// P\].
    ///
    /// # Errors
    /// When the shape does not fit or a tensor operation fails.
    pub fn apply_rows(&self, vectors: &Tensor) -> Result<Tensor> {
        let k = self.vectors(vectors.dims())?;
        if k <= self.compiled.block {
            return self.apply_block(vectors);
        }
        let products = Tensor::zeros((k, self.compiled.dimension), self.point.dtype(), vectors.device())?;
        for start in (0..k).step_by(self.compiled.block) {
            let rows = vectors.narrow(0, start, self.compiled.block.min(k - start))?;
            products.slice_set(&self.apply_block(&rows)?, 0, start)?;
        }
        Ok(products)
    }

    /// As [`Self::apply_rows`], between numbers where the backend keeps them: what a basis of many
    /// vectors that lies there needs, beside the algebra of the backend.
    ///
    /// # Errors
    /// As [`Self::apply_rows`].
    pub fn apply_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        let backend = &*self.point.backend;
        let k = self.vectors(vectors.dims())?;
        if k <= self.compiled.block {
            return self.apply_placed_block(vectors);
        }
        let mut products = Vec::with_capacity(k);
        for rows in backend.rows(vectors)?.chunks(self.compiled.block) {
            products.extend(backend.rows(&self.apply_placed_block(&backend.stack(rows)?)?)?);
        }
        backend.stack(&products)
    }

    /// K for vectors \[K, P\].
    fn vectors(&self, dims: &[usize]) -> Result<usize> {
        match dims {
            &[k, p] if p == self.compiled.dimension => Ok(k),
            other => {
                let problem = format!("needs vectors [K, {}], not {other:?}", self.compiled.dimension);
                Err(Error::shape("product", problem))
            }
        }
    }

    /// Whether each micro-batch has variables of its own.
    fn is_joined(&self) -> bool {
        self.compiled.split.count > 1 && self.compiled.by_sample
    }

    /// Vectors of one block.
    fn apply_block(&self, vectors: &Tensor) -> Result<Tensor> {
        if self.is_joined() {
            return self.join(vectors);
        }
        self.apply_at_once(&self.point.backend.place(vectors)?)?.to_host()
    }

    /// As [`Self::apply_block`], between numbers where the backend keeps them.
    fn apply_placed_block(&self, vectors: &Buffer) -> Result<Buffer> {
        match self.is_joined() {
            // In f32 the shares are rounded otherwise there.
            true if self.point.backend.is_host() => Ok(self.join(&vectors.to_host()?)?.into()),
            true => self.join_placed(vectors),
            false => self.apply_at_once(vectors),
        }
    }

    /// Vectors of one block, whose variables all micro-batches share.
    fn apply_at_once(&self, vectors: &Buffer) -> Result<Buffer> {
        match self.compiled.split.count {
            1 => self.with_product(0, |whole| whole.apply_placed(vectors)),
            _ => self.sum(vectors),
        }
    }

    /// Σ_b (n_b/N) M_b v.
    fn sum(&self, vectors: &Buffer) -> Result<Buffer> {
        /// So many terms take no more memory than their sum in f64 and one term.
        const TERMS: usize = 3;
        let parts = self.compiled.program(0)?.parts();
        let (lens, dtype, backend) = (parts.lens(), self.point.dtype(), &*self.point.backend);
        let add_up = |terms: &mut Vec<(f64, Vec<Buffer>)>, to| {
            let sum = backend.join(terms, &lens, vectors.dims()[0], to);
            // Programs have no use for what is in another type.
            let used = terms.iter().flat_map(|(_, results)| results);
            let used: Vec<Buffer> = used.filter(|part| part.dtype() == dtype).cloned().collect();
            backend.recycle(&used);
            terms.clear();
            sum
        };
        let terms = Vec::with_capacity(TERMS);
        let batches = self.compiled.split.parts();
        let mut terms = batches.fold(&self.interrupt, terms, |mut terms, Part { index, share, .. }| {
            if terms.len() == TERMS {
                let sum = add_up(&mut terms, DType::F64)?;
                terms.push((1.0, parts.cut(backend, &sum)?));
            }
            terms.push((share, self.with_product(index, |p| p.results(vectors))?));
            Ok::<_, Error>(terms)
        })?;
        add_up(&mut terms, dtype)
    }

    /// (n_b/N) M_b v_b, where v_b holds the variables of the samples of b: M is block-diagonal.
    fn join(&self, vectors: &Tensor) -> Result<Tensor> {
        let a_sample = self.compiled.dimension / self.compiled.split.samples;
        let batches = self.compiled.split.parts();
        let products = batches.fold(&self.interrupt, Vec::new(), |mut products, part| {
            let Part { index, range, share } = part;
            let vectors = vectors.narrow(1, range.start * a_sample, range.len() * a_sample)?.contiguous()?;
            let product = self.with_product(index, |product| product.apply_rows(&vectors))?;
            products.push(product.affine(share, 0.0)?);
            Ok::<_, Error>(products)
        })?;
        Ok(Tensor::cat(&products, D::Minus1)?)
    }

    /// As [`Self::join`], between numbers where the backend keeps them.
    fn join_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        let (backend, dtype, k) = (&*self.point.backend, self.point.dtype(), vectors.dims()[0]);
        let a_sample = self.compiled.dimension / self.compiled.split.samples;
        let batches = self.compiled.split.parts();
        let lens: Vec<usize> =
            (0..self.compiled.split.count).map(|index| batches.range(index).len() * a_sample).collect();
        // A part is [K, n], of one vector as well.
        let shape = |&len: &usize| if k == 1 { vec![1, len] } else { vec![len] };
        let parts = backend.cut(vectors, &lens.iter().map(shape).collect::<Vec<_>>())?;
        let products =
            batches.fold(&self.interrupt, Vec::new(), |mut products, Part { index, share, .. }| {
                let product = self.with_product(index, |product| product.apply_placed(&parts[index]))?;
                products.push(backend.join(&[(share, vec![product])], &lens[index..=index], k, dtype)?);
                Ok::<_, Error>(products)
            })?;
        backend.join(&[(1.0, products)], &lens, k, dtype)
    }

    fn with_product<R>(&self, index: usize, f: impl FnOnce(&Product) -> Result<R>) -> Result<R> {
        match self.kept()?.get(index) {
            Some(product) => f(product),
            None => f(&self.evaluate(index)?),
        }
    }

    fn kept(&self) -> Result<&[Product]> {
        if let Some(kept) = self.kept.get() {
            return Ok(kept);
        }
        let kept = (0..self.compiled.split.kept).map(|index| {
            self.interrupt.check()?;
            self.evaluate(index)
        });
        let kept = kept.collect::<Result<_>>()?;
        Ok(self.kept.get_or_init(|| kept))
    }

    fn evaluate(&self, index: usize) -> Result<Product> {
        let range = self.compiled.split.parts().range(index);
        self.compiled.program(index)?.at_placed(&self.point.narrow(range)?)
    }

    /// Floating-point operations of one product, residuals that are evaluated again included.
    #[must_use]
    pub fn flops(&self) -> usize {
        let flops = |index: usize| {
            let facts = self.compiled.facts(index);
            facts.flops + if index < self.compiled.split.kept { 0 } else { facts.preparing_flops }
        };
        (0..self.compiled.split.count).map(flops).sum()
    }
}

impl Drop for StreamedProduct {
    fn drop(&mut self) {
        self.point.backend.release();
    }
}
