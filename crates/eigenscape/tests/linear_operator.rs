//! Operators in faer's solvers when a product fails.

use eigenscape::{
    CurvatureOperator, Error, ExactFactor, LinearOperator, Result,
    candle_core::{DType, Device, Tensor},
    faer::{
        Mat, Par,
        dyn_stack::{MemBuffer, MemStack, StackReq},
        matrix_free::{BiLinOp, LinOp},
    },
};

/// A symmetric matrix in f32, whose products may fail.
struct Small {
    fails: bool,
}

impl CurvatureOperator for Small {
    fn dimension(&self) -> usize {
        2
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn description(&self) -> String {
        "small".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        if self.fails {
            return Err(Error::input("small", "it fails", "do not ask"));
        }
        assert_eq!(vectors.dtype(), DType::F32);
        Ok(vectors.matmul(&Tensor::new(&[[2.0_f32, 1.0], [1.0, -3.0]], &Device::Cpu)?)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        Err(Error::input("small", "it has no factor", "use dense"))
    }
}

fn stack() -> MemBuffer {
    MemBuffer::new(StackReq::EMPTY)
}

#[test]
fn all_four_products_are_the_same() {
    let small = Small { fails: false };
    let operator = LinearOperator::new(&small).damped(0.5);
    let rhs = Mat::from_fn(2, 3, |i, k| (i + 2 * k) as f64);
    let expected = Mat::from_fn(2, 3, |i, k| {
        let (x, y) = (rhs[(0, k)], rhs[(1, k)]);
        if i == 0 { 2.5 * x + y } else { x - 2.5 * y }
    });
    let mut memory = stack();
    let stack = MemStack::new(&mut memory);
    let mut out = Mat::zeros(2, 3);
    operator.apply(out.as_mut(), rhs.as_ref(), Par::Seq, stack);
    assert_eq!(out, expected);
    operator.conj_apply(out.as_mut(), rhs.as_ref(), Par::Seq, stack);
    assert_eq!(out, expected);
    operator.transpose_apply(out.as_mut(), rhs.as_ref(), Par::Seq, stack);
    assert_eq!(out, expected);
    operator.adjoint_apply(out.as_mut(), rhs.as_ref(), Par::Seq, stack);
    assert_eq!(out, expected);
    operator.check().unwrap();
    operator.apply(Mat::zeros(2, 0).as_mut(), Mat::zeros(2, 0).as_ref(), Par::Seq, stack);
    assert!(format!("{operator:?}").contains("small"));
}

#[test]
fn a_product_that_fails_is_nan_and_its_error_is_kept() {
    let operator = LinearOperator::new(&Small { fails: true });
    let mut memory = stack();
    let mut out = Mat::zeros(2, 1);
    operator.apply(
        out.as_mut(),
        Mat::from_fn(2, 1, |_, _| 1.0).as_ref(),
        Par::Seq,
        MemStack::new(&mut memory),
    );
    assert!(out.col(0).iter().all(|x: &f64| x.is_nan()));
    assert!(operator.check().unwrap_err().to_string().contains("it fails"));
    operator.check().unwrap();
}
