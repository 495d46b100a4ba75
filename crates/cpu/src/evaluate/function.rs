//! Element-wise functions.

use eigenscape_program::ElementwiseFunction as Function;
use eigenscape_runtime::ElementWise;

use crate::kernels::{self, Element, View};

pub(super) fn evaluate<T: Element>(function: Function, x: View<'_, T>, out: &mut [T]) {
    let (zero, one) = (T::zero(), T::one());
    let number = |value: f64| T::from_f64(value);
    match function {
        Function::Relu => kernels::element_wise(ElementWise::Relu, x, out),
        Function::Step { slope } => kernels::element_wise(ElementWise::Step(slope), x, out),
        Function::LeakyRelu { slope } => {
            let slope = number(slope.0);
            kernels::map(&x, out, |x| if x > zero { x } else { slope * x });
        }
        Function::Tanh => kernels::map(&x, out, T::tanh),
        Function::Sigmoid => kernels::map(&x, out, sigmoid),
        Function::SigmoidComplement => kernels::map(&x, out, |x| sigmoid(-x)),
        Function::Softplus => {
            kernels::map(&x, out, |x| (if x > zero { x } else { zero }) + (-x.abs()).exp().ln_1p());
        }
        Function::Elu { order } => kernels::map(&x, out, |x| match order {
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
            // From the second derivative on, x = 0 counts as positive, as in PyTorch.
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
            kernels::map(&x, out, |x| half * (scale * x).erfc());
        }
        Function::Exp => kernels::map(&x, out, T::exp),
        Function::Log => kernels::map(&x, out, T::ln),
        Function::LogOnePlus => kernels::map(&x, out, T::ln_1p),
        Function::Sin => kernels::map(&x, out, T::sin),
        Function::Cos => kernels::map(&x, out, T::cos),
        Function::Atan => kernels::map(&x, out, T::atan),
        Function::Sqrt => kernels::map(&x, out, T::sqrt),
        Function::Recip => kernels::map(&x, out, T::recip),
        Function::Floor => kernels::map(&x, out, T::floor),
    }
}

fn sigmoid<T: Element>(x: T) -> T {
    // Both branches avoid the overflow of e^|x|.
    let small = (-x.abs()).exp();
    if x >= T::zero() { (T::one() + small).recip() } else { small / (T::one() + small) }
}
