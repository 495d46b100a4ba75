//! The memory that products hold on an emulated card, compared with the account.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use std::{collections::BTreeSet, sync::Arc};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Architecture, Registry};
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_curvature::{MeanLoss, Point, class_targets};
use eigenscape_losses::cross_entropy;
use eigenscape_program::Network;
use eigenscape_runtime::Backend;

const SAMPLES: usize = 4;
const TOKENS: usize = 48;
const CLASSES: usize = 300;

/// Numbers that look random.
fn noise(shape: &[usize], stream: usize) -> Tensor {
    let number =
        |i: usize| ((((i * i) as f64).mul_add(0.7, (i * stream) as f64) + stream as f64).sin() * 0.3) as f32;
    let numbers = (0..shape.iter().product::<usize>()).map(number);
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// A small GPT at a point on a card.
fn subject(cuda: &Cuda) -> (Network, Point) {
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    let settings = "n_layer = 2\nn_head = 2\nn_embd = 32";
    let gpt: Arc<dyn Architecture> = registry.architectures.named("gpt", settings).unwrap().into();
    let network = Network::new(&[TOKENS], move |scope, x| gpt.build(scope, x, CLASSES)).unwrap();
    let parameters = network.parameters().iter().enumerate().map(|(i, one)| noise(&one.shape, i)).collect();
    let tokens = |stream: u32| (0..(SAMPLES * TOKENS) as u32).map(move |i| (i * i * 7 + stream * i) % 300);
    let inputs = Tensor::from_iter(tokens(3), &Device::Cpu).unwrap().reshape((SAMPLES, TOKENS)).unwrap();
    let labels = Tensor::from_iter(tokens(5).map(i64::from), &Device::Cpu).unwrap();
    let labels = labels.reshape((SAMPLES, TOKENS)).unwrap();
    let targets = class_targets(&labels, CLASSES, 0.0, None).unwrap().to_dtype(DType::F32).unwrap();
    let backend = Arc::new(cuda.clone());
    (network, Point { backend, parameters, buffers: vec![], inputs, targets, masks: vec![] })
}

/// With all residuals kept, with some, and with none: after several products no more is held than
/// the account says, weights and data, and four vectors (v, its parts, and two products), with an
/// eighth for memory that is reused for a somewhat smaller piece.
#[test]
fn no_more_is_held_than_the_account_says() {
    let mut splits = BTreeSet::new();
    for kibibytes in [9000, 7500, 6000, 4000, 3000] {
        let folders = Some(Folders::only(eigenscape_cuda_emulator::libraries().unwrap()));
        let cuda = Cuda::open(&Settings { folders, ..Settings::default() }).unwrap();
        let (network, point) = subject(&cuda);
        let data = 4 * (point.targets.elem_count() + point.inputs.elem_count());
        let loss = MeanLoss::new(&network, &cross_entropy(), point, kibibytes << 10).unwrap();
        let all: Vec<usize> = (0..network.parameters().len()).collect();
        let product = loss.hessian(&all).unwrap();
        let p = product.dimension();
        let v = cuda.place(&noise(&[1, p], 9)).unwrap();
        for _ in 0..3 {
            product.apply_placed(&v).unwrap();
        }
        let account = product.memory(1);
        assert!(account <= kibibytes << 10);
        let held = cuda.held().unwrap();
        let all = account + account / 8 + 5 * 4 * p + 2 * data;
        assert!(held <= all, "{kibibytes} KiB: {held} bytes held, {account} in the account, {all} in all");
        splits.insert((product.micro_batches(), account));
    }
    assert!(splits.len() >= 4, "{splits:?}");
}
