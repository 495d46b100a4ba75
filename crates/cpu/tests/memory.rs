//! The memory that a plan predicts for a run, compared with what an allocator counts.

#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::{Cpu, PLANNING};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{
    ConvSettings, Network, Result, Scope, Traced, Value, nn,
    transforms::{gradient, linearize, seeds, zeros_where_none},
};
use eigenscape_runtime::{Backend, Executable, Input, Signature, split};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

type Build = fn(&mut Scope, Value) -> Result<Value>;

/// Two convolutions with batch normalisation, and a linear layer.
fn convolutions(scope: &mut Scope, x: Value) -> Result<Value> {
    let settings = ConvSettings { padding: 1, ..ConvSettings::default() };
    let x = nn::conv2d(&mut scope.at("0"), x, 8, 3, settings, true)?;
    let x = nn::activation(scope, x, nn::Activation::Relu)?;
    let x = nn::conv2d(&mut scope.at("1"), x, 16, 5, ConvSettings { stride: 2, ..settings }, true)?;
    let x = nn::batch_norm(&mut scope.at("2"), x)?;
    let x = nn::activation(scope, x, nn::Activation::Tanh)?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("3"), x, 10, true)
}

/// Linear layers on tokens.
fn tokens(scope: &mut Scope, x: Value) -> Result<Value> {
    let x = nn::linear(&mut scope.at("0"), x, 96, true)?;
    let x = nn::activation(scope, x, nn::Activation::Gelu)?;
    let x = nn::layer_norm(&mut scope.at("1"), x)?;
    let x = nn::linear(&mut scope.at("2"), x, 32, true)?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("3"), x, 10, true)
}

fn attention(scope: &mut Scope, x: Value) -> Result<Value> {
    let y = nn::attention(&mut scope.at("0"), x, 4, false)?;
    let x = scope.graph().add(x, y)?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("1"), x, 10, true)
}

fn recurrence(scope: &mut Scope, x: Value) -> Result<Value> {
    let settings = nn::RecurrentSettings { batch_first: true, ..nn::RecurrentSettings::new(32) };
    let x = nn::lstm(&mut scope.at("0"), x, &settings)?;
    let x = nn::token_mean(scope, x)?;
    nn::linear(&mut scope.at("1"), x, 10, true)
}

/// In both directions, one layer on the states of another.
fn recurrences(scope: &mut Scope, x: Value) -> Result<Value> {
    let settings = nn::RecurrentSettings {
        batch_first: true,
        bidirectional: true,
        num_layers: 2,
        ..nn::RecurrentSettings::new(24)
    };
    let x = nn::gru(&mut scope.at("0"), x, &settings)?;
    let x = nn::token_mean(scope, x)?;
    nn::linear(&mut scope.at("1"), x, 10, true)
}

const SAMPLES: usize = 40;

/// The peak memory of a run in bytes, beyond the memory held before it; results are included. The
/// buffers that threads keep are not counted: runs on all threads allocate them beforehand. A
/// thread can still miss a kernel in these, so the smallest of several peaks is returned.
fn measured(run: impl Fn() -> Vec<Tensor> + Sync) -> (usize, Vec<Tensor>) {
    let once = || {
        Cpu::default().release();
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let results = run();
        (ALLOCATOR.peak_usage() - before, results)
    };
    rayon::broadcast(|_| {
        drop(run());
        Cpu::default().release();
    });
    drop(run());
    let peaks = (0..5).map(|_| once().0).min();
    let (last, results) = once();
    (peaks.map_or(last, |peak| peak.min(last)), results)
}

/// Checks that a run holds the predicted memory, and little more: temporary buffers of matrix
/// products and short lists.
fn assert_is_said(what: &str, held: usize, said: usize) {
    const BESIDE: usize = 1 << 18;
    assert!(held <= said + BESIDE, "{what}: {held} bytes are held, and {said} said");
    assert!(held >= said, "{what}: {held} bytes are held, and as many as {said} said");
}

#[test]
fn plans_say_what_runs_hold() {
    let cases: [(&str, &[usize], Build); 5] = [
        ("convolutions", &[3, 24, 24], convolutions),
        ("tokens", &[48, 32], tokens),
        ("attention", &[48, 32], attention),
        ("recurrence", &[48, 32], recurrence),
        ("recurrences", &[20, 32], recurrences),
    ];
    let cpu = Cpu::default();
    for (name, shape, build) in cases {
        let network = Network::new(shape, build).unwrap();
        let Traced { mut graph, x, parameters, buffers, outputs, .. } = network.trace(SAMPLES).unwrap();
        let shape = graph.shape(outputs).to_vec();
        let target = graph.input("targets", &shape);
        let loss = cross_entropy().emit(&mut graph, outputs, target).unwrap();
        let inputs: Vec<Value> = parameters.iter().chain(&buffers).copied().chain([x, target]).collect();
        let slopes = gradient(&mut graph, loss, &parameters).unwrap();
        let seeds = seeds(&mut graph, &parameters);
        let direction: Vec<Value> = seeds.iter().map(|(_, v)| *v).collect();
        let tangents = linearize(&mut graph, &slopes, &seeds).unwrap();
        let products = zeros_where_none(&mut graph, tangents, &parameters).unwrap();
        let (prefix, linear) = split(&graph, &inputs, &direction, &products).unwrap();
        let (prefix, linear) = (Executable::from(prefix), Executable::from(linear));
        let random = |value: &Value| Tensor::randn(0.0_f32, 0.1, graph.shape(*value), &Device::Cpu).unwrap();
        let at: Vec<Tensor> = inputs.iter().map(|v| random(v).abs().unwrap()).collect();
        let exact = Signature { compute: DType::F64, ..Signature::plain(at.len(), DType::F32) };
        let said = prefix.footprint(PLANNING, &exact).peak();
        let (held, residuals) =
            measured(|| prefix.run_rounded(&cpu, at.clone(), DType::F64, DType::F32).unwrap());
        assert_is_said(&format!("{name}: residuals"), held, said);
        for lead in [1, 4] {
            let mut signature = Signature { lead, ..Signature::plain(linear.inputs(), DType::F32) };
            let first = linear.inputs() - direction.len();
            let mut given = residuals.clone();
            for (i, parameter) in parameters.iter().enumerate() {
                let mut dims = graph.shape(*parameter).to_vec();
                if lead > 1 {
                    dims.insert(0, lead);
                    signature.inputs[first + i] = Input { dtype: DType::F32, led: true };
                }
                given.push(Tensor::randn(0.0_f32, 1.0, dims, &Device::Cpu).unwrap());
            }
            let said = linear.footprint(PLANNING, &signature).peak();
            let (held, _) = measured(|| linear.run(&cpu, given.clone(), DType::F32).unwrap());
            assert_is_said(&format!("{name}: {lead} products"), held, said);
        }
    }
}
