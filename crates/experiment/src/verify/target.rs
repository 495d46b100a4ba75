//! What a file's outputs are compared with: its `y`, read by a loss as an experiment reads labels.

use candle_core::{DType, Tensor};
use eigenscape_core::{Result, Targets};
use eigenscape_program::Loss;

use super::{EVERYTHING, File};
use crate::{
    notes,
    objective::{self, Reading, classes_last},
    plan::LossPlan,
};

/// What to do where an output may be a logit or a number.
const BINARY: &str = "name the experiment's file whose loss it is (--model), as in loss = \"binary-cross-entropy\"; or write y as floats for the \
                      mean squared error";

/// Targets with their loss.
pub(super) struct Target {
    pub loss: Loss,
    /// The loss, in words.
    pub words: String,
    /// \[N, ..., C\]
    pub targets: Tensor,
    /// Whether classes lie along the first axis of an example's outputs.
    pub classes_first: bool,
}

impl File {
    /// The targets of `logits` for a loss, or for that which `y` asks for.
    pub(super) fn target(&self, loss: Option<&LossPlan>) -> Result<Target> {
        let (y, logits) = (self.get("y")?, self.get("logits")?.dims());
        let (targets, Reading { coding, classes_first }) = self.reading(y, logits, loss)?;
        let mut plan = loss.cloned().unwrap_or_else(|| objective::default_loss(&targets));
        if let Some(problem) = objective::unsuitable(&plan, &targets)? {
            return Err(self.refuse(problem, "name the experiment's file whose loss it is (--model)"));
        }
        let targets = match targets {
            Targets::Values(y) if classes_first => Targets::Values(y.permute(classes_last(y.rank()))?),
            other => other,
        };
        plan.labels.coding = coding;
        let LossPlan { kind, labels } = plan;
        let rows = labels.targets(&targets, DType::F64).map_err(|error| {
            let ignored = labels.ignore_index.map(|label| format!("; {label} is ignored"));
            let remedy = format!("number the classes from 0{}", ignored.unwrap_or_default());
            self.refuse(format!("`y` does not fit the loss: {error}"), &remedy)
        })?;
        if rows.count() <= 0.0 && y.elem_count() > 0 {
            let problem = "every label of `y` is ignored, or of a class of weight 0";
            return Err(self.refuse(problem, "write a batch with labels that count"));
        }
        let (words, targets) = (notes::loss_text(kind, &labels), rows.mean()?);
        Ok(Target { loss: kind, words, targets, classes_first })
    }

    /// `y` as targets of `logits` \[N, ..., C\] or \[N, C, ...\], and how it is read.
    fn reading(&self, y: &Tensor, logits: &[usize], loss: Option<&LossPlan>) -> Result<(Targets, Reading)> {
        let [_, outputs @ ..] = logits else {
            return Err(self.refuse(format!("`logits` has shape {logits:?}, not [N, ..., C]"), EVERYTHING));
        };
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        // Axes may be joined, and an axis of one output left out, but not others put in their
        // place.
        let fits = |shape: &[usize]| {
            shape.first() == logits.first()
                && y.elem_count() == count(shape)
                && (y.rank() != shape.len() || y.dims() == shape)
        };
        for (shape, classes) in candidates(y, logits).into_iter().filter(|(shape, _)| fits(shape)) {
            let y = y.reshape(shape)?;
            let targets = match classes {
                Some(classes) => Targets::Classes { labels: y, classes },
                None => Targets::Values(y),
            };
            let kind = loss.map_or_else(|| objective::default_loss(&targets).kind, |loss| loss.kind);
            if let Some(reading) = objective::reading(outputs, kind, &targets) {
                return Ok((targets, reading));
            }
        }
        let (is_float, rows) = (y.dtype().is_float(), &logits[..logits.len() - 1]);
        if !is_float && loss.is_none() && y.elem_count() == count(logits) {
            let problem =
                format!("`y` {:?} are integers, one for each number of `logits` {logits:?}", y.dims());
            return Err(self.refuse(problem, BINARY));
        }
        let (what, expected) = if is_float { ("real targets", logits) } else { ("classes", rows) };
        let problem = format!("`y` is {:?}, and `logits` {logits:?} need {what} {expected:?}", y.dims());
        Err(self.refuse(problem, "write x, y and logits of the same batch"))
    }
}

/// The shapes that `y` may have, the likeliest first, and how many classes there are then; none for
/// real targets.
fn candidates(y: &Tensor, logits: &[usize]) -> Vec<(Vec<usize>, Option<usize>)> {
    if y.dtype().is_float() {
        return vec![(logits.to_vec(), None)];
    }
    // Labels 0 and 1, one an output; then classes along the last axis, or the first.
    let mut candidates = vec![(y.dims().to_vec(), 2)];
    if let [rows @ .., classes] = logits {
        candidates.push((rows.to_vec(), *classes));
    }
    if let [samples, classes, places @ ..] = logits {
        candidates.push(([&[*samples], places].concat(), *classes));
    }
    let several = candidates.into_iter().filter(|(_, classes)| *classes > 1);
    several.map(|(shape, classes)| (shape, Some(classes))).collect()
}
