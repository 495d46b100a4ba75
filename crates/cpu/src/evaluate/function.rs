//! Element-wise functions.

use eigenscape_program::ElementwiseFunction as Function;
use eigenscape_runtime::ElementWise;

use crate::kernels::{
    self, Element, Exp, Log, NormalCdf, Sigmoid, SigmoidComplement, Tanh, View, transcendental,
};

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
        Function::Tanh => transcendental::<Tanh, T>(&x, out),
        Function::Sigmoid => transcendental::<Sigmoid, T>(&x, out),
        Function::SigmoidComplement => transcendental::<SigmoidComplement, T>(&x, out),
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
        Function::NormalCdf => transcendental::<NormalCdf, T>(&x, out),
        Function::Exp => transcendental::<Exp, T>(&x, out),
        Function::Log => transcendental::<Log, T>(&x, out),
        Function::LogOnePlus => kernels::map(&x, out, T::ln_1p),
        Function::Sin => kernels::map(&x, out, T::sin),
        Function::Cos => kernels::map(&x, out, T::cos),
        Function::Atan => kernels::map(&x, out, T::atan),
        Function::Sqrt => kernels::map(&x, out, T::sqrt),
        Function::Recip => kernels::map(&x, out, T::recip),
        Function::Floor => kernels::map(&x, out, T::floor),
    }
}
