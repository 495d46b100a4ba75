//! Laws of `operations/function.rs`.

use eigenscape_program::ElementwiseFunction as Function;

use crate::common::*;

const SMOOTH: [Function; 12] = [
    Function::Tanh,
    Function::Sigmoid,
    Function::SigmoidComplement,
    Function::Softplus,
    Function::Elu { order: 0 },
    Function::NormalCdf,
    Function::Exp,
    Function::Relu,
    Function::LeakyRelu { slope: Real(0.01) },
    Function::Sin,
    Function::Cos,
    Function::Atan,
];

#[test]
fn laws() {
    for (seed, function) in (1..).zip(SMOOTH) {
        Subject::new(seed, &[&[3, 4]], |g, x| g.function(function, x[0])).obeys_all();
    }
    let positive = [Function::Log, Function::LogOnePlus, Function::Sqrt, Function::Recip];
    for (seed, function) in (1..).zip(positive) {
        let subject = Subject::new(seed, &[&[3, 4]], |g, x| g.function(function, x[0]));
        subject.moved(|x| x.affine(0.5, 1.5)).obeys_all();
    }
}

#[test]
fn whole_numbers_are_piecewise_constant() {
    Subject::new(1, &[&[3, 4]], |g, x| {
        let whole = g.function(Function::Floor, x[0])?;
        g.mul(whole, x[0])
    })
    .obeys_all();
}

#[test]
fn second_and_third_derivatives_are_derivatives_too() {
    for (seed, function) in (1..).zip(SMOOTH) {
        Subject::new(seed, &[&[5]], |g, x| {
            let y = g.function(function, x[0])?;
            let first = function.derivative(g, x[0], y)?;
            let squared = g.mul(first, x[0])?;
            g.mul(squared, y)
        })
        .obeys_all();
    }
}

#[test]
fn extreme_arguments_stay_finite() -> Result<()> {
    let x = Tensor::new(&[-1e4_f64, -800.0, 800.0, 1e4], &Device::Cpu)?;
    for function in
        [Function::Sigmoid, Function::Softplus, Function::Elu { order: 0 }, Function::Elu { order: 2 }]
    {
        for dtype in [DType::F32, DType::F64] {
            let x = x.to_dtype(dtype)?;
            let mut graph = Graph::default();
            let input = graph.input("x", &[4]);
            let y = graph.function(function, input)?;
            let program = Executable::new(&graph, &[input], &[y])?;
            let y = program.run(&Cpu::default(), vec![x.clone()], dtype)?.remove(0).to_dtype(DType::F64)?;
            assert!(y.to_vec1::<f64>()?.iter().all(|y| y.is_finite()), "{function:?} {dtype:?}");
        }
    }
    Ok(())
}
