//! Targets of the cross-entropy: from integer labels to rows of weights.

use candle_core::{D, DType, Tensor};

use crate::error::{Error, Result};

/// Integer labels \[N\] or \[N, T\] as the target rows \[N, C\] or \[N, T, C\] of [`Loss::CrossEntropy`](crate::Loss), in f64.
///
/// A row is (1 − ε)·onehot + ε/C for the label smoothing ε (Szegedy et al. 2016), and zeros where the label is `ignore_index`;
/// all are scaled by [`mean_rows`], so that the loss is PyTorch's
/// `cross_entropy(..., label_smoothing=ε, ignore_index=...)`: the mean over the labels that are not ignored.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let labels = Tensor::new(&[2_i64, -100, 0], &Device::Cpu)?;
/// let rows = eigenscape_autodiff::class_targets(&labels, 3, 0.0, Some(-100))?;
/// assert_eq!(rows.to_vec2::<f64>()?, [[0.0, 0.0, 1.5], [0.0; 3], [1.5, 0.0, 0.0]]);
/// # Ok::<(), eigenscape_autodiff::Error>(())
/// ```
///
/// # Errors
/// When a label that is not ignored is no class, every label is ignored, or ε is not in \[0, 1\].
pub fn class_targets(
    labels: &Tensor,
    classes: usize,
    smoothing: f64,
    ignore_index: Option<i64>,
) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(refuse(format!("the label smoothing is {smoothing}, not between 0 and 1")));
    }
    let shape: Vec<usize> = labels.dims().iter().copied().chain([classes]).collect();
    let (elsewhere, extra) = (smoothing / classes as f64, 1.0 - smoothing);
    let mut rows = vec![0.0; shape.iter().product()];
    let labels_in_order = labels.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
    for (position, &label) in labels_in_order.iter().enumerate() {
        if Some(label) == ignore_index {
            continue;
        }
        let class = usize::try_from(label).ok().filter(|class| *class < classes);
        let class = class.ok_or_else(|| {
            refuse(format!("label {position} is {label}, and there are {classes} classes, from 0"))
        })?;
        let row = &mut rows[position * classes..(position + 1) * classes];
        row.fill(elsewhere);
        row[class] += extra;
    }
    if !labels_in_order.is_empty() && labels_in_order.iter().all(|label| Some(*label) == ignore_index) {
        return Err(refuse("every label is ignored".to_owned()));
    }
    mean_rows(&Tensor::from_vec(rows, shape, labels.device())?)
}

/// Target rows \[..., C\] scaled so that the mean of their sums is 1: then a mean over all rows is the mean over those that are
/// not zero (the ignored ones), weighted by their sums. A part of a data set is scaled anew for a mean over that part. Rows of
/// zeros alone stay as they are.
///
/// # Errors
/// When a tensor operation fails.
pub fn mean_rows(targets: &Tensor) -> Result<Tensor> {
    let sums = targets.to_dtype(DType::F64)?.sum(D::Minus1)?;
    let (rows, total) = (sums.elem_count() as f64, sums.sum_all()?.to_scalar::<f64>()?);
    // Equal where no row is ignored and none smoothed: the very same numbers.
    if total == rows || total <= 0.0 { Ok(targets.clone()) } else { Ok(targets.affine(rows / total, 0.0)?) }
}

fn refuse(problem: String) -> Error {
    Error::shape("class targets", problem)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn labels<const N: usize>(labels: &[[i64; 3]; N]) -> Result<Tensor> {
        Ok(Tensor::new(labels, &Device::Cpu)?)
    }

    #[test]
    fn smoothed_rows_have_the_mean_sum_one_and_ignored_ones_are_zero() -> Result<()> {
        let rows = class_targets(&labels(&[[0, 3, -1], [2, -1, 1]])?, 4, 0.2, Some(-1))?;
        assert_eq!(rows.dims(), [2, 3, 4]);
        // Four of six labels count: 6/4 of 0.8 + 0.05 and of 0.05.
        let expected = [[1.275, 0.075, 0.075, 0.075], [0.075, 0.075, 0.075, 1.275], [0.0; 4]];
        for (row, expected) in rows.get(0)?.to_vec2::<f64>()?.iter().zip(expected) {
            assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{row:?}");
        }
        Ok(())
    }

    #[test]
    fn one_hot_rows_are_exact() -> Result<()> {
        let rows = class_targets(&Tensor::new(&[1_u32, 0], &Device::Cpu)?, 2, 0.0, None)?;
        assert_eq!(rows.to_vec2::<f64>()?, [[0.0, 1.0], [1.0, 0.0]]);
        Ok(())
    }

    #[test]
    fn a_part_is_scaled_anew() -> Result<()> {
        let rows = class_targets(&labels(&[[0, -1, -1], [1, 1, 0]])?, 2, 0.0, Some(-1))?;
        let part = mean_rows(&rows.narrow(0, 0, 1)?)?;
        assert_eq!(part.to_vec3::<f64>()?, [[[3.0, 0.0], [0.0; 2], [0.0; 2]]]);
        let none = rows.narrow(0, 0, 1)?.narrow(1, 1, 2)?;
        assert_eq!(mean_rows(&none)?.to_vec3::<f64>()?, [[[0.0; 2]; 2]]);
        Ok(())
    }

    #[test]
    fn labels_that_are_no_class_are_refused() -> Result<()> {
        let text = |result: Result<Tensor>| result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text(class_targets(&labels(&[[0, 1, 5]])?, 5, 0.0, None)).contains("label 2 is 5"));
        assert!(text(class_targets(&labels(&[[0, -100, 1]])?, 5, 0.0, None)).contains("label 1 is -100"));
        assert!(text(class_targets(&labels(&[[-1; 3]])?, 5, 0.0, Some(-1))).contains("every label"));
        assert!(text(class_targets(&labels(&[[0; 3]])?, 5, 1.5, None)).contains("smoothing"));
        Ok(())
    }
}
