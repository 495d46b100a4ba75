use super::{super::testing, *};

fn cases() -> Vec<(Geometry, usize)> {
    let image =
        |channels, out_channels, sides, kernel| testing::Case { channels, out_channels, sides, kernel };
    vec![
        (image(1, 6, [9, 8], (5, 5)).geometry(1, 0, 1, 1), 100),
        (image(6, 16, [7, 7], (5, 5)).geometry(1, 2, 1, 1), 17),
        (image(8, 50, [6, 5], (3, 3)).geometry(2, 1, 1, 1), 33),
        (image(4, 6, [6, 7], (2, 3)).geometry(1, 1, 2, 2), 20),
        (image(5, 5, [4, 4], (3, 3)).geometry(1, 1, 1, 5), 16),
        (image(9, 3, [5, 5], (1, 1)).geometry(2, 0, 1, 1), 18),
        (image(4, 14, [7, 6], (3, 2)).geometry(1, 1, 1, 2), 150),
    ]
}

#[test]
fn the_convolution_and_both_transposes_agree_with_the_definition_at_every_level() {
    for (g, samples) in cases() {
        let (x, y) =
            (testing::numbers(samples * g.image(), 0.1), testing::numbers(samples * g.out_image(), 0.2));
        let w = testing::numbers(2 * g.weight(), 0.3);
        let expected = testing::by_definition(&g, samples, &x, &w, &y);
        for arch in testing::levels() {
            let mut found = vec![f64::NAN; expected.y.len()];
            convolve(arch, &g, &[[&x, &w]], &mut found);
            assert!(testing::largest_difference(&found, &expected.y) < 1e-12, "{g:?} {arch:?}");
            let mut found = vec![f64::NAN; x.len()];
            input_transpose(arch, &g, &[[&y, &w[..g.weight()]]], &mut found);
            assert!(testing::largest_difference(&found, &expected.x) < 1e-12, "{g:?} {arch:?}");
            let mut found = vec![f64::NAN; g.weight()];
            weight_transpose(arch, &g, &[[&x, &y]], &mut found);
            assert!(testing::largest_difference(&found, &expected.w) < 1e-11, "{g:?} {arch:?}");

            // Two terms, the second with the opposite sign and half as large.
            let doubled = |x: Vec<f64>| x.into_iter().map(|x| 2.0 * x).collect::<Vec<f64>>();
            let [half_x, half_y] = [&x, &y].map(|v| v.iter().map(|x| -0.5 * x).collect::<Vec<f64>>());
            let first = &w[..g.weight()];
            let mut found = vec![f64::NAN; y.len()];
            convolve(arch, &g, &[[&x, first], [&half_x, first]], &mut found);
            assert!(
                testing::largest_difference(&doubled(found), &expected.y[..y.len()]) < 1e-12,
                "{g:?} {arch:?}"
            );
            let mut found = vec![f64::NAN; x.len()];
            input_transpose(arch, &g, &[[&y, first], [&half_y, first]], &mut found);
            assert!(testing::largest_difference(&doubled(found), &expected.x) < 1e-12, "{g:?} {arch:?}");
            let mut found = vec![f64::NAN; g.weight()];
            weight_transpose(arch, &g, &[[&x, &y], [&half_x, &y]], &mut found);
            assert!(testing::largest_difference(&doubled(found), &expected.w) < 1e-11, "{g:?} {arch:?}");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (g, samples) = cases().swap_remove(2);
    let (x, y) = (testing::numbers(samples * g.image(), 0.1), testing::numbers(samples * g.out_image(), 0.2));
    let w = testing::numbers(g.weight(), 0.3);
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let arch = Arch::new();
            let mut out = [vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
            convolve(arch, &g, &[[&x, &w]], &mut out[0]);
            input_transpose(arch, &g, &[[&y, &w]], &mut out[1]);
            weight_transpose(arch, &g, &[[&x, &y]], &mut out[2]);
            out
        })
    };
    assert_eq!(all(1), all(2));
    assert_eq!(all(1), all(5));
}
