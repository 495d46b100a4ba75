//! Curvature operators for faer's matrix-free solvers.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{CurvatureOperator, Error, Result};
use faer::{
    MatMut, MatRef, Par,
    dyn_stack::{MemStack, StackReq},
    matrix_free::{BiLinOp, LinOp},
};

/// A curvature operator A, or A + δI with a damping δ, as faer's [`LinOp`] and [`BiLinOp`] (A is
/// symmetric and real: it is its own transpose and conjugate).
///
/// Products are computed in the operator's own type and for all right-hand sides at once, whatever
/// `par` is. A [`LinOp`] cannot report that a product failed: the result is then NaN, so that
/// solvers give up, and [`Self::check`] returns the error. Call it before you trust a solver's
/// result.
///
/// ```
/// use eigenscape::{LinearOperator, faer::{Mat, matrix_free::LinOp}};
/// # use eigenscape::{CurvatureOperator, Error, ExactFactor, Result, candle_core::{DType, Tensor}};
/// # struct Twice;
/// # impl CurvatureOperator for Twice {
/// #     fn dimension(&self) -> usize { 3 }
/// #     fn dtype(&self) -> DType { DType::F64 }
/// #     fn description(&self) -> String { "2 I".to_owned() }
/// #     fn apply(&self, v: &Tensor) -> Result<Tensor> { Ok((v * 2.0)?) }
/// #     fn factor(&self) -> Result<ExactFactor> {
/// #         Err(Error::input("2 I", "none", "use lanczos"))
/// #     }
/// # }
/// # let curvature = Twice;
/// // Any operator: of a network, of a Candle module, of your own.
/// let operator = LinearOperator::new(&curvature).damped(0.5);
/// assert_eq!((operator.nrows(), operator.ncols()), (3, 3));
/// # use eigenscape::faer::{Par, dyn_stack::{MemBuffer, MemStack, StackReq}};
/// # let (v, mut product) = (Mat::<f64>::from_fn(3, 1, |i, _| i as f64), Mat::<f64>::zeros(3, 1));
/// # let mut memory = MemBuffer::new(StackReq::EMPTY);
/// # operator.apply(product.as_mut(), v.as_ref(), Par::Seq, MemStack::new(&mut memory));
/// # assert_eq!(product[(2, 0)], 5.0);
/// operator.check()?;
/// # Ok::<(), Error>(())
/// ```
pub struct LinearOperator<'a> {
    operator: &'a dyn CurvatureOperator,
    damping: f64,
    failure: Mutex<Option<Error>>,
}

impl<'a> LinearOperator<'a> {
    /// The operator A.
    #[must_use]
    pub fn new(operator: &'a dyn CurvatureOperator) -> Self {
        Self { operator, damping: 0.0, failure: Mutex::default() }
    }

    /// A + δI, which is positive definite for a semidefinite A and δ > 0, as conjugate gradients
    /// require.
    #[must_use]
    pub fn damped(self, damping: f64) -> Self {
        Self { damping, ..self }
    }

    /// Whether every product since the last call succeeded.
    ///
    /// # Errors
    /// The first error since the last call.
    pub fn check(&self) -> Result<()> {
        self.failure().take().map_or(Ok(()), Err)
    }

    /// The first error. A poisoned lock is valid: a panic leaves no partial state here.
    fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The products with the columns of `vectors`, as rows.
    fn products(&self, vectors: MatRef<'_, f64>) -> Result<Vec<Vec<f64>>> {
        let rows = (0..vectors.ncols()).flat_map(|k| (0..vectors.nrows()).map(move |i| vectors[(i, k)]));
        let rows = Tensor::from_iter(rows, &Device::Cpu)?.reshape((vectors.ncols(), vectors.nrows()))?;
        let products = self.operator.apply(&rows.to_dtype(self.operator.dtype())?)?;
        Ok(products.to_dtype(DType::F64)?.to_device(&Device::Cpu)?.to_vec2()?)
    }
}

impl fmt::Debug for LinearOperator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, damping, .. } = self;
        f.debug_struct("LinearOperator")
            .field("operator", &operator.description())
            .field("damping", damping)
            .finish_non_exhaustive()
    }
}

impl LinOp<f64> for LinearOperator<'_> {
    fn apply_scratch(&self, _rhs_ncols: usize, _par: Par) -> StackReq {
        StackReq::EMPTY
    }

    fn nrows(&self) -> usize {
        self.operator.dimension()
    }

    fn ncols(&self) -> usize {
        self.operator.dimension()
    }

    fn apply(&self, mut out: MatMut<'_, f64>, rhs: MatRef<'_, f64>, _par: Par, _stack: &mut MemStack) {
        if rhs.ncols() == 0 {
            return;
        }
        match self.products(rhs) {
            Ok(products) => {
                for (k, product) in products.iter().enumerate() {
                    for (i, value) in product.iter().enumerate() {
                        out[(i, k)] = value + self.damping * rhs[(i, k)];
                    }
                }
            }
            Err(error) => {
                out.fill(f64::NAN);
                self.failure().get_or_insert(error);
            }
        }
    }

    fn conj_apply(&self, out: MatMut<'_, f64>, rhs: MatRef<'_, f64>, par: Par, stack: &mut MemStack) {
        self.apply(out, rhs, par, stack);
    }
}

impl BiLinOp<f64> for LinearOperator<'_> {
    fn transpose_apply_scratch(&self, rhs_ncols: usize, par: Par) -> StackReq {
        self.apply_scratch(rhs_ncols, par)
    }

    fn transpose_apply(&self, out: MatMut<'_, f64>, rhs: MatRef<'_, f64>, par: Par, stack: &mut MemStack) {
        self.apply(out, rhs, par, stack);
    }

    fn adjoint_apply(&self, out: MatMut<'_, f64>, rhs: MatRef<'_, f64>, par: Par, stack: &mut MemStack) {
        self.apply(out, rhs, par, stack);
    }
}
