//! Test operators with known matrices, spectra and factors.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{CurvatureOperator, Error, ExactFactor, FactorColumns, FactorSource, Random, Result};
use eigenscape_curvature::{Factor, RowSize, Rows};
use faer::{Mat, Side};
use rand::RngExt;
use rand_distr::StandardNormal;

/// A symmetric matrix, as an operator.
#[derive(Clone)]
pub struct DenseOperator {
    /// [P, P] in the operator's type; [1, P] for a diagonal matrix.
    matrix: Tensor,
    factor: Option<(Arc<KnownFactor>, Vec<usize>)>,
    calls: Arc<AtomicUsize>,
}

impl DenseOperator {
    /// Q Λ Qᵀ with a random orthogonal Q.
    pub fn with_spectrum(spectrum: &[f64], seed: u64, dtype: DType) -> Self {
        let n = spectrum.len();
        let q = normal(n, n, seed).qr().compute_Q();
        let matrix = Mat::from_fn(n, n, |i, j| {
            let (low, high) = (i.min(j), i.max(j));
            (0..n).map(|k| q[(low, k)] * spectrum[k] * q[(high, k)]).sum::<f64>()
        });
        Self::new(tensor(&matrix, dtype), None)
    }

    /// Σ λₖ uₖ uₖᵀ, where uₖ are the orthogonal vectors `columns`, normalised.
    pub fn with_eigenvectors<const N: usize>(
        columns: &[[f64; N]; N],
        spectrum: &[f64; N],
        dtype: DType,
    ) -> Self {
        let term = |k: usize, i: usize, j: usize| {
            let u = columns[k];
            spectrum[k] * u[i] * u[j] / u.iter().map(|x| x * x).sum::<f64>()
        };
        let matrix = Mat::from_fn(N, N, |i, j| (0..N).map(|k| term(k, i, j)).sum::<f64>());
        Self::new(tensor(&matrix, dtype), None)
    }

    /// The symmetric matrix with these entries.
    pub fn with_entries(n: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        Self::new(tensor(&Mat::from_fn(n, n, entry), DType::F64), None)
    }

    /// The diagonal matrix with entries i/P.
    pub fn diagonal(n: usize, dtype: DType) -> Self {
        let values: Vec<f64> = (0..n).map(|i| i as f64 / n as f64).collect();
        Self::new(Tensor::from_vec(values, (1, n), &Device::Cpu).unwrap().to_dtype(dtype).unwrap(), None)
    }

    /// ΦᵀΦ with R·N random rows. Each (P, o, i) of `outer` is a variable whose rows are sums of P
    /// outer products of o and i numbers; each entry of `explicit` is a variable with that many
    /// columns.
    pub fn with_factor(
        r: usize,
        n: usize,
        outer: impl IntoIterator<Item = (usize, usize, usize)>,
        explicit: impl IntoIterator<Item = usize>,
        seed: u64,
        dtype: DType,
    ) -> Self {
        Self::with_scaled_factor(r, n, outer, explicit, seed, dtype, |_| 1.0)
    }

    /// As [`with_factor`](Self::with_factor), where row r·N + n is multiplied by `scale` of it.
    pub fn with_scaled_factor(
        r: usize,
        n: usize,
        outer: impl IntoIterator<Item = (usize, usize, usize)>,
        explicit: impl IntoIterator<Item = usize>,
        seed: u64,
        dtype: DType,
        scale: impl Fn(usize) -> f64,
    ) -> Self {
        let scaled = |rows: Mat<f64>| Mat::from_fn(r * n, rows.ncols(), |i, j| scale(i) * rows[(i, j)]);
        let mut tensors = Vec::new();
        let mut phi: Vec<Mat<f64>> = Vec::new();
        for (seed, (p, o, i)) in (seed..).zip(outer) {
            let (l, x) = (scaled(normal(r * n, p * o, seed)), normal(n, p * i, seed + 100));
            let left = tensor(&l, dtype).reshape((r, n, p, o)).unwrap();
            let right = tensor(&x, dtype).reshape((n, p, i)).unwrap();
            let (l, x) = (matrix(&tensor(&l, dtype)), matrix(&tensor(&x, dtype)));
            phi.push(Mat::from_fn(r * n, o * i, |row, column| {
                let term = |q: usize| l[(row, q * o + column / i)] * x[(row % n, q * i + column % i)];
                (0..p).map(term).sum::<f64>()
            }));
            tensors.push(Rows::Outer { left, right });
        }
        for (seed, columns) in (seed..).zip(explicit) {
            let rows = tensor(&scaled(normal(r * n, columns, seed + 200)), dtype);
            phi.push(matrix(&rows));
            tensors.push(Rows::Explicit(rows));
        }
        Self::from_factor(KnownFactor::new(n, r, tensors, dtype), &phi, dtype)
    }

    /// ΦᵀΦ where each of n random rows appears twice, equal up to relative errors of a few ε as
    /// from a backward pass.
    pub fn with_repeated_rows(n: usize, columns: usize, seed: u64, dtype: DType) -> Self {
        let (once, noise) = (normal(n, columns, seed), normal(n, columns, seed + 1));
        let epsilon = crate::float::epsilon(dtype).unwrap();
        let again = Mat::from_fn(n, columns, |i, j| once[(i, j)] * (1.0 + 4.0 * epsilon * noise[(i, j)]));
        let rows = Tensor::cat(&[tensor(&once, dtype), tensor(&again, dtype)], 0).unwrap();
        let phi = [matrix(&rows)];
        Self::from_factor(KnownFactor::new(n, 2, vec![Rows::Explicit(rows)], dtype), &phi, dtype)
    }

    /// ΦᵀΦ with orthogonal rows of these norms.
    pub fn with_row_norms(norms: &[f64], columns: usize, dtype: DType) -> Self {
        let m = norms.len();
        let q = normal(columns, columns, 3).qr().compute_Q();
        let rows = tensor(&Mat::from_fn(m, columns, |i, j| norms[i] * q[(i, j)]), dtype);
        let phi = [matrix(&rows)];
        Self::from_factor(KnownFactor::new(m, 1, vec![Rows::Explicit(rows)], dtype), &phi, dtype)
    }

    fn from_factor(factor: KnownFactor, phi: &[Mat<f64>], dtype: DType) -> Self {
        let columns: usize = phi.iter().map(Mat::ncols).sum();
        let mut whole = Mat::<f64>::zeros(factor.samples * factor.rank, columns);
        let mut first = 0;
        for part in phi {
            whole.as_mut().subcols_mut(first, part.ncols()).copy_from(part);
            first += part.ncols();
        }
        let all = (0..factor.tensors.len()).collect();
        Self::new(tensor(&(whole.transpose() * &whole), dtype), Some((Arc::new(factor), all)))
    }

    fn new(matrix: Tensor, factor: Option<(Arc<KnownFactor>, Vec<usize>)>) -> Self {
        Self { matrix, factor, calls: Arc::default() }
    }

    /// Adds `by` to one entry of the matrix.
    pub fn perturbed(self, i: usize, j: usize, by: f64) -> Self {
        let mut entries = matrix(&self.matrix);
        entries[(i, j)] += by;
        Self::new(tensor(&entries, self.matrix.dtype()), self.factor)
    }

    /// Puts a NaN into the first row of each explicit variable.
    pub fn with_nan_in_factor(mut self) -> Self {
        if let Some((factor, _)) = &mut self.factor {
            for rows in &mut Arc::make_mut(factor).tensors {
                if let Rows::Explicit(rows) = rows {
                    let mut entries = matrix(rows);
                    entries[(0, 1)] = f64::NAN;
                    *rows = tensor(&entries, rows.dtype());
                }
            }
        }
        self
    }

    /// Limits the memory for the factor and everything computed from it to this many bytes.
    pub fn with_memory(mut self, memory: usize) -> Self {
        Arc::make_mut(&mut self.factor.as_mut().unwrap().0).memory = memory;
        self
    }

    /// The block of some variables, which shares the source of the factor.
    pub fn block(&self, variables: &[usize]) -> Self {
        let (factor, _) = self.factor.as_ref().unwrap();
        let columns = |variable: &usize| {
            let before: usize = factor.sizes()[..*variable].iter().map(|size| size.columns).sum();
            before..before + factor.sizes()[*variable].columns
        };
        let columns: Vec<usize> = variables.iter().flat_map(columns).collect();
        let all = matrix(&self.matrix);
        let block = Mat::from_fn(columns.len(), columns.len(), |i, j| all[(columns[i], columns[j])]);
        let factor = Some((Arc::clone(factor), variables.to_vec()));
        Self::new(tensor(&block, self.matrix.dtype()), factor)
    }

    /// All eigenvalues of the stored matrix, in descending order.
    pub fn eigenvalues(&self) -> Vec<f64> {
        let mut values = matrix(&self.matrix).self_adjoint_eigenvalues(Side::Lower).unwrap();
        values.reverse();
        values
    }

    pub fn trace(&self) -> f64 {
        let matrix = matrix(&self.matrix);
        (0..matrix.nrows()).map(|i| matrix[(i, i)]).sum()
    }

    /// The product with a vector, in f64.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        let matrix = matrix(&self.matrix);
        (0..vector.len()).map(|i| (0..vector.len()).map(|j| matrix[(i, j)] * vector[j]).sum()).collect()
    }

    /// How many times [`CurvatureOperator::apply`] was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl CurvatureOperator for DenseOperator {
    fn dimension(&self) -> usize {
        self.matrix.dims()[1]
    }

    fn dtype(&self) -> DType {
        self.matrix.dtype()
    }

    fn description(&self) -> String {
        "test operator".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let diagonal = self.matrix.dims()[0] == 1;
        Ok(if diagonal { vectors.broadcast_mul(&self.matrix)? } else { vectors.matmul(&self.matrix.t()?)? })
    }

    fn factor(&self) -> Result<ExactFactor> {
        match &self.factor {
            Some((factor, variables)) => {
                let source: Arc<dyn FactorSource> = factor.clone();
                Ok(ExactFactor { source, variables: variables.clone() })
            }
            None => Err(Error::input("test operator", "no factor is known", "use lanczos")),
        }
    }
}

/// A factor that is held in memory.
#[derive(Clone)]
pub struct KnownFactor {
    samples: usize,
    rank: usize,
    dtype: DType,
    memory: usize,
    /// One entry per variable.
    tensors: Vec<Rows>,
}

impl KnownFactor {
    fn new(samples: usize, rank: usize, tensors: Vec<Rows>, dtype: DType) -> Self {
        Self { samples, rank, dtype, memory: usize::MAX, tensors }
    }
}

impl FactorSource for KnownFactor {
    fn samples(&self) -> usize {
        self.samples
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn memory(&self) -> usize {
        self.memory
    }

    fn columns(&self, variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        let tensors = variables.iter().map(|&variable| self.tensors[variable].clone()).collect();
        Ok(Box::new(Self { tensors, ..self.clone() }))
    }
}

impl FactorColumns for KnownFactor {
    fn sizes(&self) -> Vec<RowSize> {
        let size = |rows: &Rows| match rows {
            Rows::Explicit(rows) => {
                let columns = rows.dims()[1];
                RowSize { columns, numbers: self.rank * columns, outer: false }
            }
            Rows::Outer { left, right } => {
                let columns = left.dims()[3] * right.dims()[2];
                let numbers = (left.elem_count() + right.elem_count()) / self.samples;
                RowSize { columns, numbers, outer: true }
            }
        };
        self.tensors.iter().map(size).collect()
    }

    fn evaluating(&self, samples: usize) -> usize {
        samples
    }

    fn rows(&self, samples: Range<usize>, _memory: usize) -> Result<Factor> {
        let narrow = |rows: &Rows| rows.narrow(samples.clone(), self.samples);
        let tensors = self.tensors.iter().map(narrow).collect::<Result<_, _>>()?;
        Ok(Factor { rows: samples.len() * self.rank, tensors })
    }
}

/// Asserts that two lists have the same length and agree within an absolute tolerance.
#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{found:?} against {expected:?}");
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "at {index}: {a} against {b}, {:e} apart", (a - b).abs());
    }
}

/// Runs `work` in a separate pool of `threads` threads.
pub fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn normal(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
    let mut generator = Random::new(seed).stream("test operator", 0);
    Mat::from_fn(rows, columns, |_, _| generator.sample(StandardNormal))
}

fn tensor(matrix: &Mat<f64>, dtype: DType) -> Tensor {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let values: Vec<f64> = (0..rows * columns).map(|k| matrix[(k / columns, k % columns)]).collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn matrix(tensor: &Tensor) -> Mat<f64> {
    let (rows, columns) = tensor.dims2().unwrap();
    let values = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    Mat::from_fn(rows, columns, |i, j| values[i * columns + j])
}
