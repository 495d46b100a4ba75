//! Square roots of a loss' Hessian in the outputs, against the derived Hessian.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use eigenscape_laws::{Numbers, evaluate};
use eigenscape_program::{
    Graph, Loss,
    transforms::{linearize, transpose},
};
use eigenscape_runtime::Result;

const LOSSES: [Loss; 3] = [Loss::CrossEntropy, Loss::MeanSquaredError, Loss::BinaryCrossEntropy];

/// The Hessian of the loss in the outputs, \[N·D, N·D\], by the transforms.
fn hessian(loss: Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
    let mut graph = Graph::default();
    let [zs, ts, v] = ["z", "t", "v"].map(|name| graph.input(name, z.dims()));
    let mean = loss.emit(&mut graph, zs, ts)?;
    let tangent = linearize(&mut graph, &[mean], &[(zs, v)])?[0].unwrap();
    let one = graph.fill(1.0, &[])?;
    let gradient = transpose(&mut graph, &[(tangent, one)], &[v])?[0].unwrap();
    let product = linearize(&mut graph, &[gradient], &[(zs, v)])?[0].unwrap();
    let size = z.elem_count();
    let vectors = Tensor::eye(size, DType::F64, &Device::Cpu)?;
    let vectors = vectors.reshape([&[size], z.dims()].concat())?;
    let rows = evaluate(&graph, &[zs, ts, v], &[product], &[z.clone(), t.clone(), vectors])?;
    Ok(rows[0].broadcast_as([&[size], z.dims()].concat())?.reshape((size, size))?)
}

fn factor(loss: Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
    let mut graph = Graph::default();
    let [zs, ts] = ["z", "t"].map(|name| graph.input(name, z.dims()));
    let factor = loss.factor(&mut graph, zs, ts)?;
    Ok(evaluate(&graph, &[zs, ts], &[factor], &[z.clone(), t.clone()])?.remove(0))
}

/// Non-negative targets of which every third row is zeros, as ignored ones are.
fn weighted_rows(numbers: &mut Numbers, shape: &[usize]) -> Result<Tensor> {
    let rows: usize = shape[..shape.len() - 1].iter().product();
    let keep: Vec<f64> = (0..rows).map(|row| if row % 3 == 1 { 0.0 } else { 1.0 }).collect();
    let keep = Tensor::from_vec(keep, [&shape[..shape.len() - 1], &[1]].concat(), &Device::Cpu)?;
    Ok(numbers.tensor(shape).abs()?.broadcast_mul(&keep)?)
}

#[test]
fn the_factor_squares_to_the_hessian_in_the_outputs() -> Result<()> {
    let shapes: [&[usize]; 4] = [&[4, 3], &[2, 3, 4], &[2, 2, 2, 3], &[1, 5]];
    for (seed, shape) in (1..).zip(shapes) {
        for loss in LOSSES {
            let mut numbers = Numbers::new(seed);
            let z = (numbers.tensor(shape) * 3.0)?;
            let t = weighted_rows(&mut numbers, shape)?;
            let (hessian, s) = (hessian(loss, &z, &t)?, factor(loss, &z, &t)?);
            let (n, d) = (shape[0], shape[1..].iter().product::<usize>());
            let (tokens, classes) = (d / shape[shape.len() - 1], shape[shape.len() - 1]);
            let rank = tokens * (classes - usize::from(loss == Loss::CrossEntropy));
            assert_eq!((s.dims(), loss.rank(&shape[1..])), ([n, d, rank].as_slice(), rank));
            let squares = s.matmul(&s.t()?)?;
            for i in 0..n {
                for j in 0..n {
                    let block = hessian.narrow(0, i * d, d)?.narrow(1, j * d, d)?;
                    let expected = if i == j { squares.get(i)? } else { block.zeros_like()? };
                    let error = (block - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                    assert!(error < 1e-14, "{loss:?} {shape:?}: block ({i}, {j}) is off by {error:e}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn outputs_that_do_not_fit_are_refused() {
    let mut graph = Graph::default();
    let (vector, matrix) = (graph.input("z", &[3]), graph.input("t", &[3, 2]));
    assert!(Loss::MeanSquaredError.factor(&mut graph, vector, vector).is_err());
    assert!(Loss::CrossEntropy.factor(&mut graph, matrix, vector).is_err());
    assert!(Loss::CrossEntropy.emit(&mut graph, matrix, vector).is_err());
}

/// S Sᵀ is the same for this root and for [`Loss::factor`], which is compared with the derived Hessian.
#[test]
fn squares_to_the_hessian_in_the_outputs() -> Result<()> {
    for shape in [vec![2, 4], vec![2, 3, 4]] {
        for loss in LOSSES {
            let mut graph = Graph::default();
            let [z, t, s] = ["z", "t", "s"].map(|name| graph.input(name, &shape));
            let product = loss.root_times(&mut graph, z, t, s)?;
            let factor = loss.factor(&mut graph, z, t)?;
            let (inputs, outputs) = ([z, t, s], [product, factor]);
            let mut numbers = Numbers::new(3);
            let (z, t) = ((numbers.tensor(&shape) * 3.0)?, numbers.tensor(&shape).abs()?);
            let (n, d) = (shape[0], shape[1..].iter().product::<usize>());
            // The columns of S: the products with the unit vectors of each sample.
            let units = Tensor::eye(d, DType::F64, &Device::Cpu)?.unsqueeze(1)?.repeat((1, n, 1))?;
            let units = units.reshape([&[d], shape.as_slice()].concat())?;
            let mut results = evaluate(&graph, &inputs, &outputs, &[z, t, units])?;
            let (factor, columns) = (results.remove(1), results.remove(0));
            let columns = columns.broadcast_as([&[d], shape.as_slice()].concat())?.reshape((d, n, d))?;
            let root = columns.permute((1, 2, 0))?.contiguous()?;
            let square = root.matmul(&root.transpose(1, 2)?.contiguous()?)?;
            let expected = factor.matmul(&factor.transpose(1, 2)?.contiguous()?)?;
            let error = (square - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-14, "{loss:?} {shape:?}: {error:e}");
        }
    }
    Ok(())
}
