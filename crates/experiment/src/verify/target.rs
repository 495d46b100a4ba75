//! The targets of a file's outputs: its `y`, read by a loss as in an experiment.

use candle_core::{DType, Tensor};
use eigenscape_core::{Loss, LossFunction, Result, Targets};
use eigenscape_program::Needs;

use super::{ANOTHER_MODEL, EVERYTHING, File};
use crate::{
    labels::Labels,
    notes,
    objective::{self, Reading, classes_last},
    plan::LossPlan,
};

/// The remedy where an output may be a logit or a number.
const BINARY: &str = "name the experiment's file whose loss it is (--model), as in loss = \"binary-cross-entropy\"; or write y as floats for the \
                      mean squared error";

/// Targets with their loss.
pub(super) struct Target {
    pub loss: Loss,
    /// The loss, as text.
    pub words: String,
    /// The targets \[N, ..., C\].
    pub targets: Tensor,
    /// Whether classes lie along the first axis of an example's outputs.
    pub classes_first: bool,
}

impl File {
    /// The targets of `logits` for the named loss, or for the default loss that suits `y`.
    pub(super) fn target(&self, plan: &LossPlan) -> Result<Target> {
        let (y, logits) = (self.get("y")?, self.get("logits")?.dims());
        let loss = match &plan.defaults.nothing {
            Some(loss) if self.own_loss => loss.clone(),
            _ => plan.of(!y.dtype().is_float())?.clone(),
        };
        let (targets, Reading { coding, classes_first }) =
            self.reading(y, logits, &*loss, plan.named.is_some())?;
        if let Some(problem) = objective::unsuitable(&*loss, &targets)? {
            return Err(self.refuse(problem, "name the experiment's file whose loss it is (--model)"));
        }
        let targets = match targets {
            Targets::Values(y) if classes_first => Targets::Values(y.permute(classes_last(y.rank()))?),
            other => other,
        };
        let labels = Labels { loss, coding };
        let rows = labels.targets(&targets, DType::F64).map_err(|error| {
            let ignored = labels.loss.coding().ignore_index.map(|label| format!("; {label} is ignored"));
            let remedy = format!("number the classes from 0{}", ignored.unwrap_or_default());
            self.refuse(format!("`y` does not fit the loss: {error}"), &remedy)
        })?;
        if rows.count() <= 0.0 && y.elem_count() > 0 {
            let problem = "every label of `y` is ignored, or belongs to a class of weight 0";
            return Err(self.refuse(problem, "write a batch with labels that count"));
        }
        let (words, targets) = (notes::loss_text(&labels), rows.mean()?);
        Ok(Target { loss: labels.loss, words, targets, classes_first })
    }

    /// `y` as targets of `logits` \[N, ..., C\] or \[N, C, ...\], and how the outputs are read.
    fn reading(
        &self,
        y: &Tensor,
        logits: &[usize],
        loss: &dyn LossFunction,
        is_named: bool,
    ) -> Result<(Targets, Reading)> {
        let [_, outputs @ ..] = logits else {
            return Err(self.refuse(format!("`logits` has shape {logits:?}, not [N, ..., C]"), EVERYTHING));
        };
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        // `y` may have joined axes, or lack an axis of one output; with as many axes as expected,
        // its shape must be equal.
        let fits = |shape: &[usize]| {
            shape.first() == logits.first()
                && y.elem_count() == count(shape)
                && (y.rank() != shape.len() || y.dims() == shape)
        };
        for (shape, classes) in candidates(y, logits, loss).into_iter().filter(|(shape, _)| fits(shape)) {
            let y = y.reshape(shape)?;
            let targets = match classes {
                Some(classes) => Targets::Classes { labels: y, classes },
                None => Targets::Values(y),
            };
            if let Some(reading) = objective::reading(outputs, loss, &targets) {
                return Ok((targets, reading));
            }
        }
        let is_float = y.dtype().is_float();
        if !is_float && !is_named && y.elem_count() == count(logits) {
            let problem =
                format!("`y` {:?} are integers, one for each number of `logits` {logits:?}", y.dims());
            return Err(self.refuse(problem, BINARY));
        }
        let (what, expected) = if is_float {
            let shape = loss.target_shape(logits);
            ("real targets", shape.map_err(|error| self.refuse(error.to_string(), ANOTHER_MODEL))?)
        } else {
            ("classes", logits[..logits.len() - 1].to_vec())
        };
        let problem = format!("`y` is {:?}, and `logits` {logits:?} need {what} {expected:?}", y.dims());
        Err(self.refuse(problem, "write x, y and logits of the same batch"))
    }
}

/// The shapes that `y` may have, the likeliest first, each with the number of classes; `None` for
/// real targets.
fn candidates(y: &Tensor, logits: &[usize], loss: &dyn LossFunction) -> Vec<(Vec<usize>, Option<usize>)> {
    let [samples, outputs @ ..] = logits else { return Vec::new() };
    let of_each = |shape: &[usize]| [&[*samples], shape].concat();
    if loss.needs() == Needs::Nothing {
        return vec![(y.dims().to_vec(), None)];
    }
    if y.dtype().is_float() {
        let shapes = objective::target_shapes(outputs, loss).into_iter().flatten();
        return shapes.map(|shape| (of_each(&shape), None)).collect();
    }
    // Labels 0 and 1, one per output; then classes along the last axis, or along the first.
    let mut candidates = vec![(y.dims().to_vec(), 2)];
    if let [rows @ .., classes] = outputs {
        candidates.push((of_each(rows), *classes));
    }
    if let [classes, places @ ..] = outputs {
        candidates.push((of_each(places), *classes));
    }
    let several = candidates.into_iter().filter(|(_, classes)| *classes > 1);
    several.map(|(shape, classes)| (shape, Some(classes))).collect()
}
