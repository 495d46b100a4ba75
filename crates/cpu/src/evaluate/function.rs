//! Element-wise functions.

use candle_core::Tensor;
use eigenscape_program::ElementwiseFunction as Function;
use eigenscape_runtime::ElementWise;

use crate::{
    Result,
    kernels::{self, Element, dispatch},
};

pub(super) fn evaluate(function: Function, x: &Tensor) -> Result<Tensor> {
    dispatch!(x, T => evaluate_in::<T>(function, x))
}

fn evaluate_in<T: Element>(function: Function, x: &Tensor) -> Result<Tensor> {
    let (zero, one) = (T::zero(), T::one());
    let number = |value: f64| T::from_f64(value);
    match function {
        Function::Relu => kernels::element_wise(ElementWise::Relu, x),
        Function::Step { slope } => kernels::element_wise(ElementWise::Step(slope), x),
        Function::LeakyRelu { slope } => {
            let slope = number(slope.0);
            kernels::map::<T>(x, |x| if x > zero { x } else { slope * x })
        }
        Function::Tanh => kernels::map::<T>(x, T::tanh),
        Function::Sigmoid => kernels::map::<T>(x, sigmoid),
        Function::SigmoidComplement => kernels::map::<T>(x, |x| sigmoid(-x)),
        Function::Softplus => {
            kernels::map::<T>(x, |x| (if x > zero { x } else { zero }) + (-x.abs()).exp().ln_1p())
        }
        Function::Elu { order } => kernels::map::<T>(x, |x| match order {
            0 => {
                if x > zero {
                    x
                } else {
                    x.exp_m1()
                }
            }
            1 => {
                if x > zero {
                    one
                } else {
                    x.exp()
                }
            }
            // From the second derivative on 0 belongs to the other side, as in PyTorch.
            _ => {
                if x < zero {
                    x.exp()
                } else {
                    zero
                }
            }
        }),
        Function::NormalCdf => {
            let (half, scale) = (number(0.5), number(-std::f64::consts::FRAC_1_SQRT_2));
            kernels::map::<T>(x, |x| half * (scale * x).erfc())
        }
        Function::Exp => kernels::map::<T>(x, T::exp),
        Function::Log => kernels::map::<T>(x, T::ln),
        Function::LogOnePlus => kernels::map::<T>(x, T::ln_1p),
        Function::Sin => kernels::map::<T>(x, T::sin),
        Function::Cos => kernels::map::<T>(x, T::cos),
        Function::Sqrt => kernels::map::<T>(x, T::sqrt),
        Function::Recip => kernels::map::<T>(x, T::recip),
    }
}

fn sigmoid<T: Element>(x: T) -> T {
    // Both branches avoid the overflow of e^|x|.
    let small = (-x.abs()).exp();
    if x >= T::zero() { (T::one() + small).recip() } else { small / (T::one() + small) }
}
