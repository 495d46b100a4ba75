//! Products of rows in a backend's memory.

use std::ops::Range;

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Buffer, Error, Result};

use super::{
    Batch, PlacedRows, Stored,
    deviation::Deviation,
    outer::OuterProduct,
    programs::{RowProgram, chunks},
    shape::RowShape,
    sums::{RowSum, SquareSum},
};

/// A piece of a product of [`PlacedRows`].
pub struct PlacedProduct {
    /// The rows of the piece.
    pub rows: Range<usize>,
    /// The columns of the piece.
    pub columns: Range<usize>,
    /// The piece, in f64 on the host.
    pub values: Tensor,
}

impl PlacedRows {
    /// ΦΨᵀ for the columns of one variable, piece by piece, where Ψ are the rows in `before`, or Φ
    /// itself (`None`; the pieces then cover the lower half). Row n·R + r of Φ belongs to column r
    /// of the loss factor of the n-th of its samples.
    ///
    /// # Errors
    /// When an operation or `add` fails.
    pub fn products<E: From<Error>>(
        &self,
        variable: usize,
        before: Option<&Self>,
        mut add: impl FnMut(PlacedProduct) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, left) in self.batches.iter().enumerate() {
            let others = before.map_or(&self.batches[..index], |before| &before.batches);
            for right in others {
                add(self.product(variable, left, Some(right))?)?;
            }
            if before.is_none() {
                add(self.product(variable, left, None)?)?;
            }
        }
        Ok(())
    }

    /// The product of the rows of two micro-batches, or of one with itself (`None`).
    fn product(&self, variable: usize, left: &Batch, right: Option<&Batch>) -> Result<PlacedProduct> {
        let batches = [left, right.unwrap_or(left)];
        let samples = batches.map(|batch| batch.samples.len());
        let others = right.map(|_| samples[1]);
        let sides = [Some(left), right].into_iter().flatten();
        let sides: Vec<&Stored> = sides.map(|batch| &batch.variables[variable]).collect();
        let product = match self.forms[variable].outer(self.all) {
            None => {
                let product = self.of_explicit(&sides, (samples[0], others))?;
                self.run(RowProgram::BySample { rank: self.rank, samples }, vec![product])?
            }
            Some([positions, left, right]) => {
                let (rank, slab) = (self.rank, self.tiles.slab);
                let samples = samples[0];
                let product = OuterProduct { rank, samples, others, positions, left, right, slab };
                let inputs = sides.iter().flat_map(|side| side.buffers()).cloned();
                self.run(RowProgram::Outer(product), inputs.collect())?
            }
        };
        let values = product.to_host()?;
        let [rows, columns] =
            batches.map(|Batch { samples, .. }| samples.start * self.rank..samples.end * self.rank);
        Ok(PlacedProduct { rows, columns, values })
    }

    fn of_explicit(&self, sides: &[&Stored], (samples, others): (usize, Option<usize>)) -> Result<Buffer> {
        let mut sum = None;
        for part in 0..sides[0].left.first().map_or(0, Vec::len) {
            let columns = sides[0].left[0][part].dims()[1];
            let (rank, adds) = (self.rank, sum.is_some());
            let program = RowProgram::Rows(RowSum { rank, samples, others, columns, adds });
            let rows = sides.iter().flat_map(|side| &side.left).map(|parts| parts[part].clone());
            sum = Some(self.run(program, sum.into_iter().chain(rows).collect())?);
        }
        sum.ok_or_else(|| Error::shape("rows", "there are no columns"))
    }

    /// ΦᵀΦ for the columns of some variables together, piece by piece; the pieces cover the lower
    /// half.
    ///
    /// # Errors
    /// When an operation or `add` fails.
    pub fn squares<E: From<Error>>(
        &self,
        variables: &[usize],
        mut add: impl FnMut(PlacedProduct) -> Result<(), E>,
    ) -> Result<(), E> {
        let shapes: Vec<RowShape> = variables.iter().map(|&variable| self.shape(variable)).collect();
        let dimension: usize = shapes.iter().map(RowShape::columns).sum();
        let together = (self.tiles.slab / dimension.max(1)).max(1);
        for stripe in chunks(0..dimension, together) {
            let mut sum = None;
            for batch in &self.batches {
                let square = SquareSum {
                    rank: self.rank,
                    samples: batch.samples.len(),
                    variables: shapes.clone(),
                    stripe: stripe.clone(),
                    together,
                    adds: sum.is_some(),
                };
                let rows = variables.iter().flat_map(|&variable| batch.variables[variable].buffers());
                let inputs = sum.into_iter().chain(rows.cloned()).collect();
                sum = Some(self.run(RowProgram::Squares(square), inputs)?);
            }
            if let Some(sum) = sum {
                let values = sum.to_host()?;
                add(PlacedProduct { rows: stripe.clone(), columns: 0..stripe.end, values })?;
            }
        }
        Ok(())
    }

    fn shape(&self, variable: usize) -> RowShape {
        let form = self.forms[variable];
        match form.outer(self.all) {
            Some([positions, left, right]) => RowShape::Outer { positions, left, right },
            None => RowShape::Explicit(self.tiles.parts(form.shapes()[0].iter().product())),
        }
    }

    /// \[Σ(φ̃ − φ)², Σφ²\] of each variable, for these rows φ̃ of one sample and the exact rows φ.
    pub(crate) fn deviations(&self, exact: &Self) -> Result<Vec<[f64; 2]>> {
        let sums = (0..self.forms.len()).map(|variable| {
            let stored = [self, exact].into_iter().flat_map(|rows| &rows.batches);
            let buffers = stored.flat_map(|batch| batch.variables[variable].buffers());
            let deviation = Deviation { rank: self.rank, rows: self.shape(variable) };
            self.run(RowProgram::Deviation(deviation), buffers.cloned().collect())
        });
        // Copied after all of them are begun, so that the backend does not wait for the host.
        let sums = Buffer::all_to_host(sums.collect::<Result<_>>()?)?;
        let pair = |sums: Tensor| match sums.flatten_all()?.to_vec1::<f64>()?.as_slice() {
            &[error, norm] => Ok([error, norm]),
            sums => Err(Error::shape("deviation", format!("{} numbers", sums.len()))),
        };
        sums.into_iter().map(pair).collect()
    }

    fn run(&self, program: RowProgram, inputs: Vec<Buffer>) -> Result<Buffer> {
        let program = self.programs.get(program)?;
        Ok(program.run_placed(&*self.backend, inputs, DType::F64, DType::F64)?.remove(0))
    }
}
