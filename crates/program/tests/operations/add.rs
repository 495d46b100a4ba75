//! Laws of `operations/add.rs`.

use crate::common::*;

/// The sums are between matrix products, so that they are not fused, and may be written over
/// operands that are no longer needed.
#[test]
fn only_what_is_dead_is_written_over() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[80, 80]);
    let square = graph.linear(x, x)?;
    let cube = graph.linear(square, x)?;
    let sum = graph.add(square, cube)?;
    let product = graph.linear(sum, x)?;
    let twice = graph.add(product, product)?;
    let beside = graph.add(twice, x)?;
    let last = graph.linear(beside, square)?;
    let outputs = [last, square];
    let input = Tensor::randn(0.0_f64, 1.0, (80, 80), &Device::Cpu)?;
    let transposed = input.t()?;
    let square = input.matmul(&transposed)?;
    let product = (&square + square.matmul(&transposed)?)?.matmul(&transposed)?;
    let last = ((&product * 2.0)? + &input)?.matmul(&square.t()?)?;
    for _ in 0..2 {
        let found = evaluate(&graph, &[x], &outputs, std::slice::from_ref(&input))?;
        for (found, expected) in found.iter().zip([&last, &square]) {
            let scale = expected.abs()?.max_all()?.to_scalar::<f64>()?;
            let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-12 * scale, "{error} of {scale}");
        }
    }
    Ok(())
}

#[test]
fn laws() {
    Subject::new(1, &[&[2, 3], &[2, 3]], |g, x| g.add(x[0], x[1])).obeys_all();
    Subject::new(2, &[&[2, 3], &[2, 3]], |g, x| g.sub(x[0], x[1])).obeys_all();
}
