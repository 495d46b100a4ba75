//! Products over all samples.

use std::sync::OnceLock;

use candle_core::{D, DType, Tensor};
use eigenscape_runtime::{Buffer, Error, Interrupt, Part, Result};

use super::{compiled::CompiledProduct, independence};
use crate::{placed::PlacedPoint, product::Product};

/// v ↦ Mv for a symmetric matrix M of one group, a mean over all samples. Nothing is evaluated
/// before the first application.
pub struct StreamedProduct {
    point: PlacedPoint,
    compiled: CompiledProduct,
    interrupt: Interrupt,
    /// The products of the first micro-batches, which keep their residuals.
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

    /// The most bytes held between and during products with `vectors` vectors at a time, in
    /// addition to the point, the vectors and their products.
    #[must_use]
    pub fn memory(&self, vectors: usize) -> usize {
        let [residuals, one, preparing] = self.compiled.memory;
        residuals.saturating_add(one.saturating_mul(self.compiled.block.min(vectors)).max(preparing))
    }

    /// The most bytes that products for some of the variables hold, with `vectors` vectors at a
    /// time; `None` with several micro-batches, since more of them may keep their residuals if
    /// there are fewer variables.
    #[must_use]
    pub fn memory_of_parts(&self, vectors: usize) -> Option<usize> {
        let [residuals, one, preparing] = self.compiled.memory;
        let all = residuals.saturating_add(one.saturating_mul(vectors).max(preparing));
        (self.compiled.split.count == 1).then_some(all)
    }

    /// The number of micro-batches into which the samples are split.
    #[must_use]
    pub fn micro_batches(&self) -> usize {
        self.compiled.split.count
    }

    /// Mv for each row v of `vectors` \[K, P\], in which the variables of the group are
    /// concatenated; returns \[K, P\].
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

    /// As [`Self::apply_rows`], for vectors and products in the backend's memory: a basis of many
    /// vectors can stay there.
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

    /// K, the number of vectors \[K, P\].
    fn vectors(&self, dims: &[usize]) -> Result<usize> {
        match dims {
            &[k, p] if p == self.compiled.dimension => Ok(k),
            other => {
                let problem = format!("needs vectors [K, {}], not {other:?}", self.compiled.dimension);
                Err(Error::shape("product", problem))
            }
        }
    }

    /// Whether there are several micro-batches, each with its own variables, whose products are
    /// joined.
    fn is_joined(&self) -> bool {
        self.compiled.split.count > 1 && self.compiled.by_sample
    }

    /// The products with one block of vectors.
    fn apply_block(&self, vectors: &Tensor) -> Result<Tensor> {
        if self.is_joined() {
            return self.join(vectors);
        }
        self.apply_at_once(&self.point.backend.place(vectors)?)?.to_host()
    }

    /// As [`Self::apply_block`], for vectors and products in the backend's memory.
    fn apply_placed_block(&self, vectors: &Buffer) -> Result<Buffer> {
        match self.is_joined() {
            // `join_placed` rounds the shares differently in f32, so that the host always uses
            // `join`.
            true if self.point.backend.is_host() => Ok(self.join(&vectors.to_host()?)?.into()),
            true => self.join_placed(vectors),
            false => self.apply_at_once(vectors),
        }
    }

    /// The products with one block of vectors whose variables all micro-batches share.
    fn apply_at_once(&self, vectors: &Buffer) -> Result<Buffer> {
        match self.compiled.split.count {
            1 => self.with_product(0, |whole| whole.apply_placed(vectors)),
            _ if self.point.backend.is_host() => self.sum(vectors),
            _ => self.sum_placed(vectors),
        }
    }

    /// Σ_b (n_b/N) M_b v.
    fn sum(&self, vectors: &Buffer) -> Result<Buffer> {
        /// The most terms held: in f32, three take as much memory as their sum in f64 and one term.
        const TERMS: usize = 3;
        let parts = self.compiled.program(0)?.parts();
        let (lens, dtype, backend) = (parts.lens(), self.point.dtype(), &*self.point.backend);
        let add_up = |terms: &mut Vec<(f64, Vec<Buffer>)>, to| {
            let sum = backend.join(terms, &lens, vectors.dims()[0], to);
            // Programs can only reuse memory of their own type.
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

    /// As [`Self::sum`], added up in f64 in the backend's memory.
    fn sum_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        let (dtype, backend, k) = (self.point.dtype(), &*self.point.backend, vectors.dims()[0]);
        let lens = self.compiled.program(0)?.parts().lens();
        let batches = self.compiled.split.parts();
        let sum = batches.fold(&self.interrupt, None, |sum, Part { index, share, .. }| {
            let results = self.with_product(index, |product| product.results(vectors))?;
            Ok::<_, Error>(Some(match sum {
                None => backend.join(&[(share, results)], &lens, k, DType::F64)?,
                Some(sum) => backend.add(sum, share, results, &lens)?,
            }))
        })?;
        let sum = sum.ok_or_else(|| Error::shape("product", "there are no samples"))?;
        backend.join(&[(1.0, vec![sum])], &[lens.iter().sum()], k, dtype)
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

    /// As [`Self::join`], for vectors and products in the backend's memory.
    fn join_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        let (backend, dtype, k) = (&*self.point.backend, self.point.dtype(), vectors.dims()[0]);
        let a_sample = self.compiled.dimension / self.compiled.split.samples;
        let batches = self.compiled.split.parts();
        let lens: Vec<usize> =
            (0..self.compiled.split.count).map(|index| batches.range(index).len() * a_sample).collect();
        // A part has the shape [K, n], also for a single vector.
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
        if self.compiled.split.count > 1 {
            independence::check(&self.compiled.programs, &self.point)?;
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

    /// Floating-point operations of one product, including residuals that are evaluated again.
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
