//! Candle modules as curvature operators, by differences of Candle's own gradients.

mod gradient;
mod variables;

use std::fmt;

use candle_core::{DType, Device, Module, Tensor, Var};
use candle_nn::VarMap;
use eigenscape_core::{CurvatureOperator, Error, ExactFactor, Random, Result};
use rand_distr::{Distribution, StandardNormal};

use self::variables::{Held, Variables, squared_norm};

/// A loss that depends on Candle variables.
type LossFunction = dyn Fn() -> candle_core::Result<Tensor> + Send + Sync;

/// The Hessian H = ∇²L of a loss L that Candle computes from variables θ, for existing modules. A
/// network written with [`nn`](crate::nn) has exact products, a Gauss-Newton matrix, and factors. A
/// Candle module only provides gradients, so that products are differences of gradients:
///
/// Hv ≈ D(ε) = (∇L(θ + εv) − ∇L(θ − εv)) / 2ε, with ε = h·‖θ‖/‖v‖ for a relative [step](Self::step)
/// h.
///
/// # Accuracy
///
/// D(ε) − Hv = (ε²/6)·∂³/∂s³ ∇L(θ + sv) + O(ε⁴) + ρ/ε. The truncation error falls with the square
/// of the step. The rounding errors ρ ~ u·‖∇L‖ of the gradients (u is 1.1e-16 in f64 and 6e-8 in
/// f32) and those of θ ± εv are divided by ε and grow as the step falls. If L varies on the scale
/// of θ itself, the sum of both is least near h = u^⅓, the default: 4.8e-6 in f64, for about ten
/// correct digits, and 3.9e-3 in f32, for about four. [`Self::calibrated`] finds the best step for
/// a given loss, and [`Self::accuracy`] measures the accuracy.
///
/// # Limitations
///
/// - There is no exact [factor](CurvatureOperator::factor) and no Gauss-Newton matrix: `gram` and
///   `trace` refuse the operator; use `lanczos`, `hutchinson` or `dense`.
/// - Where ReLUs or maxima switch within ε of θ, the gradient jumps, and the difference contains
///   the jump divided by 2ε. As the step falls, this error only falls with the number of units that
///   switch.
/// - The loss must be deterministic. Dropout, or batch normalisation in training mode, is refused
///   if two evaluations differ. Running statistics in the `VarMap` count as variables; leave them
///   out with [`Self::of_variables`].
/// - Candle's gradients must be correct. [`Self::new`] compares them with differences of the loss,
///   variable by variable, and refuses wrong ones. In Candle 0.11.1 the gradient of `max_pool2d` is
///   wrong: a unique largest element of a k × k window gets 1/k² of the cotangent instead of all of
///   it, and each of m equal largest elements gets m/k² of it instead of 1/m. All variables before
///   a pooling then have wrong gradients. (Only for k = 1 the gradient is correct. For a stride
///   other than k Candle has no gradient at all. If the last rows or columns do not fill a window,
///   elements are compared with another window's maximum and may get nothing.) A maximum over the
///   axes of a reshaped tensor has a correct gradient if no two elements are equal.
///
/// # Sharing
///
/// A product moves the variables and then restores them bit for bit, also after an error or a panic
/// in the loss. Products of all operators in a process wait for one another. During a product,
/// other code must neither read nor change the variables, and the loss must not compute products
/// itself.
///
/// ```
/// use eigenscape::{
///     CandleOperator, Context, CurvatureOperator, Dense, ProbeEstimator,
///     candle_core::{DType, Device, Tensor},
///     candle_nn::{VarBuilder, VarMap, linear, loss},
/// };
/// let variables = VarMap::new();
/// let model = linear(2, 1, VarBuilder::from_varmap(&variables, DType::F64, &Device::Cpu))?;
/// let x = Tensor::new(&[[1.0, 0.0], [0.0, 2.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[1.0], [0.0]], &Device::Cpu)?;
/// let hessian = CandleOperator::of_module(&variables, model, x, move |z| loss::mse(z, &y))?;
/// assert_eq!(hessian.names(), ["bias", "weight"]);
/// let spectrum = Dense::default().spectrum(&hessian, &Context::silent(0))?;
/// // By hand: the mean of 2 (1, x)(1, x)ᵀ has the trace 2 + 1 + 4.
/// assert!((spectrum.trace - 7.0).abs() < 1e-8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CandleOperator {
    variables: Variables,
    loss: Box<LossFunction>,
    step: f64,
}

/// The accuracy of a [`CandleOperator`]'s products, measured in random directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// The relative step h.
    pub step: f64,
    /// ‖D(2ε) − D(ε)‖/‖D(ε)‖: three times the truncation error of D(ε), or 1.1 times its rounding
    /// error. For a smooth loss it is an upper estimate of the relative error.
    pub difference: f64,
    /// |⟨u, Av⟩ − ⟨v, Au⟩| / (½ (‖u‖ ‖Av‖ + ‖v‖ ‖Au‖)) for independent u and v: 0 for a Hessian. A
    /// value that is not small means that the gradients are not those of the loss.
    pub asymmetry: f64,
}

impl CandleOperator {
    /// The Hessian of a loss in all variables of a map, in the order of their names. The loss is a
    /// scalar; every product evaluates it and its gradient at moved variables.
    ///
    /// At first the loss is evaluated twice, and a few times per variable, to check that it is
    /// deterministic and that the gradient is its derivative.
    ///
    /// # Errors
    /// When there are no variables, when a variable's type is not f64 or f32 or differs from the
    /// first one's, when the loss fails, is not a finite scalar or differs when evaluated again, or
    /// when Candle's gradient in a variable is not the derivative of the loss.
    pub fn new(
        variables: &VarMap,
        loss: impl Fn() -> candle_core::Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::checked(Variables::of_map(variables)?, Box::new(loss))
    }

    /// The Hessian of `loss(module(inputs))` in all variables of a map.
    ///
    /// # Errors
    /// The errors of [`Self::new`].
    pub fn of_module(
        variables: &VarMap,
        module: impl Module + Send + Sync + 'static,
        inputs: Tensor,
        loss: impl Fn(&Tensor) -> candle_core::Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::new(variables, move || loss(&module.forward(&inputs)?))
    }

    /// The block of the Hessian for some variables, in this order; all others are held fixed.
    ///
    /// # Errors
    /// The errors of [`Self::new`].
    pub fn of_variables(
        variables: Vec<(String, Var)>,
        loss: impl Fn() -> candle_core::Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::checked(Variables::new(variables)?, Box::new(loss))
    }

    fn checked(variables: Variables, loss: Box<LossFunction>) -> Result<Self> {
        let step = unit_roundoff(variables.dtype()).cbrt();
        let operator = Self { variables, loss, step };
        operator.check_loss()?;
        operator.check_gradient()?;
        Ok(operator)
    }

    /// The same operator with the relative step h.
    ///
    /// # Errors
    /// When h is not a positive number.
    pub fn with_step(self, step: f64) -> Result<Self> {
        if !(step.is_finite() && step > 0.0) {
            let problem = format!("the relative step is {step}");
            let remedy = "use a positive number, such as the default";
            return Err(Error::input(self.description(), problem, remedy));
        }
        Ok(Self { step, ..self })
    }

    /// The relative step h: products move θ by h·‖θ‖ (by h if θ is zero).
    #[must_use]
    pub fn step(&self) -> f64 {
        self.step
    }

    /// The variables' names, in the order of their elements in vectors.
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.variables.names()
    }

    /// The same operator with the step for which D(2ε) and D(ε) differ least in a random direction,
    /// among powers of two times the default. This computes 36 gradients.
    ///
    /// # Errors
    /// When the loss fails.
    pub fn calibrated(self, seed: u64) -> Result<Self> {
        const OCTAVES: i32 = 8;
        let direction = self.random(seed, 0)?;
        let first = unit_roundoff(self.dtype()).cbrt();
        let steps = (-OCTAVES..=OCTAVES + 1).map(|octave| first * 2_f64.powi(octave));
        let mut best = (f64::INFINITY, self.step);
        let mut before: Option<(f64, Tensor)> = None;
        let held = self.variables.hold()?;
        for step in steps {
            let product = self.difference(&held, &direction, step)?;
            if let Some((smaller, other)) = before {
                let apart = squared_norm(&(&product - other)?)?;
                if apart < best.0 {
                    best = (apart, smaller);
                }
            }
            before = Some((step, product));
        }
        drop(held);
        self.with_step(best.1)
    }

    /// Measures the accuracy of products, by D(ε) and D(2ε) in one random direction and D(ε) in
    /// another.
    ///
    /// # Errors
    /// When the loss fails.
    pub fn accuracy(&self, seed: u64) -> Result<Accuracy> {
        let (u, v) = (self.random(seed, 0)?, self.random(seed, 1)?);
        let (au, av, again) = {
            let held = self.variables.hold()?;
            let product = |vector, step| self.difference(&held, vector, step);
            (product(&u, self.step)?, product(&v, self.step)?, product(&v, 2.0 * self.step)?)
        };
        let norm = |tensor: &Tensor| Ok::<f64, Error>(squared_norm(tensor)?.sqrt());
        let size = (norm(&u)? * norm(&av)? + norm(&v)? * norm(&au)?) / 2.0;
        // A zero Hessian has no error: count 0/0 as 0.
        let relative = |error: f64, size: f64| if error == 0.0 { 0.0 } else { error / size };
        Ok(Accuracy {
            step: self.step,
            difference: relative(norm(&(&again - &av)?)?, norm(&av)?),
            asymmetry: relative((dot(&u, &av)? - dot(&v, &au)?).abs(), size),
        })
    }

    /// A vector of standard normal numbers.
    fn random(&self, seed: u64, index: u64) -> Result<Tensor> {
        let mut generator = Random::new(seed).stream("candle", index);
        let numbers = StandardNormal.sample_iter(&mut generator).take(self.dimension());
        let numbers: Vec<f64> = numbers.collect();
        let vector = Tensor::from_vec(numbers, self.dimension(), &Device::Cpu)?;
        Ok(vector.to_dtype(self.dtype())?.to_device(self.variables.device())?)
    }

    /// D(ε) for one vector \[P\].
    fn difference(&self, held: &Held, vector: &Tensor, step: f64) -> Result<Tensor> {
        let length = squared_norm(vector)?.sqrt();
        if length == 0.0 {
            return Ok(vector.zeros_like()?);
        }
        let epsilon = step * self.scale(held)? / length;
        held.move_by(vector, epsilon)?;
        let ahead = self.gradient()?;
        held.move_by(vector, -epsilon)?;
        let behind = self.gradient()?;
        Ok(((ahead - behind)? / (2.0 * epsilon))?)
    }

    /// ‖θ‖, or 1 if θ is zero.
    fn scale(&self, held: &Held) -> Result<f64> {
        Ok(Some(held.norm()?).filter(|norm| *norm > 0.0).unwrap_or(1.0))
    }
}

/// The unit roundoff u: half the distance from 1 to the next number.
fn unit_roundoff(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::EPSILON / 2.0 } else { f64::from(f32::EPSILON) / 2.0 }
}

fn dot(left: &Tensor, right: &Tensor) -> Result<f64> {
    Ok((left.to_dtype(DType::F64)? * right.to_dtype(DType::F64)?)?.sum_all()?.to_scalar()?)
}

impl fmt::Debug for CandleOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CandleOperator")
            .field("variables", &self.names())
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl CurvatureOperator for CandleOperator {
    fn dimension(&self) -> usize {
        self.variables.dimension()
    }

    fn dtype(&self) -> DType {
        self.variables.dtype()
    }

    fn description(&self) -> String {
        format!("hessian of {} Candle variables, by differences of gradients", self.names().len())
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        let (count, dimension) = vectors.dims2()?;
        if dimension != self.dimension() {
            return Err(Error::input(
                self.description(),
                format!("vectors have {dimension} elements where the variables have {}", self.dimension()),
                "use vectors of as many elements",
            ));
        }
        let vectors = vectors.to_dtype(self.dtype())?.to_device(self.variables.device())?;
        let held = self.variables.hold()?;
        let products = (0..count).map(|k| self.difference(&held, &vectors.get(k)?, self.step));
        let products = products.collect::<Result<Vec<_>>>()?;
        Ok(Tensor::stack(&products, 0)?.to_device(&Device::Cpu)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        Err(Error::input(
            self.description(),
            "it has no exact factor: of a Candle module nothing is known but gradients",
            "use estimator = \"lanczos\", \"hutchinson\" or \"dense\", or write the network with `nn`",
        ))
    }
}
