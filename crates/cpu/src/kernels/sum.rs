//! Sums over axes.

use eigenscape_runtime::Instruction;

use super::{Element, View, Workspace, fused::fused_sum};

/// The sum of `x` over `axes`, which keep size 1.
pub(crate) fn sum<T: Element>(x: View<'_, T>, axes: &[usize], out: &mut [T], work: &mut Workspace) {
    fused_sum(&[Instruction::Operand(0)], &[x], (x.dims, axes), out, work);
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::kernels::testing::{Stored, made};

    #[test]
    fn agrees_with_candle_on_every_choice_of_axes() -> crate::Result<()> {
        let x = Tensor::randn(0.0_f64, 1.0, (3, 4, 5, 37), &Device::Cpu)?;
        let stored = Stored::<f64>::of(&x)?;
        for mask in 0_usize..16 {
            let axes: Vec<usize> = (0..4).filter(|axis| mask >> axis & 1 == 1).collect();
            let expected = x.sum_keepdim(axes.as_slice())?;
            let ours = made(expected.dims(), |out| {
                sum(stored.view(), &axes, out, &mut Workspace::on_heap());
            })?;
            let error = (ours - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-12, "axes {axes:?}: {error}");
        }
        Ok(())
    }
}
