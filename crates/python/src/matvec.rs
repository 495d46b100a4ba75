//! Spectra of a symmetric matrix that Python gives by its products with vectors.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Tensor};
use eigenscape::{
    Context, CurvatureOperator, Eigenpair, Error, ExactFactor, Findings, Progress, Random, Result,
};
use eigenscape_core::{
    Interrupt,
    results::{EigenpairRecord, ProbeRecord},
};
use pyo3::{
    prelude::*,
    types::{PyByteArray, PyBytes},
};

use crate::{document, error};

/// How often signals are looked for.
const MOMENT: Duration = Duration::from_millis(50);

/// The record of the spectrum of a symmetric matrix, as JSON, and its eigenvectors, `eigenvectors`
/// of them or fewer, as numbers of type `dtype`. `products(vectors, count)` takes and
/// returns `count` vectors of `dimension` numbers of type `dtype` ("f32" or "f64"), one after the
/// other, as bytes. `settings` are those of the estimator `name` as JSON, `report(done,
/// total)` is called after products.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are the keys of one call from Python")]
pub fn spectrum_of(
    py: Python<'_>,
    products: Py<PyAny>,
    dimension: usize,
    dtype: &str,
    name: &str,
    settings: &str,
    eigenvectors: usize,
    seed: u64,
    memory: usize,
    report: Option<Py<PyAny>>,
) -> PyResult<(String, Vec<Py<PyBytes>>)> {
    let settings = document::toml(settings).map_err(|failure| error::exception(&failure))?;
    let dtype = if dtype == "f64" { DType::F64 } else { DType::F32 };
    let (raised, interrupt, start) = (Mutex::new(None), Interrupt::default(), Instant::now());
    let operator = Matvec { products, dimension, dtype, raised: &raised, interrupt: interrupt.clone() };
    let own = interrupt.clone();
    let work = move || {
        let mut estimator = eigenscape::plugins().estimators.named(name, &settings)?;
        if let Some(count) = NonZeroUsize::new(eigenvectors) {
            estimator = estimator.with_eigenvectors(count).ok_or_else(|| {
                let problem = format!("the estimator `{name}` finds none");
                Error::input("eigenvectors", problem, "use the estimator \"lanczos\" or \"dense\"")
            })?;
        }
        estimator.check(&[&operator])?;
        let progress = Report { report, total: estimator.products(dimension), done: Mutex::new(0) };
        let context = Context { random: Random::new(seed), progress: &progress, memory, interrupt: own };
        Ok(estimator.estimate_parts(&[&operator], &context)?.swap_remove(0))
    };
    let (found, signal) = heard(py, work, &interrupt);
    if let Some(signal) = signal {
        return Err(signal);
    }
    let raised = raised.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match (found, raised) {
        (_, Some(raised)) => Err(raised),
        (Err(error), None) => Err(error::of_core(error)),
        (Ok(Findings { estimate, eigenpairs, .. }), None) => {
            let of_pair = |pair: &Eigenpair| {
                Ok(EigenpairRecord {
                    value: pair.value,
                    residual: pair.residual,
                    inverse_participation_ratio: pair.inverse_participation_ratio()?,
                    file: String::new(),
                })
            };
            let records = eigenpairs.iter().map(of_pair).collect::<Result<_>>().map_err(error::of_core)?;
            let vector = |pair: &Eigenpair| {
                let bytes = bytes(&pair.vector).map_err(error::of_core)?;
                Ok(PyBytes::new(py, &bytes).unbind())
            };
            let record = ProbeRecord {
                group: "full".to_owned(),
                curvature: "operator".to_owned(),
                estimator: name.to_owned(),
                seconds: start.elapsed().as_secs_f64(),
                eigenpairs: records,
                ..ProbeRecord::from(&estimate)
            };
            let record = serde_json::to_string(&record).map_err(|error| {
                PyErr::new::<error::EigenscapeError, _>(format!("the spectrum cannot be passed on: {error}"))
            })?;
            Ok((record, eigenpairs.iter().map(vector).collect::<PyResult<_>>()?))
        }
    }
}

/// The numbers of a tensor of type f32 or f64.
fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F64 => flat.to_vec1::<f64>()?.into_iter().flat_map(f64::to_ne_bytes).collect(),
        _ => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_ne_bytes).collect(),
    })
}

/// The result of `work`, which runs on a thread of its own: signals are heard on Python's main
/// thread alone, which an estimator may leave for its threads. After a signal `interrupt` is
/// requested, and the exception returned, too.
fn heard<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T> + Send,
    interrupt: &Interrupt,
) -> (Result<T>, Option<PyErr>) {
    thread::scope(|scope| {
        let (done, wait) = mpsc::sync_channel::<()>(0);
        let work = scope.spawn(move || {
            // Dropped at the end, which wakes the other thread.
            let _done = done;
            work()
        });
        let (wait, mut signal) = (Mutex::new(wait), None);
        let is_working = || {
            let wait = wait.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            wait.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout)
        };
        while py.detach(is_working) {
            if let (None, Err(heard)) = (&signal, py.check_signals()) {
                interrupt.request();
                signal = Some(heard);
            }
        }
        let found = py.detach(|| work.join()).unwrap_or_else(|_| {
            Err(Error::input(
                "the estimator",
                "ended by a fault of Eigenscape",
                "report it, with what is printed above",
            ))
        });
        (found, signal)
    })
}

/// A symmetric matrix with products by Python.
struct Matvec<'a> {
    products: Py<PyAny>,
    dimension: usize,
    dtype: DType,
    /// The exception that a product raised.
    raised: &'a Mutex<Option<PyErr>>,
    /// Whether a signal has come.
    interrupt: Interrupt,
}

impl Matvec<'_> {
    /// The products of the vectors in `bytes`.
    fn call(&self, bytes: &[u8], count: usize) -> PyResult<Vec<u8>> {
        Python::attach(|py| {
            let products = self.products.call1(py, (PyByteArray::new(py, bytes), count))?;
            Ok(products.cast_bound::<PyBytes>(py)?.as_bytes().to_vec())
        })
    }

    /// Ends the estimator after an exception, which is kept.
    fn ended(&self, raised: PyErr) -> Error {
        *self.raised.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(raised);
        Error::Interrupted
    }
}

impl CurvatureOperator for Matvec<'_> {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn description(&self) -> String {
        "the operator".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        self.interrupt.check()?;
        let count = vectors.dim(0)?;
        let bytes = bytes(vectors)?;
        let products = self.call(&bytes, count).map_err(|raised| self.ended(raised))?;
        if products.len() != bytes.len() {
            let problem = format!("{} bytes of products came back, not {}", products.len(), bytes.len());
            return Err(Error::input(self.description(), problem, "report this as a fault of Eigenscape"));
        }
        let shape = (count, self.dimension);
        let (f32s, f64s) = (products.as_chunks::<4>().0, products.as_chunks::<8>().0);
        Ok(match self.dtype {
            DType::F64 => Tensor::from_iter(f64s.iter().map(|b| f64::from_ne_bytes(*b)), &Device::Cpu)?,
            _ => Tensor::from_iter(f32s.iter().map(|b| f32::from_ne_bytes(*b)), &Device::Cpu)?,
        }
        .reshape(shape)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        Err(Error::input(
            self.description(),
            "is known by its products alone, and has no factor",
            "use the estimator \"lanczos\", \"dense\" or \"hutchinson\"",
        ))
    }
}

/// Progress passed on to Python.
struct Report {
    report: Option<Py<PyAny>>,
    total: usize,
    done: Mutex<usize>,
}

impl Progress for Report {
    fn advance(&self, products: usize) {
        let Some(report) = &self.report else { return };
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *done += products;
        // What showing progress raises does not stop the work.
        Python::attach(|py| drop(report.call1(py, (*done, self.total))));
    }
}
