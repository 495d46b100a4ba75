//! Rows of a factor that stay in the memory of a backend, where they are multiplied in f64: of all
//! that backward passes compute, only the products are copied to the host.

mod deviation;
mod outer;
mod products;
mod programs;
mod shape;
mod sums;
mod tiles;

use std::{ops::Range, sync::Arc};

use candle_core::{DType, Device};
use eigenscape_runtime::{Backend, Buffer, Error, Result};

pub use self::products::PlacedProduct;
use self::programs::RowProgram;
pub(crate) use self::{programs::RowPrograms, tiles::Tiles};
use super::rows::{Form, unit_vectors};

/// Rows of a factor Φ for some samples, in the memory of a backend; Φ has R rows per sample.
pub struct PlacedRows {
    backend: Arc<dyn Backend>,
    programs: Arc<RowPrograms>,
    /// R.
    rank: usize,
    /// The number of samples of the whole factor.
    all: usize,
    forms: Vec<Form>,
    tiles: Tiles,
    batches: Vec<Batch>,
}

/// The rows of one micro-batch.
struct Batch {
    /// Among the samples of the [`PlacedRows`].
    samples: Range<usize>,
    variables: Vec<Stored>,
}

/// The rows of one variable for n samples.
struct Stored {
    /// For each cotangent: the parts \[n, columns\] of explicit rows, or one factor \[n, P, o\] of
    /// outer products.
    left: Vec<Vec<Buffer>>,
    /// The other factor \[n, P, i\] of outer products.
    right: Option<Buffer>,
}

impl Stored {
    /// All of it, in the order in which programs take it.
    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.left.iter().flatten().chain(&self.right)
    }
}

impl PlacedRows {
    /// No rows yet, of a factor with R = `rank` rows for each of `all` samples.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        programs: Arc<RowPrograms>,
        forms: Vec<Form>,
        [rank, all]: [usize; 2],
        tiles: Tiles,
    ) -> Self {
        Self { backend, programs, rank, all, forms, tiles, batches: Vec::new() }
    }

    /// Begins the rows of a micro-batch, whose first sample is number `first` of the factor's.
    pub(crate) fn begin(&mut self, samples: Range<usize>, first: usize) -> Result<()> {
        let stored = |form: &Form| {
            let right = match form {
                Form::Activation { .. } => Some(self.units(first..first + samples.len())?),
                _ => None,
            };
            Ok(Stored { left: Vec::new(), right })
        };
        let variables = self.forms.iter().map(stored).collect::<Result<_>>()?;
        self.batches.push(Batch { samples, variables });
        Ok(())
    }

    /// The unit vectors of `samples`, by which the rows of an activation are outer products.
    fn units(&self, samples: Range<usize>) -> Result<Buffer> {
        let shape = (samples.len(), 1, self.all);
        self.backend.place(&unit_vectors(samples, self.all, DType::F32, &Device::Cpu)?.reshape(shape)?)
    }

    /// Stores the results of a backward pass for the next cotangent of the latest micro-batch.
    pub(crate) fn put(&mut self, results: Vec<Buffer>) -> Result<()> {
        let Some(Batch { samples, mut variables }) = self.batches.pop() else {
            return Err(Error::shape("rows", "there is no micro-batch for them"));
        };
        let (n, mut results) = (samples.len(), results.into_iter());
        for (form, stored) in self.forms.iter().zip(&mut variables) {
            let mut of_samples = form.shapes().into_iter().zip(&mut results);
            if let Some((shape, left)) = of_samples.next() {
                let left = self.of_each_sample(left, n, &shape)?;
                stored.left.push(match *form {
                    Form::Explicit { len } => self.in_parts(left, n, len)?,
                    _ => vec![left],
                });
            }
            // The inputs are the same in every backward pass.
            if let Some((shape, right)) = of_samples.next()
                && stored.right.is_none()
            {
                stored.right = Some(self.of_each_sample(right, n, &shape)?);
            }
        }
        self.batches.push(Batch { samples, variables });
        Ok(())
    }

    /// A result with an entry of this shape for each of `samples` samples. One that is the same for
    /// all samples is repeated.
    fn of_each_sample(&self, result: Buffer, samples: usize, shape: &[usize]) -> Result<Buffer> {
        // A result that is an input of the program has the input's type.
        let result = match result.dtype().is_float() {
            true => result,
            false => self.backend.place(&result.to_host()?.to_dtype(DType::F32)?)?,
        };
        if result.dims() != shape {
            return Ok(result);
        }
        let program = self.programs.get(RowProgram::Repeated { shape: shape.to_vec(), samples })?;
        let dtype = result.dtype();
        Ok(program.run_placed(&*self.backend, vec![result], dtype, dtype)?.remove(0))
    }

    fn in_parts(&self, rows: Buffer, samples: usize, len: usize) -> Result<Vec<Buffer>> {
        let parts = self.tiles.parts(len);
        if parts.len() < 2 {
            return Ok(vec![rows]);
        }
        // A single row is cut into parts without a leading axis.
        let shape = |columns: usize| if samples == 1 { vec![1, columns] } else { vec![columns] };
        self.backend.cut(&rows, &parts.into_iter().map(shape).collect::<Vec<_>>())
    }
}
