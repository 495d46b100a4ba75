//! Stochastic gradient descent, as `torch.optim.SGD` defines it.

use candle_core::Tensor;
use eigenscape_core::{Result, number::short};

use super::elementwise::{Number, Rule, map};

/// Settings of stochastic gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate, positive.
    pub lr: f64,
    /// Momentum, in \[0, 1).
    pub momentum: f64,
    /// The share of a gradient that the momentum buffer leaves out, in \[0, 1\].
    pub dampening: f64,
    /// Whether the step looks ahead along the buffer (Nesterov).
    pub nesterov: bool,
    /// Weight decay, not negative.
    pub weight_decay: f64,
}

impl Sgd {
    /// The settings in one line.
    #[must_use]
    pub fn description(&self) -> String {
        let Self { lr, momentum, dampening, nesterov, weight_decay } = self;
        let kind = if *nesterov { " (Nesterov)" } else { "" };
        let dampening = if *dampening > 0.0 { format!(", dampening {dampening}") } else { String::new() };
        let (lr, weight_decay) = (short(*lr), short(*weight_decay));
        format!("SGD, learning rate {lr}, momentum {momentum}{kind}{dampening}, weight decay {weight_decay}")
    }
}

/// The momentum buffers, one per parameter; empty before the first step.
#[derive(Debug, Clone, Default)]
pub struct State {
    momentum: Vec<Tensor>,
}

impl State {
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.momentum.iter()
    }

    pub(super) fn remembering(momentum: Vec<Tensor>) -> Self {
        Self { momentum }
    }

    /// Updates the parameters, with d = g + weight_decay·θ:
    ///
    /// - b ← momentum·b + (1 − dampening)·d; b = d in the first step and without momentum.
    /// - θ ← θ − lr·b, or with Nesterov θ ← θ − lr·(d + momentum·b).
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn step(
        &mut self,
        sgd: &Sgd,
        lr: f64,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
    ) -> Result<()> {
        let first = self.momentum.is_empty();
        for (index, (parameter, gradient)) in parameters.iter_mut().zip(gradients).enumerate() {
            if sgd.momentum == 0.0 {
                *parameter = map([parameter, gradient], &Plain { sgd, lr })?;
                continue;
            }
            if first {
                self.momentum.push(map([gradient, parameter], &First { sgd })?);
            } else {
                self.momentum[index] = map([&self.momentum[index], gradient, parameter], &Next { sgd })?;
            }
            let buffer = &self.momentum[index];
            *parameter = match sgd.nesterov {
                true => map([parameter, buffer, gradient], &Nesterov { sgd, lr })?,
                false => map([parameter, buffer], &Momentum { lr })?,
            };
        }
        Ok(())
    }
}

impl Sgd {
    /// d = g + weight_decay·θ.
    fn decayed<T: Number>(&self, gradient: T, parameter: T) -> T {
        if self.weight_decay > 0.0 { gradient + parameter.times(self.weight_decay) } else { gradient }
    }
}

/// θ ← θ − lr·d.
struct Plain<'a> {
    sgd: &'a Sgd,
    lr: f64,
}

impl Rule<2> for Plain<'_> {
    fn of<T: Number>(&self, [parameter, gradient]: [T; 2]) -> T {
        parameter - self.sgd.decayed(gradient, parameter).times(self.lr)
    }
}

/// b = d.
struct First<'a> {
    sgd: &'a Sgd,
}

impl Rule<2> for First<'_> {
    fn of<T: Number>(&self, [gradient, parameter]: [T; 2]) -> T {
        self.sgd.decayed(gradient, parameter)
    }
}

/// b ← momentum·b + (1 − dampening)·d.
struct Next<'a> {
    sgd: &'a Sgd,
}

impl Rule<3> for Next<'_> {
    fn of<T: Number>(&self, [buffer, gradient, parameter]: [T; 3]) -> T {
        let Sgd { momentum, dampening, .. } = *self.sgd;
        let d = self.sgd.decayed(gradient, parameter);
        buffer.times(momentum) + if dampening > 0.0 { d.times(1.0 - dampening) } else { d }
    }
}

/// θ ← θ − lr·b.
struct Momentum {
    lr: f64,
}

impl Rule<2> for Momentum {
    fn of<T: Number>(&self, [parameter, buffer]: [T; 2]) -> T {
        parameter - buffer.times(self.lr)
    }
}

/// θ ← θ − lr·(d + momentum·b).
struct Nesterov<'a> {
    sgd: &'a Sgd,
    lr: f64,
}

impl Rule<3> for Nesterov<'_> {
    fn of<T: Number>(&self, [parameter, buffer, gradient]: [T; 3]) -> T {
        let step = self.sgd.decayed(gradient, parameter) + buffer.times(self.sgd.momentum);
        parameter - step.times(self.lr)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Three steps on ½ θ² (gradient θ) with the numbers of torch.optim.SGD(lr=0.1, momentum=0.9,
    /// weight_decay=0.5), worked out by hand: d = 1.5 θ; b = 1.5, 0.9·1.5 + 1.5·0.85, ...
    #[test]
    fn three_steps_by_hand() {
        let sgd = Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, nesterov: false, weight_decay: 0.5 };
        let mut state = State::default();
        let mut parameters = [Tensor::new(&[1.0_f64], &Device::Cpu).unwrap()];
        let (mut theta, mut buffer): (f64, Option<f64>) = (1.0, None);
        for expected in [0.85, 0.5875, 0.263_125] {
            let gradients = [parameters[0].clone()];
            state.step(&sgd, 0.1, &mut parameters, &gradients).unwrap();
            let d = 1.5 * theta;
            let b = buffer.map_or(d, |b| 0.9 * b + d);
            (theta, buffer) = (theta - 0.1 * b, Some(b));
            let ours = parameters[0].to_vec1::<f64>().unwrap()[0];
            assert!((ours - theta).abs() < 1e-15);
            assert!((ours - expected).abs() < 1e-12, "{ours} {expected}");
        }
    }
}
