//! Exact spectra on an emulated card: those of the host, while no row comes back.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, Curvature, CurvatureOperator, GroupSelector, Landscape, ProbeEstimator, Spectrum,
};
use eigenscape_cpu::Cpu;
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_cuda_emulator::{copied, libraries};
use eigenscape_curvature::Point;
use eigenscape_estimators::gram::Gram;
use eigenscape_losses::{cross_entropy, mean_squared_error};
use eigenscape_program::{ConvSettings, Loss, Network, Scope, Value, nn};
use eigenscape_runtime::Backend;

/// Serialises the tests, because copies are counted for the whole process.
static TURN: Mutex<()> = Mutex::new(());

fn cuda() -> Arc<dyn Backend> {
    let folders = Some(Folders::only(libraries().unwrap()));
    Arc::new(Cuda::open(&Settings { folders, ..Settings::default() }).unwrap())
}

/// Numbers that do not repeat.
fn wave(shape: &[usize], phase: f64, dtype: DType) -> Tensor {
    let numbers = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * 0.7 + phase).sin());
    let numbers = Tensor::from_iter(numbers, &Device::Cpu).unwrap();
    numbers.reshape(shape).unwrap().to_dtype(dtype).unwrap()
}

type Build = fn(&mut Scope, Value) -> eigenscape_program::Result<Value>;

/// A network, its loss and the shapes of its inputs and targets.
struct Subject {
    build: Build,
    loss: Loss,
    inputs: Vec<usize>,
    outputs: usize,
    groups: &'static [&'static str],
}

/// A network of convolutions whose rows are explicit (`0`) or outer products at several positions
/// (`1`), and of linear layers, whose rows are outer products at one position.
fn convolutions() -> Subject {
    Subject {
        build: |scope, x| {
            let x = nn::conv2d(&mut scope.at("0"), x, 6, 3, ConvSettings::default(), true)?;
            let x = nn::activation(scope, x, nn::Activation::Relu)?;
            let settings = ConvSettings { stride: 2, ..ConvSettings::default() };
            let x = nn::conv2d(&mut scope.at("1"), x, 12, 3, settings, true)?;
            let x = nn::activation(scope, x, nn::Activation::Relu)?;
            let x = nn::flatten(scope, x)?;
            let x = nn::linear(&mut scope.at("2"), x, 9, true)?;
            let x = nn::activation(scope, x, nn::Activation::Relu)?;
            nn::linear(&mut scope.at("3"), x, 4, true)
        },
        loss: cross_entropy(),
        inputs: vec![11, 2, 7, 7],
        outputs: 4,
        groups: &["full", "layers", "parameters", "0.*", "2.weight[1:4]", "activation:2"],
    }
}

/// A network whose linear layers have a few positions, of which one has an input that is the same
/// for all samples.
fn positions() -> Subject {
    Subject {
        build: |scope, x| {
            let x = nn::linear(&mut scope.at("0"), x, 16, true)?;
            let same = scope.graph().fill(0.5, &[1, 3, 12])?;
            let same = nn::linear(&mut scope.at("same"), same, 16, false)?;
            let shape = scope.graph().shape(x).to_vec();
            let same = scope.graph().broadcast(same, &shape)?;
            let x = scope.graph().add(x, same)?;
            let x = nn::activation(scope, x, nn::Activation::Tanh)?;
            let x = nn::linear(&mut scope.at("1"), x, 4, true)?;
            let x = nn::token_mean(scope, x)?;
            nn::linear(&mut scope.at("2"), x, 5, false)
        },
        loss: mean_squared_error(),
        inputs: vec![9, 3, 20],
        outputs: 5,
        groups: &["full", "layers", "parameters"],
    }
}

impl Subject {
    fn operators(
        &self,
        backend: Arc<dyn Backend>,
        dtype: DType,
        memory: usize,
    ) -> Vec<Box<dyn CurvatureOperator>> {
        let build = self.build;
        let network = Network::new(&self.inputs[1..], build).unwrap();
        let parameters =
            network.parameters().iter().map(|parameter| (wave(&parameter.shape, 0.2, dtype) * 0.4).unwrap());
        let samples = self.inputs[0];
        let targets = (wave(&[samples, self.outputs], 0.9, dtype).sqr().unwrap() + 0.1).unwrap();
        let point = Point {
            backend,
            parameters: parameters.collect(),
            buffers: vec![],
            inputs: wave(&self.inputs, 0.5, dtype),
            targets: targets.broadcast_div(&targets.sum_keepdim(1).unwrap()).unwrap(),
            masks: vec![],
        };
        let landscape = Landscape::new(&network, &self.loss, point, memory).unwrap();
        let groups = self
            .groups
            .iter()
            .flat_map(|word| GroupSelector::from(*word).resolve(&network, samples).unwrap());
        let operator = |group| {
            Box::new(landscape.operator(Curvature::GaussNewton, &group)) as Box<dyn CurvatureOperator>
        };
        groups.map(operator).collect()
    }
}

fn spectra(operators: &[Box<dyn CurvatureOperator>]) -> eigenscape_core::Result<Vec<Spectrum>> {
    let operators: Vec<&dyn CurvatureOperator> = operators.iter().map(|operator| &**operator).collect();
    let gram = Gram::default();
    let found = gram.estimate_all(&operators, &Context::silent(0))?;
    Ok(found.into_iter().map(|estimate| estimate.spectrum().unwrap().clone()).collect())
}

fn close(found: &[Spectrum], expected: &[Spectrum], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let largest = expected.lambda_max();
        let (of_found, of_expected) = (found.trace, expected.trace);
        let near = (of_found - of_expected).abs() <= tolerance * of_expected;
        assert!(near, "{what} {index}: {of_found} {of_expected}");
        let count = found.eigenvalues.len().max(expected.eigenvalues.len());
        let of = |spectrum: &Spectrum, i: usize| spectrum.eigenvalues.get(i).copied().unwrap_or(0.0);
        for i in 0..count {
            let (found, expected) = (of(found, i), of(expected, i));
            assert!((found - expected).abs() <= tolerance * largest, "{what} {index}: {found} {expected}");
        }
    }
}

#[test]
fn spectra_are_the_hosts_in_any_memory() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for subject in [convolutions(), positions()] {
        for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 3e-5)] {
            let backend = cuda();
            let expected = spectra(&subject.operators(Cpu::shared(), dtype, 1 << 30)).unwrap();
            // The bytes uploaded tell how the samples and variables were split.
            let mut splits = BTreeSet::new();
            let less = (0..).map(|step| (6e5 * 0.75_f64.powi(step)) as usize);
            for memory in [1 << 30].into_iter().chain(less) {
                let operators = subject.operators(backend.clone(), dtype, memory);
                let [before, _] = copied();
                match spectra(&operators) {
                    Ok(found) => close(&found, &expected, tolerance, &format!("{dtype:?} {memory}")),
                    Err(error) => {
                        assert!(error.to_string().contains("memory"), "{error}");
                        break;
                    }
                }
                splits.insert(copied()[0] - before);
            }
            assert!(splits.len() > 3, "{dtype:?}: {splits:?}");
        }
    }
}

#[test]
fn only_products_come_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let subject = Subject { inputs: vec![4, 2, 7, 7], groups: &["full", "layers"], ..convolutions() };
    for dtype in [DType::F32, DType::F64] {
        let operators = subject.operators(cuda(), dtype, 1 << 30);
        let [_, before] = copied();
        let found = spectra(&operators).unwrap();
        let back = copied()[1] - before;
        // For each of the 8 parameters one product, and what the loss needs.
        let rows = 4 * (subject.outputs - 1);
        let products = 8 * rows * rows * size_of::<f64>();
        assert!((back as usize) < products + 2048, "{back} bytes came back, {products} of products");
        let numbers = rows * operators[0].dimension();
        assert!(back as usize * 4 < numbers * dtype.size_in_bytes(), "{back} bytes of {numbers} numbers");
        assert_eq!(found.len(), operators.len());
    }
}
