//! Residuals: the numbers of a cached linear program.

use candle_core::{DType, Tensor};

use crate::{error::Result, kernels, primitive::Place, program::Program};

/// The outputs of `prefix`, evaluated in f64 and rounded once to the type of `place`, each as soon as no step needs it.
///
/// In f32 the rounding errors of a deep network put some units on the other side of a kink, and each is an error in every product
/// (together 1e-4 of a product with the Hessian of a ResNet18). Residuals are evaluated once for hundreds of products, so that f64
/// costs next to nothing.
pub(crate) fn evaluate_residuals(prefix: &Program, place: &Place, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let exact = Place { dtype: DType::F64, ..place.clone() };
    let residuals = prefix.evaluate_rounded(&exact, inputs.to_vec(), place.dtype)?;
    // What comes next is smaller, and in another type.
    kernels::release();
    Ok(residuals)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::Graph;

    /// Outputs that later steps use, views of which are outputs too, or that nothing uses; large enough to be recycled.
    #[test]
    fn are_what_rounding_at_the_end_gives() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[64, 128]);
        let exp = graph.function(crate::ElementwiseFunction::Exp, x)?;
        let view = graph.reshape(exp, &[128, 64])?;
        let flipped = graph.permute(exp, &[1, 0])?;
        let square = graph.mul(view, flipped)?;
        let mut last = square;
        for _ in 0..4 {
            last = graph.function(crate::ElementwiseFunction::Tanh, last)?;
        }
        let outputs = [exp, view, x, square, last];
        let program = Program::new(&graph, &[x], &outputs)?;
        let place = Place { dtype: DType::F32, device: Device::Cpu };
        let inputs = [Tensor::randn(0.0_f32, 1.0, (64, 128), &Device::Cpu)?];
        let exact = Place { dtype: DType::F64, ..place.clone() };
        let at_the_end = program.evaluate(&exact, &[inputs[0].to_dtype(DType::F64)?])?;
        for _ in 0..2 {
            let found = evaluate_residuals(&program, &place, &inputs)?;
            for (found, expected) in found.iter().zip(&at_the_end) {
                let expected = expected.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
                assert_eq!((found.dtype(), found.flatten_all()?.to_vec1::<f32>()?), (DType::F32, expected));
            }
        }
        Ok(())
    }

    #[test]
    fn are_rounded_once() -> Result<()> {
        // 1 + 1e-8 − 1: nothing is left of it in f32.
        let mut graph = Graph::default();
        let x = graph.input("x", &[]);
        let (one, small) = (graph.fill(1.0, &[])?, graph.scale(x, 1e-8)?);
        let sum = graph.add(small, one)?;
        let rest = graph.sub(sum, one)?;
        let program = Program::new(&graph, &[x], &[rest])?;
        let place = Place { dtype: DType::F32, device: Device::Cpu };
        let inputs = [Tensor::new(1_f32, &Device::Cpu)?];
        let rest = evaluate_residuals(&program, &place, &inputs)?.remove(0);
        assert_eq!(rest.dtype(), DType::F32);
        assert!((rest.to_scalar::<f32>()? - 1e-8).abs() < 1e-15);
        Ok(())
    }
}
