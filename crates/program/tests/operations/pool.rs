//! Laws of `operations/pool.rs`.

use crate::common::*;

/// Evaluates a program on one image whose elements count up from 0.
fn of_counting_image(
    shape: [usize; 4],
    build: impl Fn(&mut Graph, Value) -> eigenscape_program::Result<Value>,
) -> Result<Vec<f64>> {
    let mut graph = Graph::default();
    let x = graph.input("x", &shape);
    let y = build(&mut graph, x)?;
    let count = shape.iter().product::<usize>() as f64;
    let image = Tensor::arange(0.0, count, &Device::Cpu)?.reshape(&shape)?;
    let out = evaluate(&graph, &[x], &[y], &[image])?;
    Ok(out[0].flatten_all()?.to_vec1()?)
}

#[test]
fn adaptive_windows_are_those_of_pytorch() -> Result<()> {
    // The windows are the rows 0..2 and 1..3 and the columns 0..2, 1..4 and 3..5.
    let mean = of_counting_image([1, 1, 3, 5], |g, x| g.adaptive_avg_pool2d(x, [2, 3]))?;
    let expected = [3.0, 4.5, 6.0, 8.0, 9.5, 11.0];
    assert!(mean.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{mean:?}");
    let max = of_counting_image([1, 1, 3, 5], |g, x| g.adaptive_max_pool2d(x, [2, 3]))?;
    assert_eq!(max, [6.0, 8.0, 9.0, 11.0, 13.0, 14.0]);
    Ok(())
}

#[test]
fn laws_of_adaptive_and_rectangular_windows() {
    for (seed, out) in (1..).zip([[1, 1], [2, 3], [5, 6], [7, 4]]) {
        Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.adaptive_max_pool2d(x[0], out)).obeys_all();
        Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.adaptive_avg_pool2d(x[0], out))
            .must_be_multilinear()
            .obeys_all();
    }
    let settings =
        [(3, 2, 1), (2, 1, 0)].map(|(kernel, stride, padding)| PoolSettings { kernel, stride, padding });
    Subject::new(5, &[&[2, 1, 5, 4]], |g, x| g.max_pool2d(x[0], settings)).obeys_all();
    Subject::new(6, &[&[2, 1, 5, 4]], |g, x| g.avg_pool2d(x[0], settings)).must_be_multilinear().obeys_all();
    Subject::new(7, &[&[2, 1, 5, 4]], |g, x| g.avg_pool2d_inside(x[0], settings))
        .must_be_multilinear()
        .obeys_all();
}

#[test]
fn the_border_counts_or_does_not() -> Result<()> {
    let settings = PoolSettings { kernel: 2, stride: 2, padding: 1 };
    let counted = of_counting_image([1, 1, 2, 2], |g, x| g.avg_pool2d(x, settings))?;
    assert_eq!(counted, [0.0, 0.25, 0.5, 0.75]);
    let inside = of_counting_image([1, 1, 2, 2], |g, x| g.avg_pool2d_inside(x, settings))?;
    assert_eq!(inside, [0.0, 1.0, 2.0, 3.0]);
    Ok(())
}

#[test]
fn windows_without_number_are_refused() {
    let mut graph = Graph::default();
    let x = graph.input("x", &[1, 1, 1, 1 << 39]);
    let settings = |stride| PoolSettings { kernel: 1, stride, padding: 0 };
    assert!(graph.max_pool2d(x, settings(1)).is_err());
    assert!(graph.max_pool2d(x, settings(1 << 20)).is_ok());
}

#[test]
fn windows_larger_than_any_image_have_a_mean() -> Result<()> {
    let side = 1 << 40;
    let settings = PoolSettings { kernel: side, stride: 1, padding: side / 2 };
    let mean = of_counting_image([1, 1, 2, 2], |g, x| g.avg_pool2d(x, settings))?;
    let expected = 6.0 / (side as f64).powi(2);
    assert!(mean.iter().all(|mean| (mean / expected - 1.0).abs() < 1e-14), "{mean:?}");
    Ok(())
}

#[test]
fn laws() {
    for (seed, (kernel, stride, padding)) in
        (1..).zip([(2, 2, 0), (3, 2, 1), (2, 1, 0), (3, 1, 1), (2, 3, 1)])
    {
        let settings = PoolSettings { kernel, stride, padding };
        Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.max_pool2d(x[0], settings)).obeys_all();
        Subject::new(seed, &[&[2, 2, 5, 6]], |g, x| g.avg_pool2d(x[0], settings))
            .must_be_multilinear()
            .obeys_all();
    }
}

#[test]
fn the_first_of_equal_elements_is_taken_and_the_padding_never() -> Result<()> {
    let x = Tensor::full(-3.0_f64, (1, 1, 4, 4), &Device::Cpu)?;
    let mut graph = Graph::default();
    let image = graph.input("x", x.dims());
    let largest = graph.max_pool2d(image, PoolSettings { kernel: 3, stride: 2, padding: 1 })?;
    // The result is a reshape of a gather, whose second operand holds the positions.
    let gather = graph.operation(graph.args(largest)[0]).unwrap();
    let found = evaluate(&graph, &[image], &[gather.args[1]], &[x])?.remove(0);
    assert_eq!(found.to_vec2::<u32>()?, [[0, 1, 4, 5]]);
    Ok(())
}
