//! Losses, accuracies and penalties over epochs, and where training diverged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::number::short;

/// The first number of a training run that is not finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Divergence {
    /// The quantity that is not finite.
    pub what: Diverging,
    /// Its value: "NaN" or "inf".
    pub value: String,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The step in this epoch, counted from 1; for a loss evaluated after the epoch, the epoch's
    /// last step.
    pub step: usize,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// The last finite loss of a mini-batch; null where no loss was finite.
    pub last_finite_loss: Option<f64>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, value, epoch, step, learning_rate, last_finite_loss } = self;
        let learning_rate = short(*learning_rate);
        let before = match last_finite_loss {
            None => "none".to_owned(),
            Some(loss) if loss.abs() < 1e6 => format!("{loss:.4}"),
            Some(loss) => format!("{loss:.3e}"),
        };
        write!(
            f,
            "training diverged: {what} is {value} in epoch {epoch}, step {step} (learning rate {learning_rate}, \
             last finite loss {before})"
        )
    }
}

/// A quantity that training checks for being finite. `results.json` names it in words: "the penalty
/// `hessian-trace`".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Diverging {
    /// The loss of a mini-batch.
    Loss,
    /// The mean loss over the training split.
    TrainingLoss,
    /// The mean loss over the test split.
    TestLoss,
    /// A penalty, by the name of its regularizer.
    Penalty(String),
}

impl std::fmt::Display for Diverging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loss => f.write_str("the loss"),
            Self::TrainingLoss => f.write_str("the loss on the training split"),
            Self::TestLoss => f.write_str("the loss on the test split"),
            Self::Penalty(name) => write!(f, "the penalty `{name}`"),
        }
    }
}

impl From<Diverging> for String {
    fn from(what: Diverging) -> Self {
        what.to_string()
    }
}

impl TryFrom<String> for Diverging {
    type Error = String;

    fn try_from(words: String) -> Result<Self, String> {
        let penalty = words.strip_prefix("the penalty `").and_then(|rest| rest.strip_suffix('`'));
        let known = [Self::Loss, Self::TrainingLoss, Self::TestLoss];
        let named = penalty.map(|name| Self::Penalty(name.to_owned()));
        named
            .or_else(|| known.into_iter().find(|what| what.to_string() == words))
            .ok_or_else(|| format!("{words:?} is nothing that diverges"))
    }
}

/// Losses and accuracies after an epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TrainingRecord {
    /// The epoch; 0 is before training.
    pub epoch: usize,
    /// Mean loss over the training split.
    pub train_loss: f64,
    /// Share of the training split that is classified correctly; `None` for real targets.
    pub train_accuracy: Option<f64>,
    /// Mean loss over the test split; `None` without a test split.
    pub test_loss: Option<f64>,
    /// Share of the test split that is classified correctly; `None` for real targets or without a
    /// test split.
    pub test_accuracy: Option<f64>,
    /// Share of the training split whose class is among the five most probable ones; `None` for
    /// real targets and for five classes or fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_top5: Option<f64>,
    /// Share of the test split whose class is among the five most probable ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_top5: Option<f64>,
    /// Mean over the epoch's steps of the sum added to the loss, Σ strength · penalty; a step in
    /// which no penalty is due counts as 0.
    pub penalty: f64,
    /// One record per regularizer that was due in this epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<PenaltyRecord>,
}

/// A regularizer over one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PenaltyRecord {
    /// The regularizer's name.
    pub name: String,
    /// The factor of the penalty in the loss.
    pub strength: f64,
    /// The number of steps in which the penalty was added.
    pub count: usize,
    /// Mean of the penalty over those steps, without the strength.
    pub value: f64,
    /// Standard error of that mean due to the random inputs; null with one draw per step, as for a
    /// penalty without randomness.
    pub stderr: Option<f64>,
    /// The total time spent on the penalty, in seconds.
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_diverges_is_written_in_words() {
        let penalty = Diverging::Penalty("l2".to_owned());
        for (what, words) in [
            (Diverging::Loss, "the loss"),
            (Diverging::TrainingLoss, "the loss on the training split"),
            (Diverging::TestLoss, "the loss on the test split"),
            (penalty, "the penalty `l2`"),
        ] {
            let text = serde_json::to_string(&what).unwrap();
            assert_eq!(text, format!("{words:?}"));
            assert_eq!(serde_json::from_str::<Diverging>(&text).unwrap(), what);
        }
        assert!(serde_json::from_str::<Diverging>("\"the gain\"").is_err());
    }
}
