//! Optimizers: how a gradient moves the parameters, as PyTorch defines it.

mod adam;
mod elementwise;
mod sgd;

use candle_core::Tensor;
use eigenscape_core::Result;

pub use self::{adam::Adam, sgd::Sgd};

/// An optimizer's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// `torch.optim.SGD`.
    Sgd(Sgd),
    /// `torch.optim.Adam` and `torch.optim.AdamW`.
    Adam(Adam),
}

impl Optimizer {
    /// An optimizer that changes nothing, for a run without training.
    pub const NONE: Self =
        Self::Sgd(Sgd { lr: 0.0, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 });

    /// The learning rate before any schedule.
    #[must_use]
    pub fn lr(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.lr,
            Self::Adam(adam) => adam.lr,
        }
    }

    /// λ of the term λ/2 ‖θ‖² in the loss that the optimizer minimises; `None` if the weight decay
    /// is decoupled from the loss (AdamW).
    #[must_use]
    pub fn l2(&self) -> Option<f64> {
        match self {
            Self::Sgd(sgd) => Some(sgd.weight_decay),
            Self::Adam(adam) => (!adam.decoupled || adam.weight_decay == 0.0).then_some(adam.weight_decay),
        }
    }

    /// The settings in one line.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Sgd(sgd) => sgd.description(),
            Self::Adam(adam) => adam.description(),
        }
    }
}

/// An optimizer with its state.
#[derive(Debug, Clone)]
pub enum State {
    /// Of SGD.
    Sgd(Sgd, sgd::State),
    /// Of Adam.
    Adam(Adam, adam::State),
}

impl State {
    /// The state before the first step.
    #[must_use]
    pub fn new(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::Sgd(sgd) => Self::Sgd(sgd, sgd::State::default()),
            Optimizer::Adam(adam) => Self::Adam(adam, adam::State::default()),
        }
    }

    /// What the next step depends on besides the settings: the number of steps taken (0 if it does
    /// not matter), and tensors.
    #[must_use]
    pub fn memory(&self) -> (i32, Vec<&Tensor>) {
        match self {
            Self::Sgd(_, state) => (0, state.tensors().collect()),
            Self::Adam(_, state) => (state.steps(), state.tensors().collect()),
        }
    }

    /// Restores a state from its [`Self::memory`].
    #[must_use]
    pub fn remembering(optimizer: Optimizer, steps: i32, tensors: Vec<Tensor>) -> Self {
        match optimizer {
            Optimizer::Sgd(sgd) => Self::Sgd(sgd, sgd::State::remembering(tensors)),
            Optimizer::Adam(adam) => Self::Adam(adam, adam::State::remembering(steps, tensors)),
        }
    }

    /// Updates the parameters at a learning rate.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn step(&mut self, lr: f64, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        match self {
            Self::Sgd(sgd, state) => state.step(sgd, lr, parameters, gradients),
            Self::Adam(adam, state) => state.step(adam, lr, parameters, gradients),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use serde::Deserialize;

    use super::*;

    /// One optimizer's parameters after each step on the gradients of the file.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        parameters: Vec<Vec<f64>>,
    }

    #[derive(Deserialize)]
    struct Reference {
        start: Vec<f64>,
        gradients: Vec<Vec<f64>>,
        cases: Vec<Case>,
    }

    /// The settings of `tests/training/optimizers.py`.
    fn optimizer(name: &str) -> Optimizer {
        let sgd = Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, nesterov: false, weight_decay: 0.0 };
        let adam = Adam { lr: 0.01, betas: [0.8, 0.95], eps: 1e-6, weight_decay: 0.1, decoupled: false };
        match name {
            "sgd-dampening" => Optimizer::Sgd(Sgd { dampening: 0.3, weight_decay: 0.01, ..sgd }),
            "sgd-nesterov" => Optimizer::Sgd(Sgd { nesterov: true, weight_decay: 0.01, ..sgd }),
            "adam" => Optimizer::Adam(adam),
            "adamw" => Optimizer::Adam(Adam { decoupled: true, ..adam }),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn steps_are_those_of_pytorch() {
        let text = include_str!("../../../../tests/training/optimizers.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        let tensor = |values: &[f64]| Tensor::new(values, &Device::Cpu).unwrap();
        assert_eq!(reference.cases.len(), 4);
        for case in &reference.cases {
            let mut state = State::new(optimizer(&case.name));
            let mut parameters = [tensor(&reference.start)];
            for (step, (gradient, expected)) in reference.gradients.iter().zip(&case.parameters).enumerate() {
                let lr = optimizer(&case.name).lr();
                state.step(lr, &mut parameters, &[tensor(gradient)]).unwrap();
                for (ours, theirs) in parameters[0].to_vec1::<f64>().unwrap().iter().zip(expected) {
                    assert!((ours - theirs).abs() < 1e-14, "{}, step {step}: {ours} {theirs}", case.name);
                }
            }
        }
    }
}
