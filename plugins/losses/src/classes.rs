//! The keys that losses on classes share.

use eigenscape_core::{Error, Result};
use eigenscape_program::ClassCoding;

/// PyTorch's default label of ignored samples.
pub(crate) const IGNORE_INDEX: i64 = -100;

/// How labels become rows of targets, with checked settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Classes {
    weight: Option<Vec<f64>>,
    ignore_index: i64,
    smoothing: f64,
}

impl Default for Classes {
    fn default() -> Self {
        Self { weight: None, ignore_index: IGNORE_INDEX, smoothing: 0.0 }
    }
}

impl Classes {
    /// Checks the values of the keys. The required number of weights follows from the data.
    pub fn new(weight: Option<Vec<f64>>, ignore_index: i64, label_smoothing: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&label_smoothing) {
            let problem = format!("is {label_smoothing:?}");
            return Err(Error::input("label_smoothing", problem, "it must be at least 0 and below 1"));
        }
        check(weight.as_deref().unwrap_or(&[1.0]))?;
        Ok(Self { weight, ignore_index, smoothing: label_smoothing })
    }

    pub fn coding(&self) -> ClassCoding<'_> {
        ClassCoding {
            smoothing: self.smoothing,
            ignore_index: Some(self.ignore_index),
            weight: self.weight.as_deref(),
        }
    }

    /// Appends what differs from the defaults to `text`, as in ", label smoothing 0.1".
    pub fn describe(&self, mut text: String) -> String {
        if self.smoothing > 0.0 {
            text += &format!(", label smoothing {}", self.smoothing);
        }
        if let Some(weight) = &self.weight {
            text += &format!(", classes weighted by {weight:?}");
        }
        if self.ignore_index != IGNORE_INDEX {
            text += &format!(", labels {} ignored", self.ignore_index);
        }
        text
    }
}

/// Refuses invalid weights of classes.
fn check(weight: &[f64]) -> Result<()> {
    let example = "give a weight for each class, as in [1.0, 2.0, 0.5]";
    let is_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
    if let Some(class) = weight.iter().position(|weight| !is_weight(weight)) {
        let problem = format!("is {:?}", weight[class]);
        return Err(Error::input(format!("weight[{class}]"), problem, "it must be at least 0"));
    }
    if weight.iter().all(|weight| *weight == 0.0) {
        return Err(Error::input("weight", "no class has a weight above 0", example));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let message = |weight: Option<&[f64]>, smoothing| {
            let weight = weight.map(<[f64]>::to_vec);
            Classes::new(weight, -1, smoothing).map_or_else(|error| error.to_string(), |_| String::new())
        };
        assert_eq!(message(Some(&[0.0, 2.0]), 0.5), "");
        for smoothing in [-0.1, 1.0, f64::NAN] {
            assert!(message(None, smoothing).contains("label_smoothing: is"), "{smoothing}");
        }
        for weight in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(message(Some(&[1.0, weight]), 0.0).contains("weight[1]: is"), "{weight}");
        }
        assert!(message(Some(&[0.0; 3]), 0.0).contains("no class has a weight above 0"));
        assert!(message(Some(&[]), 0.0).contains("no class has a weight above 0"));
    }
}
