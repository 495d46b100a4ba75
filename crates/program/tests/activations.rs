//! Activations at their kinks and for large inputs, compared with PyTorch.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_laws::evaluate;
use eigenscape_program::{
    Network, Scope, Traced, Value,
    nn::{Activation, activation, elu, hardtanh, leaky_relu, prelu, softplus},
    transforms::linearize,
};
use eigenscape_runtime::Result;

type Emitted = eigenscape_program::Result<Value>;

/// f, f′ and f″ at each point, from tangents of 1.
fn derivatives(
    f: impl Fn(&mut Scope, Value) -> Emitted + Send + Sync + 'static,
    at: &[f64],
) -> Result<[Vec<f64>; 3]> {
    let Traced { mut graph, x, outputs, .. } = Network::new(&[at.len()], f)?.trace(1)?;
    let v = graph.input("v", &[1, at.len()]);
    let zero = graph.fill(0.0, &[1, at.len()])?;
    let mut order = [outputs, zero, zero];
    for i in 1..3 {
        order[i] = linearize(&mut graph, &[order[i - 1]], &[(x, v)])?[0].unwrap_or(zero);
    }
    let x_at = Tensor::new(at, &Device::Cpu)?.unsqueeze(0)?;
    let inputs = [x_at.clone(), x_at.ones_like()?];
    let values = evaluate(&graph, &[x, v], &order, &inputs)?;
    let numbers = values.iter().map(|t| Ok(t.flatten_all()?.to_vec1()?)).collect::<Result<Vec<_>>>()?;
    Ok(numbers.try_into().unwrap())
}

fn slopes(f: impl Fn(&mut Scope, Value) -> Emitted + Send + Sync + 'static, at: &[f64]) -> Result<Vec<f64>> {
    let [_, slopes, _] = derivatives(f, at)?;
    Ok(slopes)
}

/// Triples (x, f′(x), f″(x)).
type Kinks = &'static [(f64, f64, f64)];

/// The derivatives that torch 2.15's autograd gives exactly at the kinks.
#[test]
fn kinks_are_those_of_pytorch() -> Result<()> {
    const THIRD: f64 = 1.0 / 3.0;
    const SELU: f64 = 1.758_099_340_847_376_6;
    let kinks: [(Activation, Kinks); 8] = [
        (Activation::Relu, &[(0.0, 0.0, 0.0)]),
        (Activation::Relu6, &[(0.0, 0.0, 0.0), (6.0, 0.0, 0.0)]),
        (Activation::LeakyRelu, &[(0.0, 0.01, 0.0)]),
        (Activation::Hardtanh, &[(-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)]),
        // Torch gives no second derivative, and rounds 1/6 to single precision.
        (Activation::Hardsigmoid, &[(-3.0, 0.0, 0.0), (0.0, 1.0 / 6.0, 0.0), (3.0, 0.0, 0.0)]),
        (Activation::Hardswish, &[(-3.0, 0.0, 0.0), (0.0, 0.5, THIRD), (3.0, 1.0, 0.0)]),
        (Activation::Elu, &[(0.0, 1.0, 0.0)]),
        (Activation::Selu, &[(0.0, SELU, 0.0)]),
    ];
    for (function, kinks) in kinks {
        let at: Vec<f64> = kinks.iter().map(|(x, ..)| *x).collect();
        let [_, first, second] = derivatives(move |scope, x| activation(scope, x, function), &at)?;
        for (i, (x, slope, bend)) in kinks.iter().enumerate() {
            assert!((first[i] - slope).abs() < 1e-15, "{function:?}′({x}) = {}", first[i]);
            assert!((second[i] - bend).abs() < 1e-15, "{function:?}″({x}) = {}", second[i]);
        }
    }
    let [_, first, second] = derivatives(|scope, x| elu(scope, x, 2.0), &[0.0])?;
    assert_eq!((first[0], second[0]), (2.0, 0.0));
    Ok(())
}

#[test]
fn softplus_is_straight_above_its_threshold() -> Result<()> {
    let at = [-3.0, 0.0, 19.0, 20.0, 20.5, 800.0];
    let [value, first, second] = derivatives(|scope, x| softplus(scope, x, 1.0), &at)?;
    // Torch 2.15: values, slopes, second derivatives.
    let expected =
        [0.048_587_351_573_742, std::f64::consts::LN_2, 19.000_000_005_602_796, 20.000_000_002_061_153];
    let slopes = [0.047_425_873_177_566_79, 0.5, 0.999_999_994_397_203_6, 0.999_999_997_938_846_4];
    let bends = [0.045_176_659_730_912, 0.25, 5.602_796_417_619_965e-9];
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-14 * b.abs();
    assert!(expected.iter().zip(&value).all(|(e, v)| close(*v, *e)), "{value:?}");
    assert!(slopes.iter().zip(&first).all(|(e, v)| close(*v, *e)), "{first:?}");
    assert!(bends.iter().zip(&second).all(|(e, v)| (v - e).abs() < 1e-14), "{second:?}");
    assert_eq!((&value[4..], &first[4..], &second[4..]), (&[20.5, 800.0][..], &[1.0; 2][..], &[0.0; 2][..]));
    let [value, first, second] = derivatives(|scope, x| softplus(scope, x, 2.0), &[10.0, 10.5])?;
    assert!(close(value[0], 10.000_000_001_030_577) && close(first[0], 0.999_999_997_938_846_4));
    assert_eq!((value[1], first[1], second[1]), (10.5, 1.0, 0.0));
    Ok(())
}

#[test]
fn settings_are_finite() {
    let refused = |f: fn(&mut Scope, Value) -> Emitted| Network::new(&[2], f).is_err();
    assert!(refused(|scope, x| leaky_relu(scope, x, f64::NAN)));
    assert!(refused(|scope, x| elu(scope, x, f64::INFINITY)));
    assert!(refused(|scope, x| softplus(scope, x, f64::INFINITY)));
    assert!(refused(|scope, x| hardtanh(scope, x, f64::NEG_INFINITY, 1.0)));
    assert!(refused(|scope, x| hardtanh(scope, x, f64::NAN, 1.0)));
}

#[test]
fn a_clamp_has_slope_0_at_both_ends() -> Result<()> {
    let at = [-1.0, 0.0, 0.5, 3.0, 6.0, 7.0];
    assert_eq!(slopes(|scope, x| hardtanh(scope, x, 0.0, 6.0), &at)?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(slopes(|scope, x| hardtanh(scope, x, -2.0, 0.5), &at)?, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn prelu_has_its_slope_at_zero() -> Result<()> {
    let network = Network::new(&[1, 3], |scope, x| prelu(scope, x, 1))?;
    let Traced { mut graph, x, parameters, outputs, .. } = network.trace(1)?;
    let v = graph.input("v", &[1, 1, 3]);
    let tangent = linearize(&mut graph, &[outputs], &[(x, v)])?[0].unwrap();
    let inputs = [
        Tensor::new(&[[[-1_f64, 0.0, 1.0]]], &Device::Cpu)?,
        Tensor::ones((1, 1, 3), DType::F64, &Device::Cpu)?,
        Tensor::new(&[0.25_f64], &Device::Cpu)?,
    ];
    let slopes = evaluate(&graph, &[x, v, parameters[0]], &[tangent], &inputs)?;
    assert_eq!(slopes[0].flatten_all()?.to_vec1::<f64>()?, [0.25, 0.25, 1.0]);
    Ok(())
}
