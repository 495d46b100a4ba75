//! Adam, as `torch.optim.Adam` and `torch.optim.AdamW` define it.

use candle_core::Tensor;
use eigenscape_core::{Result, number::short};

use super::elementwise::{Number, Rule, map};

/// Settings of Adam (Kingma & Ba 2015); AdamW where the weight decay is decoupled (Loshchilov &
/// Hutter 2019).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate, positive.
    pub lr: f64,
    /// β₁ and β₂, each in \[0, 1).
    pub betas: [f64; 2],
    /// The constant ε in the denominator, positive.
    pub eps: f64,
    /// Weight decay, not negative.
    pub weight_decay: f64,
    /// Whether the weight decay is decoupled from the gradient (AdamW).
    pub decoupled: bool,
}

impl Adam {
    /// The settings in one line.
    #[must_use]
    pub fn description(&self) -> String {
        let Self { lr, betas: [first, second], eps, weight_decay, decoupled } = self;
        let [lr, eps, weight_decay] = [lr, eps, weight_decay].map(|number| short(*number));
        let name = if *decoupled { "AdamW" } else { "Adam" };
        format!(
            "{name}, learning rate {lr}, betas {first} and {second}, eps {eps}, weight decay {weight_decay}"
        )
    }
}

/// The moments of each parameter, and the number of steps taken.
#[derive(Debug, Clone, Default)]
pub struct State {
    steps: i32,
    moments: Vec<[Tensor; 2]>,
}

impl State {
    pub(super) fn steps(&self) -> i32 {
        self.steps
    }

    /// Each parameter's first and second moment.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.moments.iter().flatten()
    }

    pub(super) fn remembering(steps: i32, tensors: Vec<Tensor>) -> Self {
        let mut tensors = tensors.into_iter();
        let pairs = std::iter::from_fn(|| Some([tensors.next()?, tensors.next()?]));
        Self { steps, moments: pairs.collect() }
    }

    /// Updates the parameters:
    ///
    /// - Adam: g ← g + weight_decay·θ; AdamW: θ ← (1 − lr·weight_decay)·θ.
    /// - m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², both starting at 0.
    /// - In step t: θ ← θ − lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + eps).
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn step(
        &mut self,
        adam: &Adam,
        lr: f64,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
    ) -> Result<()> {
        let [first, second] = adam.betas;
        if self.moments.is_empty() {
            let zeros = |p: &Tensor| Ok([p.zeros_like()?, p.zeros_like()?]);
            self.moments = parameters.iter().map(zeros).collect::<Result<_>>()?;
        }
        self.steps = self.steps.saturating_add(1);
        let corrections = adam.betas.map(|beta| 1.0 - beta.powi(self.steps));
        for ((parameter, gradient), [m, v]) in parameters.iter_mut().zip(gradients).zip(&mut self.moments) {
            let added = if adam.decoupled { 0.0 } else { adam.weight_decay };
            *m = map([m, gradient, parameter], &First { beta: first, added })?;
            *v = map([v, gradient, parameter], &Second { beta: second, added })?;
            let shrunk = if adam.decoupled { 1.0 - lr * adam.weight_decay } else { 1.0 };
            let (rate, scale) = (lr / corrections[0], corrections[1].sqrt().recip());
            *parameter = map([parameter, m, v], &Move { shrunk, rate, scale, eps: adam.eps })?;
        }
        Ok(())
    }
}

/// g + `added`·θ.
fn decayed<T: Number>(gradient: T, parameter: T, added: f64) -> T {
    if added > 0.0 { gradient + parameter.times(added) } else { gradient }
}

/// m ← β₁ m + (1 − β₁) g.
struct First {
    beta: f64,
    added: f64,
}

impl Rule<3> for First {
    fn of<T: Number>(&self, [m, gradient, parameter]: [T; 3]) -> T {
        let gradient = decayed(gradient, parameter, self.added);
        m.times(self.beta) + gradient.times(1.0 - self.beta)
    }
}

/// v ← β₂ v + (1 − β₂) g².
struct Second {
    beta: f64,
    added: f64,
}

impl Rule<3> for Second {
    fn of<T: Number>(&self, [v, gradient, parameter]: [T; 3]) -> T {
        let gradient = decayed(gradient, parameter, self.added);
        v.times(self.beta) + (gradient * gradient).times(1.0 - self.beta)
    }
}

/// θ ← `shrunk`·θ − `rate`·m / (`scale`·√v + eps).
struct Move {
    shrunk: f64,
    rate: f64,
    scale: f64,
    eps: f64,
}

impl Rule<3> for Move {
    fn of<T: Number>(&self, [parameter, m, v]: [T; 3]) -> T {
        let parameter = if self.shrunk == 1.0 { parameter } else { parameter.times(self.shrunk) };
        let denominator = v.sqrt() * T::rounded(self.scale) + T::rounded(self.eps);
        parameter - (m / denominator).times(self.rate)
    }
}
