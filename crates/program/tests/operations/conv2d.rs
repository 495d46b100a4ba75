//! Laws of `operations/conv2d.rs`.

use proptest::prelude::*;

use crate::common::*;

/// The definition, element by element.
fn by_definition(x: &[Vec<Vec<Vec<f64>>>], w: &[Vec<Vec<Vec<f64>>>], s: ConvSettings, at: [usize; 4]) -> f64 {
    let [n, o, oy, ox] = at;
    let group = o / (w.len() / s.groups);
    let mut total = 0.0;
    for (c, plane) in w[o].iter().enumerate() {
        let channel = &x[n][group * w[o].len() + c];
        for (ky, row) in plane.iter().enumerate() {
            for (kx, tap) in row.iter().enumerate() {
                let y = (oy * s.stride + ky * s.dilation).checked_sub(s.padding);
                let x = (ox * s.stride + kx * s.dilation).checked_sub(s.padding);
                let value = y.zip(x).and_then(|(y, x)| channel.get(y)?.get(x));
                total += tap * value.copied().unwrap_or(0.0);
            }
        }
    }
    total
}

fn four(tensor: &Tensor) -> Result<Vec<Vec<Vec<Vec<f64>>>>> {
    (0..tensor.dims()[0]).map(|i| Ok(tensor.get(i)?.to_vec3()?)).collect()
}

fn settings() -> impl Strategy<Value = ([usize; 4], [usize; 4], ConvSettings)> {
    (1..3_usize, 1..3_usize, 1..3_usize, 1..4_usize, 1..3_usize, 0..3_usize, 1..3_usize, 4..7_usize).prop_map(
        |(groups, c, o, kernel, stride, padding, dilation, size)| {
            let x = [2, groups * c, size, size + 1];
            let w = [groups * o, c, kernel, kernel.min(2)];
            (x, w, ConvSettings { stride, padding, dilation, groups })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn agrees_with_the_definition_and_obeys_the_laws(seed in any::<u64>(), (x, w, s) in settings()) {
        prop_assume!(ConvShapes::new(&x, &w, s).is_ok());
        let shapes = ConvShapes::new(&x, &w, s)?;
        let mut numbers = Numbers::new(seed);
        let (xs, ws) = (numbers.tensor(&x), numbers.tensor(&w));
        let mut graph = Graph::default();
        let inputs = [graph.input("x", &x), graph.input("w", &w)];
        let y = graph.conv2d(inputs[0], inputs[1], s)?;
        let y = evaluate(&graph, &inputs, &[y], &[xs.clone(), ws.clone()])?.remove(0);
        let (xs, ws, ys) = (four(&xs)?, four(&ws)?, four(&y)?);
        for (n, o, oy, ox) in indices(&shapes.y) {
            let expected = by_definition(&xs, &ws, s, [n, o, oy, ox]);
            prop_assert!((ys[n][o][oy][ox] - expected).abs() < 1e-12);
        }
        Subject::new(seed, &[&x, &w], |g, v| g.conv2d(v[0], v[1], s)).must_be_multilinear().obeys_all();
    }
}

/// So many channels and positions that backends use transformed tiles, of 4x4 and of 2x2 outputs.
#[test]
fn many_channels_obey_the_laws() {
    for (seed, x, padding) in [(1, [1, 17, 16, 16], 1), (2, [64, 16, 2, 2], 1)] {
        let s = ConvSettings { padding, ..ConvSettings::default() };
        Subject::new(seed, &[&x, &[16, x[1], 3, 3]], |g, v| g.conv2d(v[0], v[1], s)).obeys_all();
    }
}

#[test]
fn the_cotangent_of_a_weight_is_an_outer_product_a_position() -> Result<()> {
    let mut graph = Graph::default();
    let settings = ConvSettings { stride: 2, padding: 1, ..ConvSettings::default() };
    let shapes = ConvShapes::new(&[1, 3, 6, 6], &[4, 3, 3, 3], settings)?;
    let (x, y) = (graph.input("x", &shapes.x), graph.input("y", &shapes.y));
    let w = graph.emit(Conv2d { of: ConvArgument::W, shapes }, &[x, y])?;
    let node = graph.operation(w).unwrap();
    let [left, right] = node.operation.rules().outer_products(&mut graph, &node)?.unwrap();
    assert_eq!((graph.shape(left), graph.shape(right)), ([9, 4].as_slice(), [9, 27].as_slice()));
    Ok(())
}

/// ⟨y, x ∗ w⟩ = ⟨x, the transpose of y⟩, with the sides of x computed from those of y.
#[test]
fn the_transpose_as_a_layer_is_the_adjoint_and_obeys_the_laws() -> Result<()> {
    let settings = |stride, padding, dilation, groups| ConvSettings { stride, padding, dilation, groups };
    let cases = [
        (settings(1, 0, 1, 1), 0, [5, 5]),
        (settings(2, 1, 1, 2), 1, [6, 7]),
        (settings(3, 0, 1, 1), 2, [11, 13]),
        // The output padding may exceed the stride if it is below the dilation.
        (settings(1, 0, 3, 2), 2, [11, 9]),
    ];
    for (seed, (s, output_padding, sides)) in (1..).zip(cases) {
        let (y, w) = ([2, 4, 3, 4], [4, 6 / s.groups, 3, 2]);
        let shapes = ConvShapes::transposed(&y, &w, s, output_padding)?;
        assert_eq!(shapes.x[2..], sides);
        let subject = Subject::new(seed, &[&y, &w], |g, v| g.conv_transpose2d(v[0], v[1], s, output_padding));
        subject.must_be_multilinear().obeys_all();
        let mut numbers = Numbers::new(seed);
        let [x, w, y] = [&shapes.x, &shapes.w, &shapes.y].map(|dims| numbers.tensor(dims));
        let (xs, ws, ys) = (four(&x)?, four(&w)?, four(&y)?);
        let forward: f64 = indices(&shapes.y)
            .map(|(n, o, oy, ox)| ys[n][o][oy][ox] * by_definition(&xs, &ws, s, [n, o, oy, ox]))
            .sum();
        let mut graph = Graph::default();
        let inputs = [graph.input("y", y.dims()), graph.input("w", w.dims())];
        let back = graph.conv_transpose2d(inputs[0], inputs[1], s, output_padding)?;
        let back = evaluate(&graph, &inputs, &[back], &[y, w])?.remove(0);
        let back = (back * x)?.sum_all()?.to_scalar::<f64>()?;
        assert!((forward - back).abs() < 1e-12, "{forward} {back}");
    }
    assert!(ConvShapes::transposed(&[1, 2, 3, 3], &[2, 1, 3, 3], settings(2, 0, 1, 1), 2).is_err());
    assert!(ConvShapes::transposed(&[1, 2, 1, 1], &[2, 1, 1, 1], settings(1, 1, 1, 1), 0).is_err());
    Ok(())
}

fn indices(dims: &[usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let [a, b, c, d] = *dims;
    (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
}
