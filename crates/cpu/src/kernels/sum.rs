//! Sums over axes.

use candle_core::Tensor;
use eigenscape_runtime::Instruction;

use super::fused::fused_sum;
use crate::Result;

/// The sum of `x` over `axes`, which keep the size 1.
pub(crate) fn sum(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    fused_sum(&[Instruction::Operand(0)], &[x], x.dims(), axes)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    #[test]
    fn agrees_with_candle_on_every_choice_of_axes() -> crate::Result<()> {
        let x = Tensor::randn(0.0_f64, 1.0, (3, 4, 5, 37), &Device::Cpu)?;
        for mask in 0_usize..16 {
            let axes: Vec<usize> = (0..4).filter(|axis| mask >> axis & 1 == 1).collect();
            let expected = x.sum_keepdim(axes.as_slice())?;
            let error = (super::sum(&x, &axes)? - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-12, "axes {axes:?}: {error}");
        }
        Ok(())
    }
}
