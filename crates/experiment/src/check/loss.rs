//! The loss: its name, and the keys that only the cross-entropy has.

use eigenscape_autodiff::Loss;
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
        let (name, smoothing, ignore_index) = match raw {
            raw::Loss::Name(name) => (name, None, None),
            raw::Loss::Table(table) => {
                self.no_other_key("loss", &table.unknown, &["name", "label_smoothing", "ignore_index"])?;
                (&table.name, table.label_smoothing, table.ignore_index)
            }
        };
        let deserializer: value::StrDeserializer<value::Error> = name.as_str().into_deserializer();
        let kind: Loss = raw::LossName::deserialize(deserializer)
            .map_err(|error| read::complaint(self.document.at("loss.name"), "loss", &error.to_string()))?
            .into();
        if kind != Loss::CrossEntropy {
            let given = [("label_smoothing", smoothing.is_some()), ("ignore_index", ignore_index.is_some())];
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
        let labels = Labels { smoothing, ignore_index: ignore_index.or(defaults.ignore_index) };
        Ok(self.located("loss", LossPlan { kind, labels: labels.of(kind) }))
    }
}
