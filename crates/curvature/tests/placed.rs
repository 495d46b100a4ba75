//! What stays in a backend's memory, tested with a backend that has its own memory and counts the
//! numbers copied to it and back.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::Cpu;
use eigenscape_curvature::{MeanLoss, Objective, Point};
use eigenscape_losses::mean_squared_error;
use eigenscape_program::{Network, Variables, nn};
use eigenscape_runtime::{Backend, Buffer, DeviceBuffer, Plan, Planning, Result};

/// Counts of copied numbers.
#[derive(Debug, Default)]
struct Moved {
    there: AtomicUsize,
    back: AtomicUsize,
}

impl Moved {
    /// The numbers copied to the backend and back since the last call.
    fn take(&self) -> [usize; 2] {
        [&self.there, &self.back].map(|count| count.swap(0, Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Kept {
    tensor: Tensor,
    moved: Arc<Moved>,
}

impl DeviceBuffer for Kept {
    fn dims(&self) -> &[usize] {
        self.tensor.dims()
    }

    fn dtype(&self) -> DType {
        self.tensor.dtype()
    }

    fn to_host(&self) -> Result<Tensor> {
        self.moved.back.fetch_add(self.tensor.elem_count(), Ordering::Relaxed);
        Ok(self.tensor.copy()?)
    }
}

/// The CPU backend with a separate memory.
#[derive(Debug, Clone, Default)]
struct Away {
    cpu: Cpu,
    moved: Arc<Moved>,
}

impl Away {
    /// The buffer inside the backend, as the CPU takes it.
    fn inside(&self, buffer: &Buffer) -> Result<Buffer> {
        let placed = match buffer {
            Buffer::Host(tensor) => self.place(tensor)?,
            Buffer::Device(_) => buffer.clone(),
        };
        Ok(placed.device::<Kept>().unwrap().tensor.clone().into())
    }

    fn all_inside(&self, buffers: &[Buffer]) -> Result<Vec<Buffer>> {
        buffers.iter().map(|buffer| self.inside(buffer)).collect()
    }

    /// The buffer as the backend returns it.
    fn outside(&self, buffer: &Buffer) -> Result<Buffer> {
        let tensor = buffer.host().unwrap().contiguous()?;
        Ok(Buffer::Device(Arc::new(Kept { tensor, moved: self.moved.clone() })))
    }

    fn all_outside(&self, buffers: &[Buffer]) -> Result<Vec<Buffer>> {
        buffers.iter().map(|buffer| self.outside(buffer)).collect()
    }
}

impl Backend for Away {
    fn name(&self) -> &'static str {
        "away"
    }

    fn planning(&self) -> Planning {
        self.cpu.planning()
    }

    fn is_host(&self) -> bool {
        false
    }

    fn place(&self, tensor: &Tensor) -> Result<Buffer> {
        self.moved.there.fetch_add(tensor.elem_count(), Ordering::Relaxed);
        self.outside(&tensor.force_contiguous()?.into())
    }

    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        self.all_outside(&self.cpu.run(plan, self.all_inside(&inputs)?)?)
    }

    fn cut(&self, vectors: &Buffer, shapes: &[Vec<usize>]) -> Result<Vec<Buffer>> {
        self.all_outside(&self.cpu.cut(&self.inside(vectors)?, shapes)?)
    }

    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer> {
        let terms = terms.iter().map(|(factor, parts)| Ok((*factor, self.all_inside(parts)?)));
        self.outside(&self.cpu.join(&terms.collect::<Result<Vec<_>>>()?, lens, k, dtype)?)
    }

    fn dots(&self, vectors: &[Buffer], w: &Buffer) -> Result<Vec<f64>> {
        self.cpu.dots(&self.all_inside(vectors)?, &self.inside(w)?)
    }

    fn rows(&self, vectors: &Buffer) -> Result<Vec<Buffer>> {
        self.all_outside(&self.cpu.rows(&self.inside(vectors)?)?)
    }

    fn stack(&self, rows: &[Buffer]) -> Result<Buffer> {
        self.outside(&self.cpu.stack(&self.all_inside(rows)?)?)
    }

    fn own(&self, results: Vec<Buffer>, others: &[Buffer]) -> Result<Vec<Buffer>> {
        let others: Vec<Buffer> = others.iter().filter(|other| other.host().is_none()).cloned().collect();
        self.all_outside(&self.cpu.own(self.all_inside(&results)?, &self.all_inside(&others)?)?)
    }

    fn recycle(&self, buffers: &[Buffer]) {
        self.cpu.recycle(&self.all_inside(buffers).unwrap());
    }

    fn release(&self) {
        self.cpu.release();
    }
}

const SAMPLES: usize = 12;
const INPUTS: usize = 5;
const HIDDEN: usize = 40;
const OUTPUTS: usize = 3;
/// The number of scalars in inputs and targets of all samples.
const DATA: usize = SAMPLES * (INPUTS + OUTPUTS);

fn network() -> Network {
    let network = Network::new(&[INPUTS], |scope, x| {
        let x = nn::linear(&mut scope.at("0"), x, HIDDEN, true)?;
        let x = nn::activation(scope, x, nn::Activation::Tanh)?;
        nn::linear(&mut scope.at("1"), x, OUTPUTS, true)
    });
    network.unwrap()
}

/// Deterministic numbers without a short period.
fn wave(shape: &[usize], phase: f64) -> Tensor {
    let numbers = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * 0.7 + phase).sin() as f32);
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

fn point(backend: Arc<dyn Backend>) -> Point {
    let parameters = network().parameters().iter().map(|parameter| wave(&parameter.shape, 0.2)).collect();
    let (inputs, targets) = (wave(&[SAMPLES, INPUTS], 0.5), wave(&[SAMPLES, OUTPUTS], 0.9));
    Point { backend, parameters, buffers: vec![], inputs, targets, masks: vec![] }
}

fn loss(backend: Arc<dyn Backend>, memory: usize) -> MeanLoss {
    MeanLoss::new(&network(), &mean_squared_error(), point(backend), memory).unwrap()
}

fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    tensor.to_vec2().unwrap()
}

const ALL: [usize; 4] = [0, 1, 2, 3];

#[test]
fn weights_are_placed_once_and_vectors_alone_are_moved_for_a_product() -> Result<()> {
    let mut again = 0;
    for memory in (0..30).map(|i| (10_000.0 * 1.2_f64.powi(i)) as usize) {
        let away = Away::default();
        let Ok(product) = loss(Arc::new(away.clone()), memory).hessian(&ALL) else { continue };
        let p = product.dimension();
        let vectors = wave(&[1, p], 0.4);
        let first = product.apply_rows(&vectors)?;
        // The point and the vectors.
        assert_eq!(away.moved.take(), [p + DATA + p, p], "{memory}");
        let second = product.apply_rows(&vectors)?;
        let [there, back] = away.moved.take();
        // Data of micro-batches that do not keep their residuals.
        let data = there - p;
        assert!(data <= DATA && back == p, "{memory}: {there} there, {back} back");
        again += usize::from(data > 0);
        let placed = away.place(&vectors)?;
        away.moved.take();
        let third = product.apply_placed(&placed)?;
        assert_eq!(away.moved.take(), [data, 0], "{memory}");
        let expected = rows(&loss(Cpu::shared(), memory).hessian(&ALL)?.apply_rows(&vectors)?);
        for found in [first, second, third.to_host()?] {
            assert!(rows(&found) == expected, "{memory}: other bits");
        }
    }
    assert!(again > 0, "residuals are kept in every memory");
    Ok(())
}

#[test]
fn all_derivatives_have_the_bits_of_tensors_on_the_host() -> Result<()> {
    let objective = Objective::new(&network(), &mean_squared_error(), SAMPLES)?;
    let (away, here) = (point(Arc::new(Away::default())), point(Cpu::shared()));
    let vectors = wave(&[3, 363], 0.4);
    let pairs = [
        [objective.hessian(&away, &ALL)?, objective.hessian(&here, &ALL)?],
        [objective.gauss_newton(&away, &ALL)?, objective.gauss_newton(&here, &ALL)?],
        [objective.residual(&away, &ALL)?, objective.residual(&here, &ALL)?],
    ];
    for [found, expected] in pairs {
        assert!(rows(&found.apply_rows(&vectors)?) == rows(&expected.apply_rows(&vectors)?));
        let v: Vec<Tensor> = here.parameters.clone();
        for (found, expected) in found.apply(&v)?.iter().zip(&expected.apply(&v)?) {
            assert!(rows(&found.reshape((1, ()))?) == rows(&expected.reshape((1, ()))?));
        }
    }
    let (away, here) = (loss(away.backend, 30_000), loss(here.backend, 30_000));
    for (found, expected) in away.gradient(&ALL)?.gradient.iter().zip(&here.gradient(&ALL)?.gradient) {
        assert!(found.flatten_all()?.to_vec1::<f64>()? == expected.flatten_all()?.to_vec1::<f64>()?);
    }
    let factors = [
        [away.factor(&ALL)?, here.factor(&ALL)?].map(|factor| factor.rows(0..SAMPLES, 30_000).unwrap()),
        [away.columns(&ALL)?, here.columns(&ALL)?].map(|factor| factor.rows(0..SAMPLES, 30_000).unwrap()),
    ];
    for [found, expected] in factors {
        for (found, expected) in found.tensors.iter().zip(&expected.tensors) {
            assert!(rows(&found.explicit(DType::F32)?) == rows(&expected.explicit(DType::F32)?));
        }
    }
    Ok(())
}

/// Holds even if only a few of the vectors are multiplied at once.
#[test]
fn several_vectors_stay_where_they_are() -> Result<()> {
    let vectors = wave(&[5, 363], 0.4);
    let mut alone = 0;
    for memory in (0..30).map(|i| (10_000.0 * 1.2_f64.powi(i)) as usize) {
        let away = Away::default();
        let Ok(product) = loss(Arc::new(away.clone()), memory).hessian(&ALL) else { continue };
        let placed = away.place(&vectors)?;
        away.moved.take();
        let found = product.apply_placed(&placed)?;
        let [_, back] = away.moved.take();
        assert_eq!(back, 0, "{memory}");
        alone += usize::from(product.memory(5) == product.memory(1));
        let expected = loss(Cpu::shared(), memory).hessian(&ALL)?.apply_rows(&vectors)?;
        assert!(rows(&found.to_host()?) == rows(&expected), "{memory}: other bits");
    }
    assert!(alone > 0, "all are multiplied at once in every memory");
    Ok(())
}

/// Each micro-batch takes only its own part of the vectors.
#[test]
fn vectors_of_activations_stay_where_they_are() -> Result<()> {
    let group = Variables::Activation("0".to_owned());
    let mut split = 0;
    for memory in (0..30).map(|i| (1_000.0 * 1.3_f64.powi(i)) as usize) {
        let away = Away::default();
        let Ok(product) = loss(Arc::new(away.clone()), memory).hessian(group.clone()) else { continue };
        split += usize::from(product.micro_batches() > 1);
        for k in [1, 5] {
            let vectors = wave(&[k, product.dimension()], 0.4);
            let placed = away.place(&vectors)?;
            away.moved.take();
            let found = product.apply_placed(&placed)?;
            assert_eq!(away.moved.take()[1], 0, "{memory}");
            let expected = loss(Cpu::shared(), memory).hessian(group.clone())?.apply_rows(&vectors)?;
            assert_eq!(found.dims(), expected.dims());
            for (found, expected) in rows(&found.to_host()?).concat().iter().zip(rows(&expected).concat()) {
                assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{memory}: {found}, {expected}");
            }
        }
    }
    assert!(split > 0, "all samples fit into every memory");
    Ok(())
}

#[test]
fn a_basis_is_made_where_the_vectors_are() -> Result<()> {
    let away = Away::default();
    let product = loss(Arc::new(away.clone()), usize::MAX).hessian(&ALL)?;
    let p = product.dimension();
    let start = away.place(&wave(&[1, p], 0.4))?;
    let norm = away.dots(std::slice::from_ref(&start), &start)?[0].sqrt();
    let combine = |terms: &[(f64, &Buffer)]| away.combine(terms, DType::F32);
    let mut basis = vec![combine(&[(norm.recip(), &start)])?];
    product.apply_placed(&basis[0])?;
    away.moved.take();
    for step in 0..5 {
        let next = product.apply_placed(&basis[step])?;
        let along = away.dots(&basis, &next)?;
        let known = along.iter().zip(&basis).map(|(dot, vector)| (-dot, vector));
        let rest = combine(&known.chain([(1.0, &next)]).collect::<Vec<_>>())?;
        let length = away.dots(std::slice::from_ref(&rest), &rest)?[0].sqrt();
        basis.push(combine(&[(length.recip(), &rest)])?);
    }
    assert_eq!(away.moved.take(), [0, 0]);
    for (i, vector) in basis.iter().enumerate() {
        for (j, dot) in away.dots(&basis, vector)?.into_iter().enumerate() {
            assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-4, "{i}, {j}: {dot}");
        }
    }
    Ok(())
}
