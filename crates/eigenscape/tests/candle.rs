//! Candle modules as curvature operators: accuracy, refusals, and that variables are restored.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use eigenscape::{
    CandleOperator, Context, Cpu, Curvature, CurvatureOperator, Gram, GroupSelector, Landscape, Network,
    Objective, Point, ProbeEstimator,
    candle_core::{self, DType, Device, Tensor, Var},
    losses, nn,
};

const SAMPLES: usize = 9;

fn wave(shape: &[usize], pitch: f64) -> Tensor {
    let values = (0..shape.iter().product::<usize>()).map(|i| 0.8 * (pitch * (i + 1) as f64).sin());
    Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// A tanh perceptron, as Candle variables and as our network.
struct Case {
    variables: Vec<(String, Var)>,
    network: Network,
    point: Point,
}

impl Case {
    fn new(dtype: DType) -> Self {
        let network = Network::new(&[3], |scope, x| {
            let x = nn::linear(&mut scope.at("hidden"), x, 5, true)?;
            let x = nn::activation(scope, x, nn::Activation::Tanh)?;
            nn::linear(&mut scope.at("out"), x, 2, true)
        })
        .unwrap();
        let number = |index: usize| 0.9 + index as f64;
        let tensors = network.parameters().iter().enumerate();
        let parameters: Vec<Tensor> = tensors
            .map(|(i, parameter)| wave(&parameter.shape, number(i)).to_dtype(dtype).unwrap())
            .collect();
        let named = network.parameters().iter().zip(&parameters);
        let variables =
            named.map(|(p, tensor)| (p.name.clone(), Var::from_tensor(tensor).unwrap())).collect();
        let (inputs, targets) = (wave(&[SAMPLES, 3], 1.3), wave(&[SAMPLES, 2], 0.7));
        let point =
            Point { backend: Cpu::shared(), parameters, buffers: vec![], inputs, targets, masks: vec![] };
        Self { variables, network, point: point.to_dtype(dtype).unwrap() }
    }

    fn loss(&self) -> impl Fn() -> candle_core::Result<Tensor> + Send + Sync + 'static {
        let weights: Vec<Var> = self.variables.iter().map(|(_, variable)| variable.clone()).collect();
        let (x, y) = (self.point.inputs.clone(), self.point.targets.clone());
        move || {
            let hidden = x.matmul(&weights[0].t()?)?.broadcast_add(&weights[1])?.tanh()?;
            let z = hidden.matmul(&weights[2].t()?)?.broadcast_add(&weights[3])?;
            (z - &y)?.sqr()?.mean_all()
        }
    }

    fn operator(&self) -> CandleOperator {
        CandleOperator::of_variables(self.variables.clone(), self.loss()).unwrap()
    }

    /// Exact products, in f64.
    fn exact(&self, vectors: &Tensor) -> Tensor {
        let point = self.point.to_dtype(DType::F64).unwrap();
        let loss = losses::mean_squared_error();
        let full = GroupSelector::Full.resolve(&self.network, SAMPLES).unwrap().remove(0);
        let landscape = Landscape::new(&self.network, &loss, point, 1 << 30).unwrap();
        landscape.operator(Curvature::Hessian, &full).apply(&vectors.to_dtype(DType::F64).unwrap()).unwrap()
    }

    fn bits(&self) -> Vec<Vec<u64>> {
        let bits = |(_, variable): &(String, Var)| {
            let numbers = variable.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
            numbers.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
        };
        self.variables.iter().map(bits).collect()
    }
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
}

fn flat(tensors: &[Tensor]) -> Tensor {
    let parts: Vec<Tensor> = tensors.iter().map(|tensor| tensor.flatten_all().unwrap()).collect();
    Tensor::cat(&parts, 0).unwrap()
}

/// Splits the direction v into one tensor per parameter.
fn cut(case: &Case, vector: &Tensor) -> Vec<Tensor> {
    let mut first = 0;
    let part = |parameter: &Tensor| {
        let count = parameter.elem_count();
        first += count;
        vector.narrow(0, first - count, count).unwrap().reshape(parameter.shape()).unwrap()
    };
    case.point.parameters.iter().map(part).collect()
}

/// ∂³/∂s³ ∇L(θ + sv) at s = 0, by a difference of exact third derivatives. The truncation error is
/// ε²/6 times this.
fn third_derivative(case: &Case, v: &Tensor) -> Tensor {
    const STEP: f64 = 1e-4;
    let all: Vec<usize> = (0..case.point.parameters.len()).collect();
    let objective = Objective::new(&case.network, &losses::mean_squared_error(), SAMPLES).unwrap();
    let along = objective.curvature_along(all.as_slice(), all.as_slice()).unwrap();
    let direction = cut(case, v);
    let at = |factor: f64| {
        let mut point = case.point.clone();
        for (parameter, v) in point.parameters.iter_mut().zip(&direction) {
            *parameter = (&*parameter + (v * factor).unwrap()).unwrap();
        }
        // [vᵀHv, its gradient...]
        flat(&along.at(&point, &direction).unwrap()[1..])
    };
    ((at(STEP) - at(-STEP)).unwrap() / (2.0 * STEP)).unwrap()
}

/// Every bound here is that of the error model, (ε²/6)·third derivative + rounding/ε.
#[test]
fn in_f64_the_error_is_what_the_model_says() {
    let case = Case::new(DType::F64);
    let operator = case.operator();
    assert_eq!(operator.names(), ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]);
    let v = wave(&[operator.dimension()], 2.1);
    let exact = case.exact(&v.unsqueeze(0).unwrap()).squeeze(0).unwrap();
    let theta = norm(&flat(&case.point.parameters));
    let third = third_derivative(&case, &v);
    let roundoff = f64::EPSILON / 2.0;
    let first = operator.step();
    let mut operator = operator;
    for (factor, dominated) in [(1e3, true), (1e2, true), (1.0, false), (1e-2, false)] {
        operator = operator.with_step(first * factor).unwrap();
        let found = operator.apply(&v.unsqueeze(0).unwrap()).unwrap().squeeze(0).unwrap();
        let epsilon = operator.step() * theta / norm(&v);
        let error = (found - &exact).unwrap();
        let truncation = (&third * (epsilon.powi(2) / 6.0)).unwrap();
        // Gradients are sums of SAMPLES terms of similar size, over five units: each addition
        // rounds. The moved weights are rounded, too.
        let additions = (SAMPLES * 5) as f64;
        let gradient = norm(&exact) * theta / norm(&v);
        let rounding = additions * roundoff * gradient / epsilon;
        println!(
            "h = {:.1e}: {:.1e} relative, truncation {:.1e}, rounding at most {:.1e}",
            operator.step(),
            norm(&error) / norm(&exact),
            norm(&truncation) / norm(&exact),
            rounding / norm(&exact)
        );
        assert!(norm(&error) <= 1.01 * norm(&truncation) + rounding);
        if dominated {
            // The error is the truncation error, element by element, up to its next term.
            let rest = norm(&(error - &truncation).unwrap());
            assert!(rest <= 1e-2 * norm(&truncation) + rounding, "{rest:e}");
        }
    }
}

#[test]
fn the_measured_accuracy_bounds_the_error() {
    for (dtype, expected) in [(DType::F64, 1e-9), (DType::F32, 1e-3)] {
        let case = Case::new(dtype);
        for operator in [case.operator(), case.operator().calibrated(3).unwrap()] {
            let accuracy = operator.accuracy(5).unwrap();
            let vectors = wave(&[4, operator.dimension()], 2.1).to_dtype(dtype).unwrap();
            let found = operator.apply(&vectors).unwrap();
            assert_eq!(found.dtype(), dtype);
            let exact = case.exact(&vectors);
            let error = norm(&(found.to_dtype(DType::F64).unwrap() - &exact).unwrap()) / norm(&exact);
            println!("{dtype:?}: {error:.1e} off, {accuracy:?}");
            // The error in another direction may be a few times larger.
            assert!(error < 4.0 * accuracy.difference, "{error:e}, {accuracy:?}");
            assert!(accuracy.difference < expected && accuracy.asymmetry < expected, "{accuracy:?}");
        }
    }
}

#[test]
fn a_zero_vector_has_a_zero_product_and_zero_weights_a_step() {
    let case = Case::new(DType::F64);
    let operator = case.operator();
    let zeros = Tensor::zeros((1, operator.dimension()), DType::F64, &Device::Cpu).unwrap();
    assert_eq!(norm(&operator.apply(&zeros).unwrap()), 0.0);
    // At 0 the Hessian of Σ w² is still 2 I.
    let w = Var::zeros(3, DType::F64, &Device::Cpu).unwrap();
    let variable = w.clone();
    let operator =
        CandleOperator::of_variables(vec![("w".to_owned(), variable)], move || w.sqr()?.sum_all()).unwrap();
    let v = wave(&[1, 3], 1.0);
    let error = (operator.apply(&v).unwrap() - (&v * 2.0).unwrap()).unwrap();
    assert!(norm(&error) < 1e-14);
}

#[test]
fn variables_are_put_back_bit_for_bit() {
    let case = Case::new(DType::F64);
    let before = case.bits();
    let fails = Arc::new(AtomicBool::new(false));
    let panics = Arc::new(AtomicBool::new(false));
    let (loss, failing, panicking) = (case.loss(), fails.clone(), panics.clone());
    let operator = CandleOperator::of_variables(case.variables.clone(), move || {
        assert!(!panicking.load(Ordering::SeqCst), "asked for");
        if failing.load(Ordering::SeqCst) { candle_core::bail!("asked for") } else { loss() }
    })
    .unwrap();
    assert_eq!(case.bits(), before);
    let vectors = wave(&[2, operator.dimension()], 2.1);
    let product = operator.apply(&vectors).unwrap();
    operator.accuracy(0).unwrap();
    assert_eq!(case.bits(), before);
    fails.store(true, Ordering::SeqCst);
    assert!(operator.apply(&vectors).is_err());
    assert_eq!(case.bits(), before);
    fails.store(false, Ordering::SeqCst);
    panics.store(true, Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| operator.apply(&vectors).map(drop))).is_err());
    assert_eq!(case.bits(), before);
    panics.store(false, Ordering::SeqCst);
    // The lock is free again, and the product has the same bits.
    let again = operator.apply(&vectors).unwrap();
    assert_eq!(norm(&(again - product).unwrap()), 0.0);
    assert_eq!(case.bits(), before);
}

/// Two operators of the same variables on several threads.
#[test]
fn threads_wait_for_each_other() {
    let case = Case::new(DType::F64);
    let operators = [case.operator(), case.operator()];
    let vectors = wave(&[3, operators[0].dimension()], 2.1);
    let alone = operators[0].apply(&vectors).unwrap();
    std::thread::scope(|scope| {
        for operator in operators.iter().cycle().take(6) {
            scope.spawn(|| {
                for _ in 0..5 {
                    let found = operator.apply(&vectors).unwrap();
                    assert_eq!(norm(&(found - &alone).unwrap()), 0.0);
                }
            });
        }
    });
}

#[test]
fn what_it_cannot_do_is_refused() {
    let case = Case::new(DType::F64);
    let operator = case.operator();
    let error = Gram::default().spectrum(&operator, &Context::silent(0)).unwrap_err();
    assert!(error.to_string().contains("no exact factor"), "{error}");
    assert!(!operator.is_semidefinite());
    let error = operator.apply(&wave(&[1, 3], 1.0)).unwrap_err();
    assert!(error.to_string().contains("3 elements"), "{error}");

    for step in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = case.operator().with_step(step).unwrap_err();
        assert!(error.to_string().contains("relative step"), "{error}");
    }

    let refused = |variables: Vec<(String, Var)>,
                   words: &str,
                   loss: Box<dyn Fn() -> candle_core::Result<Tensor> + Send + Sync>| {
        let Err(error) = CandleOperator::of_variables(variables, loss) else {
            panic!("{words} is not refused")
        };
        assert!(error.to_string().contains(words), "{error}");
    };
    let one = |dtype: DType| Var::ones(2, dtype, &Device::Cpu).unwrap();
    let named = |variable: &Var| vec![("w".to_owned(), variable.clone())];
    refused(vec![], "no variables", Box::new(|| Tensor::new(0.0, &Device::Cpu)));
    let w = one(DType::BF16);
    refused(named(&w), "BF16", Box::new(move || w.sum_all()));
    let w = one(DType::F64);
    let mixed = [named(&w), vec![("half".to_owned(), one(DType::F32))]].concat();
    refused(mixed, "of one type", Box::new(move || w.sum_all()));
    let w = one(DType::F64);
    refused(named(&w), "shape [2]", Box::new(move || w.sqr()));
    let w = one(DType::F64);
    refused(named(&w), "NaN", Box::new(move || w.affine(-1.0, 0.0)?.log()?.sum_all()));
    // Like dropout: a different loss each time.
    let (w, calls) = (one(DType::F64), AtomicUsize::new(0));
    let random = move || w.sqr()?.sum_all()?.affine(1.0, calls.fetch_add(1, Ordering::SeqCst) as f64);
    refused(named(&one(DType::F64)), "again", Box::new(random));
    // A gradient lost by `detach`.
    let w = one(DType::F64);
    refused(named(&w), "gradient is wrong", Box::new(move || w.detach().sqr()?.sum_all()));
}

/// The share of the cotangent that each input of a pooled plane gets: in Candle, and by finite
/// differences of the pooling.
fn pooled(plane: &[f64], side: usize, window: usize) -> (Vec<f64>, Vec<f64>) {
    const STEP: f64 = 1e-6;
    let pool = |x: &Tensor| x.max_pool2d(window).unwrap().sum_all().unwrap();
    let tensor = |x: &[f64]| Tensor::from_slice(x, (1, 1, side, side), &Device::Cpu).unwrap();
    let x = Var::from_tensor(&tensor(plane)).unwrap();
    let gradient = pool(x.as_tensor()).backward().unwrap().get(&x).unwrap().flatten_all().unwrap();
    let value = |i: usize, step: f64| {
        let mut moved = plane.to_vec();
        moved[i] += step;
        pool(&tensor(&moved)).to_scalar::<f64>().unwrap()
    };
    let difference = |i| (value(i, STEP) - value(i, -STEP)) / (2.0 * STEP);
    (gradient.to_vec1().unwrap(), (0..plane.len()).map(difference).collect())
}

/// What the documentation of [`CandleOperator`] says about Candle 0.11.1: if this fails after an
/// update, correct that documentation.
#[test]
fn candles_gradient_of_max_pooling_is_wrong() {
    // Without ties the largest element of a window gets 1/k² of the right value.
    for window in [1, 2, 3] {
        let side = 2 * window;
        let plane: Vec<f64> = (0..side * side).map(|i| (1.7 * i as f64).sin()).collect();
        let (candle, true_one) = pooled(&plane, side, window);
        assert_eq!(true_one.iter().filter(|x| (**x - 1.0).abs() < 1e-6).count(), 4);
        for (found, derivative) in candle.iter().zip(&true_one) {
            assert!((found * (window * window) as f64 - derivative).abs() < 1e-6, "{found} for {derivative}");
        }
    }
    // Each of m equal elements gets m/k² (1/m each, or all to one, would be subgradients).
    assert_eq!(pooled(&[1.0, 1.0, 0.0, 0.0], 2, 2).0, [0.5, 0.5, 0.0, 0.0]);
    assert_eq!(pooled(&[1.0; 4], 2, 2).0, [1.0; 4]);
    // The last row and column fill no window: elements are compared with another window's maximum
    // and may get nothing.
    let plane: Vec<f64> = (0..25).map(|i| -f64::from(i)).collect();
    let (candle, true_one) = pooled(&plane, 5, 2);
    assert_eq!(true_one.iter().filter(|x| (**x - 1.0).abs() < 1e-6).count(), 4);
    assert_eq!((candle[0], candle.iter().sum()), (0.25, 0.25));
    // Other strides have no gradient.
    let x = Var::from_tensor(&wave(&[1, 1, 4, 4], 1.0)).unwrap();
    assert!(x.max_pool2d_with_stride(2, 1).unwrap().sum_all().unwrap().backward().is_err());
}

/// A pooling after a convolution is refused; the same maximum over reshaped axes is not.
#[test]
fn a_module_with_max_pooling_is_refused() {
    let x = wave(&[2, 1, 4, 4], 1.3);
    let weight = Var::from_tensor(&wave(&[3, 1, 3, 3], 0.9)).unwrap();
    let variables = || vec![("conv.weight".to_owned(), weight.clone())];
    let (kernel, image) = (weight.clone(), x.clone());
    let convolved = move || image.conv2d(&kernel, 1, 1, 1, 1);
    let by_candle = {
        let convolved = convolved.clone();
        CandleOperator::of_variables(variables(), move || convolved()?.max_pool2d(2)?.sqr()?.mean_all())
    };
    let Err(error) = by_candle else { panic!("a wrong gradient is not seen") };
    assert!(error.to_string().contains("conv.weight: Candle's gradient is wrong"), "{error}");
    assert!(error.remedy().contains("max_pool2d"), "{error}");
    let pooled = move || {
        let windows = convolved()?.reshape((2, 3, 2, 2, 2, 2))?;
        windows.max(5)?.max(3)?.sqr()?.mean_all()
    };
    let operator = CandleOperator::of_variables(variables(), pooled).unwrap();
    let accuracy = operator.accuracy(1).unwrap();
    assert!(accuracy.asymmetry < 1e-8, "{accuracy:?}");
}
