//! Targets of a mean loss: rows of weights from integer labels, and the count of each row in the
//! mean.

use candle_core::{DType, Tensor};
use eigenscape_program::ClassCoding;
use eigenscape_runtime::{Error, Result};

/// Target rows \[N, ..., C\], in the shape of the outputs, each with a count. The mean over rows is
/// divided by the sum of the counts.
#[derive(Debug, Clone)]
pub struct TargetRows {
    rows: Tensor,
    /// \[N, ...\], in f64; `None` where every count is 1.
    counts: Option<Tensor>,
    /// Σ counts.
    count: f64,
}

/// Integer labels \[N, ...\] as target rows \[N, ..., C\] of a cross-entropy, in f64: the
/// [mean](TargetRows::mean) of [`TargetRows::of_classes`] without class weights.
///
/// ```
/// use candle_core::{Device, Tensor};
/// let labels = Tensor::new(&[2_i64, -100, 0], &Device::Cpu)?;
/// let rows = eigenscape_curvature::class_targets(&labels, 3, 0.0, Some(-100))?;
/// assert_eq!(rows.to_vec2::<f64>()?, [[0.0, 0.0, 1.5], [0.0; 3], [1.5, 0.0, 0.0]]);
/// # Ok::<(), eigenscape_runtime::Error>(())
/// ```
///
/// # Errors
/// Those of [`TargetRows::of_classes`], and when every label is ignored.
pub fn class_targets(
    labels: &Tensor,
    classes: usize,
    smoothing: f64,
    ignore_index: Option<i64>,
) -> Result<Tensor> {
    let coding = ClassCoding { smoothing, ignore_index, weight: None };
    let targets = TargetRows::of_classes(labels, classes, coding)?;
    if targets.count() == 0.0 && labels.elem_count() > 0 {
        return Err(refuse("every label is ignored".to_owned()));
    }
    targets.mean()
}

impl TargetRows {
    /// Rows of integer labels \[N, ...\], in f64. The row of a label y is (1 − ε) w_y e_y + (ε/C) w
    /// and its count is w_y, so that the mean Σ rows / Σ counts is PyTorch's `cross_entropy(...,
    /// weight=w, label_smoothing=ε, ignore_index=...)`.
    ///
    /// # Errors
    /// When a label that is not ignored is not a class, there are not C weights, or ε is not in
    /// \[0, 1\].
    pub fn of_classes(labels: &Tensor, classes: usize, coding: ClassCoding) -> Result<Self> {
        let ClassCoding { smoothing, ignore_index, weight } = coding;
        if !(0.0..=1.0).contains(&smoothing) {
            return Err(refuse(format!("the label smoothing is {smoothing}, not between 0 and 1")));
        }
        if let Some(weight) = weight.filter(|weight| weight.len() != classes) {
            return Err(refuse(format!("there are {} weights for {classes} classes", weight.len())));
        }
        let weight_of = |class: usize| weight.map_or(1.0, |weight| weight[class]);
        let shape: Vec<usize> = labels.dims().iter().copied().chain([classes]).collect();
        let mut rows = vec![0.0; shape.iter().product()];
        let mut counts = vec![0.0; labels.elem_count()];
        let in_order = labels.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
        for (position, &label) in in_order.iter().enumerate() {
            if Some(label) == ignore_index {
                continue;
            }
            let class = usize::try_from(label).ok().filter(|class| *class < classes);
            let class = class.ok_or_else(|| {
                refuse(format!("label {position} is {label}, and there are {classes} classes, from 0"))
            })?;
            let row = &mut rows[position * classes..(position + 1) * classes];
            for (c, entry) in row.iter_mut().enumerate() {
                *entry = smoothing / classes as f64 * weight_of(c);
            }
            row[class] += (1.0 - smoothing) * weight_of(class);
            counts[position] = weight_of(class);
        }
        let rows = Tensor::from_vec(rows, shape, labels.device())?;
        if counts.iter().all(|count| *count == 1.0) {
            return Ok(Self::of_values(rows));
        }
        let counts = Tensor::from_vec(counts, labels.dims(), labels.device())?;
        Ok(Self { rows, count: sum(&counts)?, counts: Some(counts) })
    }

    /// Targets \[N, ..., C\] as they are, with a count of 1 for each row.
    #[must_use]
    pub fn of_values(values: Tensor) -> Self {
        let count = number(&values) as f64;
        Self { rows: values, counts: None, count }
    }

    /// The unscaled rows, \[N, ..., C\].
    #[must_use]
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// The same numbers in another type.
    ///
    /// # Errors
    /// When the conversion fails.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        Ok(Self { rows: self.rows.to_dtype(dtype)?, ..self.clone() })
    }

    /// The rows of the samples at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn select(&self, indices: &Tensor) -> Result<Self> {
        let rows = self.rows.index_select(indices, 0)?;
        let Some(counts) = &self.counts else { return Ok(Self::of_values(rows)) };
        let counts = counts.index_select(indices, 0)?;
        Ok(Self { rows, count: sum(&counts)?, counts: Some(counts) })
    }

    /// Σ counts, the divisor of the sum over all rows.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.count
    }

    /// The rows, scaled by R/Σ counts for R rows, as targets of a loss that takes the mean over all
    /// rows. If Σ counts is 0, the rows are not scaled.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn mean(&self) -> Result<Tensor> {
        self.scaled(&self.rows)
    }

    /// The rows of `length` samples from `start` on, scaled for the mean over *all* samples.
    ///
    /// # Errors
    /// When there are fewer samples.
    pub fn narrow(&self, start: usize, length: usize) -> Result<Tensor> {
        self.scaled(&self.rows.narrow(0, start, length)?)
    }

    /// Scales rows for the mean over all samples; without any change where every count is 1.
    fn scaled(&self, rows: &Tensor) -> Result<Tensor> {
        let number = number(&self.rows) as f64;
        if self.count == number || self.count <= 0.0 {
            return Ok(rows.clone());
        }
        Ok(rows.affine(number / self.count, 0.0)?)
    }
}

/// R, the number of rows of \[..., C\].
fn number(rows: &Tensor) -> usize {
    let (_, rows) = rows.dims().split_last().unwrap_or((&0, &[]));
    rows.iter().product()
}

fn sum(counts: &Tensor) -> Result<f64> {
    Ok(counts.sum_all()?.to_scalar()?)
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

    fn coded(labels: &Tensor, classes: usize, coding: ClassCoding) -> Result<TargetRows> {
        TargetRows::of_classes(labels, classes, coding)
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

    /// Computed by hand: the labels 2, 0 and 0 have the counts 4, 1 and 1, so that the sum of rows
    /// is divided by 6. For a mean over four rows this is the factor 4/6.
    #[test]
    fn weights_of_classes_divide_by_the_weights_of_the_labels() -> Result<()> {
        let labels = Tensor::new(&[2_i64, 0, 9, 0], &Device::Cpu)?;
        let coding = ClassCoding { ignore_index: Some(9), weight: Some(&[1.0, 2.0, 4.0]), smoothing: 0.0 };
        let rows = coded(&labels, 3, coding)?.mean()?.to_vec2::<f64>()?;
        let part = 4.0 / 6.0;
        assert_eq!(rows, [[0.0, 0.0, 4.0 * part], [part, 0.0, 0.0], [0.0; 3], [part, 0.0, 0.0]]);
        // With ε = 0.3 the row of the label 2 is 0.7 · 4 e₂ + 0.1 w; its count stays 4.
        let rows = coded(&labels, 3, ClassCoding { smoothing: 0.3, ..coding })?;
        assert_eq!(rows.count(), 6.0);
        let row = rows.rows().get(0)?.to_vec1::<f64>()?;
        for (found, expected) in row.iter().zip([0.1, 0.2, 3.2]) {
            assert!((found - expected).abs() < 1e-15, "{row:?}");
        }
        Ok(())
    }

    #[test]
    fn a_part_is_scaled_anew() -> Result<()> {
        let coding = ClassCoding { ignore_index: Some(-1), ..ClassCoding::default() };
        let rows = coded(&labels(&[[0, -1, -1], [1, 1, 0]])?, 2, coding)?;
        assert_eq!((rows.count(), rows.narrow(1, 1)?.to_vec3::<f64>()?[0][2][0]), (4.0, 1.5));
        let part = |index: u32| rows.select(&Tensor::new(&[index], &Device::Cpu)?);
        assert_eq!(part(0)?.mean()?.to_vec3::<f64>()?, [[[3.0, 0.0], [0.0; 2], [0.0; 2]]]);
        assert_eq!(part(1)?.mean()?.to_vec3::<f64>()?, [[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]]);
        let none = coded(&labels(&[[-1; 3]])?, 2, coding)?;
        assert_eq!((none.count(), none.mean()?.to_vec3::<f64>()?), (0.0, vec![vec![vec![0.0; 2]; 3]]));
        Ok(())
    }

    #[test]
    fn labels_that_are_no_class_are_refused() -> Result<()> {
        let text = |result: Result<Tensor>| result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text(class_targets(&labels(&[[0, 1, 5]])?, 5, 0.0, None)).contains("label 2 is 5"));
        assert!(text(class_targets(&labels(&[[0, -100, 1]])?, 5, 0.0, None)).contains("label 1 is -100"));
        assert!(text(class_targets(&labels(&[[-1; 3]])?, 5, 0.0, Some(-1))).contains("every label"));
        assert!(text(class_targets(&labels(&[[0; 3]])?, 5, 1.5, None)).contains("smoothing"));
        let coding = ClassCoding { weight: Some(&[1.0; 4]), ..ClassCoding::default() };
        let rows = coded(&labels(&[[0; 3]])?, 5, coding).map(|rows| rows.rows);
        assert!(text(rows).contains("4 weights for 5 classes"));
        Ok(())
    }
}
