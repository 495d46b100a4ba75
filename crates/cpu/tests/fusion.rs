//! Fused steps, compared with the same steps run one by one.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_cpu::{Cpu, PLANNING};
use eigenscape_program::{ConvSettings, ElementwiseFunction, Graph, Real, Value};
use eigenscape_runtime::{Executable, Result, split};

fn names(program: &Executable) -> Vec<&'static str> {
    program.lowered(PLANNING).operations().collect()
}

fn run(program: &Executable, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    program.run(&Cpu::default(), inputs.to_vec(), DType::F64)
}

fn parts(graph: &Graph, fixed: Value, varying: Value, outputs: &[Value]) -> Result<(Executable, Executable)> {
    let (prefix, linear) = split(graph, &[fixed], &[varying], outputs)?;
    Ok((prefix.into(), linear.into()))
}

/// The mask of a ReLU is neither a residual nor stored: each chain computes it from the ReLU's
/// result.
#[test]
fn steps_are_made_again_in_every_chain_that_uses_them() -> Result<()> {
    let mut graph = Graph::default();
    let (x, v) = (graph.input("x", &[3, 4]), graph.input("v", &[3, 4]));
    let y = graph.function(ElementwiseFunction::Relu, x)?;
    let mask = graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, y)?;
    let masked = graph.mul(v, mask)?;
    let half = graph.scale(masked, 0.5)?;
    let sum = graph.sum(half, &[0])?;
    let twice = graph.mul(v, v)?;
    let other = graph.mul(twice, mask)?;
    let (prefix, linear) = parts(&graph, x, v, &[sum, other])?;
    assert_eq!(names(&prefix), ["relu"]);
    assert_eq!(names(&linear), ["fused", "fused"]);
    // If the mask is an output too, it is computed and stored once.
    let kept = Executable::new(&graph, &[y, v], &[sum, other, mask])?;
    assert_eq!(names(&kept), ["step", "fused", "fused"]);
    let [x, v] = [0, 1].map(|_| Tensor::randn(0.0_f64, 1.0, (3, 4), &Device::Cpu));
    let (x, v) = (x?, v?);
    let residuals = run(&prefix, std::slice::from_ref(&x))?;
    let found = run(&linear, &[residuals[0].clone(), v.clone()])?;
    let mask = x.gt(0.0)?.to_dtype(DType::F64)?;
    let expected = [((&v * &mask)? * 0.5)?.sum_keepdim(0)?, (v.sqr()? * &mask)?];
    for (found, expected) in found.iter().zip(&expected) {
        let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
        assert!(error < 1e-15, "{error}");
    }
    Ok(())
}

#[test]
fn chains_and_the_sums_behind_them_become_one_step() -> Result<()> {
    let mut graph = Graph::default();
    let (x, y) = (graph.input("x", &[4, 3]), graph.input("y", &[3]));
    let wide = graph.broadcast_along(y, 1, &[4, 3])?;
    let product = graph.mul(x, wide)?;
    let half = graph.scale(product, 0.5)?;
    let twice = graph.add(half, x)?; // used twice: stored
    let square = graph.mul(twice, twice)?;
    let sum = graph.sum(square, &[0])?;
    let program = Executable::new(&graph, &[x, y], &[twice, sum])?;
    assert_eq!(names(&program), ["reshape", "broadcast", "fused", "fused"]);
    for lead in [None, Some(2)] {
        let dims: Vec<usize> = lead.into_iter().chain([4, 3]).collect();
        let x = Tensor::randn(0.0_f64, 1.0, dims, &Device::Cpu)?;
        let y = Tensor::randn(0.0_f64, 1.0, 3, &Device::Cpu)?;
        let found = run(&program, &[x.clone(), y.clone()])?;
        let twice = ((x.broadcast_mul(&y)? * 0.5)? + &x)?;
        let sum = twice.sqr()?.sum_keepdim(lead.map_or(0, |_| 1))?;
        for (found, expected) in found.iter().zip([twice, sum]) {
            let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-14, "{error}");
        }
    }
    Ok(())
}

/// Covers 3×3 filters with many channels and 5×5 filters with few; compares the fused sum with the
/// sum of separate convolutions.
#[test]
fn two_convolutions_and_their_sum_are_one_step() -> Result<()> {
    for (channels, kernel, samples) in [(16, 3, 5), (3, 5, 20), (3, 5, 2)] {
        let (image, weight) = ([samples, channels, 8, 8], [13, channels, kernel, kernel]);
        let mut graph = Graph::default();
        let inputs = [
            graph.input("x", &image),
            graph.input("w", &weight),
            graph.input("a", &image),
            graph.input("b", &weight),
        ];
        let settings = ConvSettings { padding: 1, ..ConvSettings::default() };
        let first = graph.conv2d(inputs[0], inputs[1], settings)?;
        let second = graph.conv2d(inputs[2], inputs[3], settings)?;
        let sum = graph.add(first, second)?;
        let joint = Executable::new(&graph, &inputs, &[sum])?;
        assert_eq!(names(&joint), ["two convolutions"]);
        let apart = Executable::new(&graph, &inputs, &[first, second, sum])?;
        assert_eq!(names(&apart).iter().filter(|name| **name == "conv2d").count(), 2);
        for lead in [None, Some(2)] {
            let dims =
                |shape: [usize; 4], lead: Option<usize>| lead.into_iter().chain(shape).collect::<Vec<_>>();
            let random = |shape, lead| Tensor::randn(0.0_f64, 1.0, dims(shape, lead), &Device::Cpu);
            let values =
                [random(image, lead)?, random(weight, None)?, random(image, None)?, random(weight, lead)?];
            let found = run(&joint, &values)?.remove(0);
            let expected = run(&apart, &values)?.remove(2);
            assert_eq!(found.dims(), expected.dims());
            let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-11, "{kernel}: {error}");
        }
    }
    Ok(())
}
