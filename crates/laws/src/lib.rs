//! The laws of operations, as checks that tests call.
//!
//! A [`Subject`] is a program of some operations at a random point. Its laws: tangents are
//! derivatives, transposes are adjoints, a leading axis stands for many evaluations, outputs are
//! views or in memory of their own, and every backend agrees with the definitions ([`Plain`]).
//!
//! Checks panic, as assertions do: this crate is for tests only.
#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use eigenscape_cpu::{Cpu, Plain};
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_program::{
    Graph, Result, Value,
    transforms::{linearize, transpose},
};
use eigenscape_runtime::{Backend, Definitions, Executable};

/// A deterministic stream of numbers in (−1, 1).
pub struct Numbers(u64);

impl Numbers {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> f64 {
        // SplitMix64 (Steele, Lea & Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64 * 2.0 - 1.0
    }

    /// A tensor of the next numbers, in f64.
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let data: Vec<f64> = (0..shape.iter().product()).map(|_| self.next()).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }
}

/// The outputs of a program at some inputs, in f64 on the CPU; asserts that the plain backend
/// agrees.
///
/// # Errors
/// When the program cannot be built or evaluated.
pub fn evaluate(
    graph: &Graph,
    inputs: &[Value],
    outputs: &[Value],
    at: &[Tensor],
) -> eigenscape_runtime::Result<Vec<Tensor>> {
    evaluate_in(DType::F64, graph, inputs, outputs, at)
}

/// [`evaluate`] in another type.
///
/// # Errors
/// The errors of [`evaluate`].
pub fn evaluate_in(
    dtype: DType,
    graph: &Graph,
    inputs: &[Value],
    outputs: &[Value],
    at: &[Tensor],
) -> eigenscape_runtime::Result<Vec<Tensor>> {
    Backends::default().run_in(dtype, &Executable::new(graph, inputs, outputs)?, at)
}

/// The backends that are compared.
#[derive(Default)]
struct Backends {
    cpu: Cpu,
    plain: Plain,
    definitions: Definitions,
}

impl Backends {
    fn with(definitions: Definitions) -> Self {
        let (cpu, plain) = (Cpu::with(definitions.clone()), Plain::with(definitions.clone()));
        Self { cpu, plain, definitions }
    }

    fn run(&self, program: &Executable, at: &[Tensor]) -> eigenscape_runtime::Result<Vec<Tensor>> {
        self.run_in(DType::F64, program, at)
    }

    fn run_in(
        &self,
        dtype: DType,
        program: &Executable,
        at: &[Tensor],
    ) -> eigenscape_runtime::Result<Vec<Tensor>> {
        let run = |backend: &dyn Backend| program.run(backend, at.to_vec(), dtype);
        let (found, defined) = (run(&self.cpu)?, run(&self.plain)?);
        let on_gpu = run(&gpu().with(self.definitions.clone()))?;
        let tolerance = if dtype == DType::F64 { 1e-12 } else { 1e-6 };
        for ((found, on_gpu), defined) in found.iter().zip(&on_gpu).zip(&defined) {
            agree(found, defined, tolerance);
            agree(on_gpu, defined, tolerance);
        }
        Ok(found)
    }
}

/// Every backend: the CPU's, the specification, and the [GPU](gpu); only the GPU if a card is
/// named.
#[must_use]
pub fn backends() -> Vec<Arc<dyn Backend>> {
    let mut backends: Vec<Arc<dyn Backend>> = vec![Arc::new(gpu().clone())];
    if std::env::var_os(CARD).is_none() {
        backends.extend([Cpu::shared(), Arc::new(Plain::default())]);
    }
    backends
}

/// The environment variable with the number of a card for tests.
const CARD: &str = "EIGENSCAPE_TEST_GPU";

/// The GPU for tests: an emulated one, or the card whose number is in the environment variable
/// `EIGENSCAPE_TEST_GPU`.
///
/// # Panics
/// When the GPU cannot be opened.
#[must_use]
pub fn gpu() -> &'static Cuda {
    static GPU: OnceLock<Cuda> = OnceLock::new();
    GPU.get_or_init(|| {
        let settings = match std::env::var(CARD) {
            Ok(number) => Settings { ordinal: number.parse().unwrap(), ..Settings::default() },
            Err(_) => {
                let emulated = Folders::only(eigenscape_cuda_emulator::libraries().unwrap());
                Settings { folders: Some(emulated), ..Settings::default() }
            }
        };
        Cuda::open(&settings).unwrap()
    })
}

/// Asserts that numbers agree to rounding, and that infinities and NaN are the same.
fn agree(found: &Tensor, defined: &Tensor, tolerance: f64) {
    assert_eq!((found.dims(), found.dtype()), (defined.dims(), defined.dtype()));
    let numbers = |tensor: &Tensor| -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let (found, defined) = (numbers(found), numbers(defined));
    let size = defined.iter().filter(|x| x.is_finite()).fold(1.0, |size: f64, x| size.max(x.abs()));
    for (found, defined) in found.iter().zip(&defined) {
        let same = found == defined || (found.is_nan() && defined.is_nan());
        assert!(
            same || (found - defined).abs() < tolerance * size,
            "{found} where the definition has {defined}"
        );
    }
}

/// The start of a tensor's memory, which is the same for all its views.
fn address(tensor: &Tensor) -> Option<usize> {
    let (storage, _) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F64(numbers)) => Some(numbers.as_ptr().addr()),
        _ => None,
    }
}

fn dot(x: &Tensor, y: &Tensor) -> f64 {
    (x * y).unwrap().sum_all().unwrap().to_scalar().unwrap()
}

fn difference(x: &Tensor, y: &Tensor) -> f64 {
    assert_eq!(x.dims(), y.dims());
    if x.elem_count() == 0 {
        return 0.0;
    }
    (x - y).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

/// An operation under test, at a random point.
pub struct Subject {
    graph: Graph,
    inputs: Vec<Value>,
    output: Value,
    at: Vec<Tensor>,
    numbers: Numbers,
    backends: Backends,
}

impl Subject {
    /// The operations that `build` emits, at a random point of inputs of these shapes.
    pub fn new(
        seed: u64,
        shapes: &[&[usize]],
        build: impl Fn(&mut Graph, &[Value]) -> Result<Value>,
    ) -> Self {
        let mut graph = Graph::default();
        let inputs: Vec<Value> = shapes.iter().map(|shape| graph.input("x", shape)).collect();
        let output = build(&mut graph, &inputs).unwrap();
        let mut numbers = Numbers::new(seed);
        let at = shapes.iter().map(|shape| numbers.tensor(shape)).collect();
        Self { graph, inputs, output, at, numbers, backends: Backends::default() }
    }

    /// The same subject with the definitions of plugins' operations.
    #[must_use]
    pub fn defined_by(self, definitions: Definitions) -> Self {
        Self { backends: Backends::with(definitions), ..self }
    }

    /// The same subject with every input x replaced by f(x).
    #[must_use]
    pub fn moved(mut self, f: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Self {
        self.at = self.at.iter().map(|x| f(x).unwrap()).collect();
        self
    }

    /// Checks all laws of an operation that is differentiable in every input.
    pub fn obeys_all(mut self) {
        self.tangents_are_derivatives();
        self.transpose_is_adjoint();
        self.leading_axes_are_many_evaluations();
        self.output_is_a_view_or_its_own();
    }

    /// An output that is not a view of an operand must have new memory at each evaluation: the
    /// operation keeps no reference to it.
    fn output_is_a_view_or_its_own(&self) {
        let program = Executable::new(&self.graph, &self.inputs, &[self.output]).unwrap();
        let evaluate = || self.backends.run(&program, &self.at).unwrap().remove(0);
        let (first, again) = (evaluate(), evaluate());
        let viewed = self.at.iter().any(|x| address(x) == address(&first));
        let nothing = self.inputs.is_empty() || first.elem_count() == 0;
        assert!(viewed || nothing || address(&first) != address(&again), "an output that is kept");
    }

    /// Asserts that the output is linear in each input while the others are fixed.
    #[must_use]
    pub fn must_be_multilinear(mut self) -> Self {
        let program = Executable::new(&self.graph, &self.inputs, &[self.output]).unwrap();
        let eval = |at: &[Tensor]| self.backends.run(&program, at).unwrap().remove(0);
        for i in 0..self.inputs.len() {
            let other = self.numbers.tensor(self.at[i].dims());
            let mut at = self.at.clone();
            at[i] = ((&self.at[i] * 2.0).unwrap() - (&other * 3.0).unwrap()).unwrap();
            let combined = eval(&at);
            at[i] = other;
            let separate = ((eval(&self.at) * 2.0).unwrap() - (eval(&at) * 3.0).unwrap()).unwrap();
            assert!(difference(&combined, &separate) < 1e-11, "not linear in operand {i}");
        }
        self
    }

    /// J v agrees with (f(x + hv) − f(x − hv)) / 2h.
    fn tangents_are_derivatives(&mut self) {
        const STEP: f64 = 1e-5;
        let directions: Vec<Tensor> = self.at.iter().map(|x| self.numbers.tensor(x.dims())).collect();
        let program = Executable::new(&self.graph, &self.inputs, &[self.output]).unwrap();
        let moved = |step: f64| {
            let at: Vec<Tensor> =
                self.at.iter().zip(&directions).map(|(x, v)| (x + (v * step).unwrap()).unwrap()).collect();
            self.backends.run(&program, &at).unwrap().remove(0)
        };
        let quotient = ((moved(STEP) - moved(-STEP)).unwrap() / (2.0 * STEP)).unwrap();
        let (graph, seeds, tangent) = self.tangent();
        let inputs: Vec<Value> = self.inputs.iter().copied().chain(seeds.iter().map(|(_, v)| *v)).collect();
        let at: Vec<Tensor> = self.at.iter().chain(&directions).cloned().collect();
        let ours = self.backends.run(&Executable::new(&graph, &inputs, &[tangent]).unwrap(), &at).unwrap();
        let scale = 1.0 + quotient.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        let error = difference(&ours[0], &quotient) / scale;
        assert!(error < 1e-7, "tangent is off by {error:e}");
    }

    /// ⟨u, J v⟩ = ⟨Jᵀ u, v⟩; for J and Jᵀ, too, leading axes stand for many evaluations.
    fn transpose_is_adjoint(&mut self) {
        let (mut graph, seeds, tangent) = self.tangent();
        let tangents: Vec<Value> = seeds.iter().map(|(_, v)| *v).collect();
        let shape = graph.shape(self.output).to_vec();
        let cotangent = graph.input("u", &shape);
        let pulled = transpose(&mut graph, &[(tangent, cotangent)], &tangents).unwrap();
        let pulled: Vec<Value> = pulled.into_iter().map(|value| value.unwrap()).collect();
        let forward: Vec<Value> = self.inputs.iter().chain(&tangents).copied().collect();
        let backward: Vec<Value> = self.inputs.iter().copied().chain([cotangent]).collect();
        let forward = Executable::new(&graph, &forward, &[tangent]).unwrap();
        let backward = Executable::new(&graph, &backward, &pulled).unwrap();
        let u = self.numbers.tensor(&shape);
        let v: Vec<Tensor> = self.at.iter().map(|x| self.numbers.tensor(x.dims())).collect();
        let at = &self.at;
        let jv = self.backends.run(&forward, &[at.as_slice(), &v].concat()).unwrap();
        let jtu = self.backends.run(&backward, &[at.as_slice(), std::slice::from_ref(&u)].concat()).unwrap();
        let (left, right) = (dot(&u, &jv[0]), jtu.iter().zip(&v).map(|(x, y)| dot(x, y)).sum::<f64>());
        assert!((left - right).abs() < 1e-10 * (1.0 + left.abs()), "⟨u, Jv⟩ = {left}, ⟨Jᵀu, v⟩ = {right}");
        batch_law(&self.backends, &forward, &[at.as_slice(), &v].concat(), &mut self.numbers);
        let backward_at = [at.as_slice(), &[u]].concat();
        batch_law(&self.backends, &backward, &backward_at, &mut self.numbers);
        let backward: Vec<Value> = self.inputs.iter().copied().chain([cotangent]).collect();
        pulled.iter().for_each(|value| {
            outer_products_sum_to_it(&self.backends, &mut graph, &backward, &backward_at, *value);
        });
    }

    fn leading_axes_are_many_evaluations(&mut self) {
        let program = Executable::new(&self.graph, &self.inputs, &[self.output]).unwrap();
        batch_law(&self.backends, &program, &self.at, &mut self.numbers);
    }

    fn tangent(&self) -> (Graph, Vec<(Value, Value)>, Value) {
        let mut graph = self.graph.clone();
        let seeds: Vec<(Value, Value)> = self
            .inputs
            .iter()
            .map(|&x| {
                let shape = graph.shape(x).to_vec();
                (x, graph.input("v", &shape))
            })
            .collect();
        let tangent = linearize(&mut graph, &[self.output], &seeds).unwrap()[0].unwrap();
        (graph, seeds, tangent)
    }
}

/// A value that is declared to be a sum of outer products must equal that sum.
fn outer_products_sum_to_it(
    backends: &Backends,
    graph: &mut Graph,
    inputs: &[Value],
    at: &[Tensor],
    value: Value,
) {
    let Some(node) = graph.operation(value) else { return };
    let Some([l, r]) = node.operation.rules().outer_products(graph, &node).unwrap() else { return };
    let program = Executable::new(graph, inputs, &[value, l, r]).unwrap();
    let [value, l, r] = backends.run(&program, at).unwrap().try_into().unwrap();
    let sum = l.t().unwrap().matmul(&r).unwrap();
    assert!(difference(&sum.flatten_all().unwrap(), &value.flatten_all().unwrap()) < 1e-12);
}

/// With a leading axis on any subset of the inputs, the outputs must be those of separate
/// evaluations, stacked.
fn batch_law(backends: &Backends, program: &Executable, at: &[Tensor], numbers: &mut Numbers) {
    const BATCH: usize = 3;
    for subset in 1_usize..1 << at.len() {
        let batched = |i: usize| subset >> i & 1 == 1;
        let inputs: Vec<Tensor> = at
            .iter()
            .enumerate()
            .map(|(i, x)| {
                let noise = (numbers.tensor(&[&[BATCH], x.dims()].concat()) * 0.1).unwrap();
                if batched(i) { noise.broadcast_add(x).unwrap() } else { x.clone() }
            })
            .collect();
        let together = backends.run(program, &inputs).unwrap();
        for b in 0..BATCH {
            let one: Vec<Tensor> = inputs
                .iter()
                .enumerate()
                .map(|(i, x)| if batched(i) { x.get(b).unwrap() } else { x.clone() })
                .collect();
            let alone = backends.run(program, &one).unwrap();
            for (together, alone) in together.iter().zip(&alone) {
                let same = together.rank() == alone.rank();
                let part = if same { together.clone() } else { together.get(b).unwrap() };
                assert!(difference(&part, alone) < 1e-12, "leading axes on inputs {subset:b}");
            }
        }
    }
}
