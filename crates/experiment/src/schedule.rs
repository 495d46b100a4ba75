//! Schedules of the learning rate.

use std::f64::consts::PI;

/// How the learning rate changes over completed epochs, with a warm-up over the first steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schedule {
    /// The decay over completed epochs.
    pub decay: Decay,
    /// The warm-up over the first steps.
    pub warmup: Warmup,
}

/// How the learning rate changes over completed epochs.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Decay {
    /// The rate stays the same.
    #[default]
    Constant,
    /// The rate is multiplied by `gamma` at each milestone.
    MultiStep {
        /// Numbers of completed epochs, increasing.
        milestones: Vec<usize>,
        /// The factor, positive.
        gamma: f64,
    },
    /// The rate falls along half a cosine over E epochs, as in
    /// `torch.optim.lr_scheduler.CosineAnnealingLR` with one step per epoch.
    Cosine {
        /// E, the number of epochs.
        epochs: usize,
        /// The final rate, not negative.
        min_lr: f64,
    },
}

/// The number W of steps over which the learning rate rises linearly from 1/W of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmup {
    /// This number of steps; 0 for no warm-up.
    Steps(usize),
    /// The steps of this number of epochs.
    Epochs(usize),
}

impl Default for Warmup {
    fn default() -> Self {
        Self::Steps(0)
    }
}

impl Schedule {
    /// The learning rate of `step` (counted from 0 in its epoch of `steps` steps) after `completed`
    /// epochs: `lr` changed by [`Decay`], times min(1, (t + 1)/W), where t is the number of steps
    /// before it.
    #[must_use]
    pub fn rate(&self, lr: f64, completed: usize, step: usize, steps: usize) -> f64 {
        let (before, rise) = match self.warmup {
            Warmup::Steps(rise) => (completed * steps + step, rise),
            Warmup::Epochs(epochs) => (completed * steps + step, epochs.saturating_mul(steps)),
        };
        let rate = self.decay.rate(lr, completed);
        if before >= rise { rate } else { rate * (before + 1) as f64 / rise as f64 }
    }

    /// A suffix for descriptions: "; times 0.25 after epochs \[10, 20\]"; empty for a constant
    /// rate.
    #[must_use]
    pub fn description(&self) -> String {
        let decay = match &self.decay {
            Decay::Constant => String::new(),
            Decay::MultiStep { milestones, gamma } => format!("; times {gamma} after epochs {milestones:?}"),
            Decay::Cosine { min_lr, .. } => format!("; along half a cosine to {min_lr}"),
        };
        match self.warmup {
            Warmup::Steps(0) | Warmup::Epochs(0) => decay,
            Warmup::Steps(steps) => format!("{decay}; linear warm-up over {steps} steps"),
            Warmup::Epochs(epochs) => format!("{decay}; linear warm-up over {epochs} epochs"),
        }
    }
}

impl Decay {
    fn rate(&self, lr: f64, completed: usize) -> f64 {
        match self {
            Self::Constant => lr,
            Self::MultiStep { milestones, gamma } => {
                let reached = milestones.iter().filter(|milestone| **milestone <= completed);
                reached.fold(lr, |lr, _| lr * gamma)
            }
            Self::Cosine { epochs, min_lr } => {
                let angle = PI * completed as f64 / *epochs as f64;
                min_lr + (lr - min_lr) * (1.0 + angle.cos()) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_falls_from_the_rate_to_the_least() {
        let schedule = Schedule { decay: Decay::Cosine { epochs: 4, min_lr: 0.2 }, ..Schedule::default() };
        let rates = [0, 1, 2, 4].map(|completed| schedule.rate(1.0, completed, 0, 10));
        // The first three by torch's CosineAnnealingLR(T_max=4, eta_min=0.2).
        for (rate, expected) in rates.into_iter().zip([1.0, 0.882_842_712_474_619, 0.6, 0.2]) {
            assert!((rate - expected).abs() < 1e-15, "{rate} {expected}");
        }
    }

    #[test]
    fn a_warm_up_is_a_line_over_its_steps_and_multiplies() {
        let decay = Decay::MultiStep { milestones: vec![1], gamma: 0.5 };
        let rate =
            |warmup, completed, step| Schedule { decay: decay.clone(), warmup }.rate(1.0, completed, step, 4);
        assert_eq!([0, 1, 2, 3].map(|step| rate(Warmup::Steps(2), 0, step)), [0.5, 1.0, 1.0, 1.0]);
        assert_eq!([0, 3].map(|step| rate(Warmup::Epochs(2), 0, step)), [0.125, 0.5]);
        assert_eq!([0, 3].map(|step| rate(Warmup::Epochs(2), 1, step)), [0.3125, 0.5]);
    }
}
