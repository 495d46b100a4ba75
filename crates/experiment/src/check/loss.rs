//! The loss: its name, and the keys that only the cross-entropy has.

use eigenscape_program::Loss;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value},
};

use super::Checker;
use crate::{
    diagnostic::{ConfigError, Located},
    labels::Labels,
    plan::LossPlan,
    raw, read,
};

impl Checker<'_> {
    pub(super) fn loss(&self, raw: &raw::Loss) -> Result<Located<LossPlan>, ConfigError> {
        let bare;
        let table = match raw {
            raw::Loss::Table(table) => table,
            raw::Loss::Name(name) => {
                bare = raw::LossTable::of(name);
                &bare
            }
        };
        let raw::LossTable { name, label_smoothing: smoothing, ignore_index, weight, unknown } = table;
        self.no_other_key("loss", unknown, &["name", "weight", "label_smoothing", "ignore_index"])?;
        let deserializer: value::StrDeserializer<value::Error> = name.as_str().into_deserializer();
        let kind: Loss = raw::LossName::deserialize(deserializer)
            .map_err(|error| read::complaint(self.document.at("loss.name"), "loss", &error.to_string()))?
            .into();
        if kind != Loss::CrossEntropy {
            let given = [
                ("label_smoothing", smoothing.is_some()),
                ("ignore_index", ignore_index.is_some()),
                ("weight", weight.is_some()),
            ];
            if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
                let problem = format!("the loss \"{name}\" has no key `{key}`, which is about classes");
                return Err(self.error(
                    &format!("loss.{key}"),
                    problem,
                    "use \"cross-entropy\", or remove the key",
                ));
            }
        }
        let defaults = Labels::default();
        let smoothing = smoothing.unwrap_or(defaults.smoothing);
        self.in_range("loss.label_smoothing", smoothing, "at least 0 and below 1", |epsilon| {
            (0.0..1.0).contains(&epsilon)
        })?;
        if let Some(weight) = weight {
            self.class_weights(weight)?;
        }
        let ignore_index = ignore_index.or(defaults.ignore_index);
        let labels = Labels { smoothing, ignore_index, weight: weight.clone(), ..defaults };
        Ok(self.located("loss", LossPlan { kind, labels: labels.of(kind) }))
    }

    /// Refuses weights of classes that are no weights; how many there must be follows from the data.
    fn class_weights(&self, weight: &[f64]) -> Result<(), ConfigError> {
        for (class, &value) in weight.iter().enumerate() {
            self.in_range(&format!("loss.weight[{class}]"), value, "at least 0", |value| value >= 0.0)?;
        }
        if weight.iter().all(|value| *value == 0.0) {
            let problem = "no class has a weight above 0";
            return Err(self.error(
                "loss.weight",
                problem,
                "give a weight for each class, as in [1.0, 2.0, 0.5]",
            ));
        }
        Ok(())
    }
}
