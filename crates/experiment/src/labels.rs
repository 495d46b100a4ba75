//! Converts targets for a loss: into rows in the shape of the network's outputs, each with a
//! weight.

use std::collections::BTreeSet;

use candle_core::{DType, Tensor};
use eigenscape_core::{Loss, Result, Targets, account::size};
use eigenscape_curvature::TargetRows;
use eigenscape_program::ClassCoding;

/// The maximum number of class ranges that are listed.
const LISTED: usize = 5;

/// How a loss reads targets, for a network whose outputs are known.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The loss, which defines the class weights and the ignored label.
    pub loss: Loss,
    /// What a label stands for.
    pub coding: Coding,
}

/// What an integer label stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Coding {
    /// One of C classes, with an output for each.
    Class,
    /// 0 or 1, which is itself the target of one output. Holds the shape of a sample's outputs.
    Binary(Vec<usize>),
    /// Nothing: the loss uses no targets. Holds the shape of a sample's outputs.
    Unused(Vec<usize>),
}

impl Labels {
    /// How `loss` reads targets before a network is known.
    #[must_use]
    pub fn of(loss: &Loss) -> Self {
        Self { loss: loss.clone(), coding: Coding::Class }
    }

    /// Whether a label is itself the target of an output.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self.coding, Coding::Binary(_))
    }

    /// Targets in the shape that the loss takes.
    ///
    /// Soft targets t become w ⊙ ((1 − ε) t + ε/C), and each row counts 1, as in PyTorch.
    ///
    /// # Errors
    /// When a label is neither a class nor ignored, the number of weights is not C, or a tensor
    /// operation fails.
    pub fn targets(&self, targets: &Targets, dtype: DType) -> Result<TargetRows> {
        let rows = match (targets, &self.coding) {
            (targets, Coding::Unused(outputs)) => {
                let (Targets::Values(tensor) | Targets::Classes { labels: tensor, .. }) = targets;
                let samples = tensor.dims().first().copied().unwrap_or(0);
                let shape = [&[samples], outputs.as_slice()].concat();
                TargetRows::of_values(Tensor::zeros(shape, dtype, tensor.device())?)
            }
            (Targets::Values(values), _) => TargetRows::of_values(self.soft(values)?),
            (Targets::Classes { labels, .. }, Coding::Binary(outputs)) => {
                let samples = labels.dims().first().copied().unwrap_or(0);
                TargetRows::of_values(labels.reshape([&[samples], outputs.as_slice()].concat())?)
            }
            (Targets::Classes { labels, classes }, Coding::Class) => {
                TargetRows::of_classes(labels, *classes, self.loss.coding())?
            }
        };
        Ok(rows.to_dtype(dtype)?)
    }

    /// The shape of [`Self::targets`] for `examples` examples.
    #[must_use]
    pub fn shape(&self, targets: &Targets, examples: usize) -> Vec<usize> {
        let each = |tensor: &Tensor| tensor.dims().get(1..).unwrap_or_default().to_vec();
        let each = match (targets, &self.coding) {
            (_, Coding::Unused(outputs)) | (Targets::Classes { .. }, Coding::Binary(outputs)) => {
                outputs.clone()
            }
            (Targets::Values(values), _) => each(values),
            (Targets::Classes { labels, classes }, Coding::Class) => [each(labels), vec![*classes]].concat(),
        };
        [vec![examples], each].concat()
    }

    /// The number of elements of one example's target in that shape.
    #[must_use]
    pub fn target_size(&self, targets: &Targets) -> usize {
        size(self.shape(targets, 1), 1)
    }

    /// Whether a mean over these targets is defined: at least one label is neither ignored nor of a
    /// class of weight 0.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn any_counts(&self, targets: &Targets) -> Result<bool> {
        if self.coding != Coding::Class {
            return Ok(true);
        }
        let weight = self.loss.coding().weight;
        let counts = |class: usize| weight.is_none_or(|all| all.get(class) > Some(&0.0));
        Ok(self.present(targets)?.is_none_or(|present| present.into_iter().any(counts)))
    }

    /// Real targets \[N, ..., C\], smoothed and weighted in f64.
    fn soft(&self, values: &Tensor) -> Result<Tensor> {
        let ClassCoding { smoothing, weight, .. } = self.loss.coding();
        if smoothing <= 0.0 && weight.is_none() {
            return Ok(values.clone());
        }
        let mut values = values.to_dtype(DType::F64)?;
        let classes = values.dims().last().copied().unwrap_or(1);
        if smoothing > 0.0 {
            values = values.affine(1.0 - smoothing, smoothing / classes as f64)?;
        }
        if let Some(weight) = weight {
            values = values.broadcast_mul(&Tensor::new(weight, values.device())?)?;
        }
        Ok(values)
    }

    /// The labels that a network's predictions are compared with, as in [`Self::classes`]; `None`
    /// if the loss uses no targets.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn known(&self, targets: &Targets) -> Result<Option<Vec<Option<i64>>>> {
        if matches!(self.coding, Coding::Unused(_)) { Ok(None) } else { self.classes(targets) }
    }

    /// The labels in order, with `None` for an ignored label; `None` for real targets.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn classes(&self, targets: &Targets) -> Result<Option<Vec<Option<i64>>>> {
        let Targets::Classes { labels, .. } = targets else { return Ok(None) };
        let labels = labels.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
        let ignored = self.loss.coding().ignore_index;
        let counted = |label| (Some(label) != ignored).then_some(label);
        Ok(Some(labels.into_iter().map(counted).collect()))
    }

    /// The classes that occur among the labels; `None` for real targets.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn present(&self, targets: &Targets) -> Result<Option<BTreeSet<usize>>> {
        let class = |label: i64| usize::try_from(label).ok();
        let labels = self.classes(targets)?;
        Ok(labels.map(|labels| labels.into_iter().flatten().filter_map(class).collect()))
    }
}

/// The classes in 0..`classes` that are not `present`, as text like [`in_words`]. There may be too
/// many classes to enumerate.
#[must_use]
pub fn others_in_words(classes: usize, present: &BTreeSet<usize>) -> Option<String> {
    let mut from = 0;
    let ends = present.iter().copied().filter(|class| *class < classes).chain([classes]);
    let gaps = ends.filter_map(|end| {
        let start = std::mem::replace(&mut from, end + 1);
        (start < end).then(|| [start, end - 1])
    });
    ranges_in_words(&gaps.collect::<Vec<_>>())
}

/// Ascending classes as text: "class 3", "classes 2 to 49, 51"; `None` if there are none.
#[must_use]
pub fn in_words(classes: impl IntoIterator<Item = usize>) -> Option<String> {
    let mut ranges = Vec::<[usize; 2]>::new();
    for class in classes {
        match ranges.last_mut() {
            Some([_, last]) if *last + 1 == class => *last = class,
            _ => ranges.push([class; 2]),
        }
    }
    ranges_in_words(&ranges)
}

/// Like [`in_words`], for ranges given by their first and last class.
fn ranges_in_words(ranges: &[[usize; 2]]) -> Option<String> {
    let count: usize = ranges.iter().map(|[first, last]| last - first + 1).sum();
    let range = |[first, last]: &[usize; 2]| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    let mut words = ranges.iter().take(LISTED).map(range).collect::<Vec<_>>().join(", ");
    let listed: usize = ranges.iter().take(LISTED).map(|[first, last]| last - first + 1).sum();
    if listed < count {
        words += &format!(" and {} more", count - listed);
    }
    match count {
        0 => None,
        1 => Some(format!("class {words}")),
        _ => Some(format!("classes {words}")),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use eigenscape_core::{Registry, registry::Environment};

    use super::*;

    fn classes(labels: &[i64], classes: usize) -> Targets {
        Targets::Classes { labels: Tensor::new(labels, &Device::Cpu).unwrap(), classes }
    }

    fn labels(name: &str, keys: &str, coding: Coding) -> Labels {
        let mut registry = Registry::default();
        eigenscape_losses::register(&mut registry);
        let built = registry.losses.build(name, toml::from_str(keys).unwrap(), &Environment::default());
        Labels { loss: built.unwrap().plugin.into(), coding }
    }

    #[test]
    fn only_the_cross_entropy_ignores() {
        let targets = classes(&[1, -100], 2);
        let entropy = labels("cross-entropy", "", Coding::Class);
        let rows = entropy.targets(&targets, DType::F64).unwrap().mean().unwrap();
        assert_eq!(rows.to_vec2::<f64>().unwrap(), [[0.0, 2.0], [0.0, 0.0]]);
        assert_eq!(entropy.classes(&targets).unwrap(), Some(vec![Some(1), None]));
        assert!(labels("mse", "", Coding::Class).targets(&targets, DType::F64).is_err());
    }

    #[test]
    fn zero_and_one_are_the_target_of_one_output() {
        let labels = labels("binary-cross-entropy", "", Coding::Binary(vec![1]));
        let rows = labels.targets(&classes(&[1, 0, 1], 2), DType::F64).unwrap().mean().unwrap();
        assert_eq!(rows.to_vec2::<f64>().unwrap(), [[1.0], [0.0], [1.0]]);
    }

    /// By hand: 0.8 t + 0.2/2, then times the weights; every row counts 1.
    #[test]
    fn soft_targets_are_smoothed_and_weighted() {
        let values = Targets::Values(Tensor::new(&[[1.0, 0.0], [0.25, 0.75]], &Device::Cpu).unwrap());
        let single = Targets::Values(Tensor::new(&[[1.0_f32, 0.0], [0.25, 0.75]], &Device::Cpu).unwrap());
        for name in ["cross-entropy", "focal"] {
            let labels = labels(name, "label_smoothing = 0.2\nweight = [1.0, 10.0]", Coding::Class);
            let rows = labels.targets(&values, DType::F64).unwrap().mean().unwrap().to_vec2::<f64>().unwrap();
            for (row, expected) in rows.iter().zip([[0.9, 1.0], [0.3, 7.0]]) {
                assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{rows:?}");
            }
            let exact =
                |targets| labels.targets(targets, DType::F64).unwrap().rows().to_vec2::<f64>().unwrap();
            assert_eq!(exact(&single), exact(&values), "what is saved in f32 is combined in f64");
        }
        let unread = labels("mse", "", Coding::Class).targets(&values, DType::F64).unwrap();
        assert_eq!(unread.rows().to_vec2::<f64>().unwrap(), [[1.0, 0.0], [0.25, 0.75]]);
    }

    #[test]
    fn what_is_not_asked_for_is_zero() {
        let labels = labels("output", "", Coding::Unused(vec![2]));
        let rows = labels.targets(&classes(&[5, -3, 1], 2), DType::F64).unwrap();
        assert_eq!(rows.mean().unwrap().to_vec2::<f64>().unwrap(), [[0.0; 2]; 3]);
        assert_eq!(labels.known(&classes(&[1, 0, 1], 2)).unwrap(), None);
    }

    #[test]
    fn classes_are_named_by_ranges() {
        assert_eq!(in_words([]), None);
        assert_eq!(in_words([3]).unwrap(), "class 3");
        assert_eq!(in_words(2..50).unwrap(), "classes 2 to 49");
        assert_eq!(in_words([0, 1, 4, 6, 7, 8]).unwrap(), "classes 0, 1, 4, 6 to 8");
        assert_eq!(others_in_words(9, &[2, 3, 5].into()).unwrap(), "classes 0, 1, 4, 6 to 8");
        assert_eq!(others_in_words(3, &[0, 1, 2, 7].into()), None);
        let huge = "classes 0 to 6, 8 to 4294967294";
        assert_eq!(others_in_words(4_294_967_295, &[7].into()).unwrap(), huge);
        assert_eq!(in_words((0..20).step_by(2)).unwrap(), "classes 0, 2, 4, 6, 8 and 5 more");
        let labels = labels("cross-entropy", "", Coding::Class);
        let present = labels.present(&classes(&[0, 50, 1, -100], 51)).unwrap().unwrap();
        assert_eq!(present.into_iter().collect::<Vec<_>>(), [0, 1, 50]);
    }
}
