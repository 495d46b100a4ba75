use eigenscape_runtime::arch;

use super::{super::testing, *};
use crate::kernels::Workspace;

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
            convolve(arch, &g, samples, &[[&x, &w]], &mut found, &mut Workspace::on_heap());
            assert!(testing::largest_difference(&found, &expected.y) < 1e-12, "{g:?} {arch:?}");
            let mut found = vec![f64::NAN; x.len()];
            input_transpose(
                arch,
                &g,
                samples,
                &[[&y, &w[..g.weight()]]],
                &mut found,
                &mut Workspace::on_heap(),
            );
            assert!(testing::largest_difference(&found, &expected.x) < 1e-12, "{g:?} {arch:?}");
            let mut found = vec![f64::NAN; g.weight()];
            weight_transpose(arch, &g, samples, &[[&x, &y]], &mut found, &mut Workspace::on_heap());
            assert!(testing::largest_difference(&found, &expected.w) < 1e-11, "{g:?} {arch:?}");

            // Two terms, the second being −½ times the first.
            let doubled = |x: Vec<f64>| x.into_iter().map(|x| 2.0 * x).collect::<Vec<f64>>();
            let [half_x, half_y] = [&x, &y].map(|v| v.iter().map(|x| -0.5 * x).collect::<Vec<f64>>());
            let first = &w[..g.weight()];
            let mut found = vec![f64::NAN; y.len()];
            convolve(
                arch,
                &g,
                samples,
                &[[&x, first], [&half_x, first]],
                &mut found,
                &mut Workspace::on_heap(),
            );
            assert!(
                testing::largest_difference(&doubled(found), &expected.y[..y.len()]) < 1e-12,
                "{g:?} {arch:?}"
            );
            let mut found = vec![f64::NAN; x.len()];
            input_transpose(
                arch,
                &g,
                samples,
                &[[&y, first], [&half_y, first]],
                &mut found,
                &mut Workspace::on_heap(),
            );
            assert!(testing::largest_difference(&doubled(found), &expected.x) < 1e-12, "{g:?} {arch:?}");
            let mut found = vec![f64::NAN; g.weight()];
            weight_transpose(
                arch,
                &g,
                samples,
                &[[&x, &y], [&half_x, &y]],
                &mut found,
                &mut Workspace::on_heap(),
            );
            assert!(testing::largest_difference(&doubled(found), &expected.w) < 1e-11, "{g:?} {arch:?}");
        }
    }
}

/// Covers operands that all rounds share, and operands that differ between rounds.
#[test]
fn rounds_are_what_they_are_one_by_one() {
    for (g, samples) in cases() {
        let numbers = |rounds, size, phase| testing::numbers(rounds * size, phase);
        let [image, out_image] = [samples * g.image(), samples * g.out_image()];
        let (x, xs) = (numbers(1, image, 0.1), numbers(3, image, 0.2));
        let (y, ys) = (numbers(1, out_image, 0.3), numbers(3, out_image, 0.4));
        let (w, ws) = (numbers(1, g.weight(), 0.5), numbers(3, g.weight(), 0.6));
        let arch = arch();
        let together = |size: usize, f: &dyn Fn(&mut [f64])| {
            let mut out = vec![f64::NAN; 3 * size];
            f(&mut out);
            out
        };
        let convolved = together(out_image, &|out| {
            convolve(arch, &g, samples, &[[&x, &ws], [&xs, &w]], out, &mut Workspace::on_heap());
        });
        let backwards = together(image, &|out| {
            input_transpose(arch, &g, samples, &[[&y, &ws], [&ys, &w]], out, &mut Workspace::on_heap());
        });
        let weights = together(g.weight(), &|out| {
            weight_transpose(arch, &g, samples, &[[&x, &ys], [&xs, &y]], out, &mut Workspace::on_heap());
        });
        for round in 0..3 {
            let [x_own, y_own, w_own] = [(&xs, image), (&ys, out_image), (&ws, g.weight())]
                .map(|(all, size)| &all[round * size..][..size]);
            let mut one = vec![f64::NAN; out_image];
            convolve(arch, &g, samples, &[[&x, w_own], [x_own, &w]], &mut one, &mut Workspace::on_heap());
            assert_eq!(one, convolved[round * out_image..][..out_image], "{g:?}");
            let mut one = vec![f64::NAN; image];
            input_transpose(
                arch,
                &g,
                samples,
                &[[&y, w_own], [y_own, &w]],
                &mut one,
                &mut Workspace::on_heap(),
            );
            assert_eq!(one, backwards[round * image..][..image], "{g:?}");
            let mut one = vec![f64::NAN; g.weight()];
            weight_transpose(
                arch,
                &g,
                samples,
                &[[&x, y_own], [x_own, &y]],
                &mut one,
                &mut Workspace::on_heap(),
            );
            assert_eq!(one, weights[round * g.weight()..][..g.weight()], "{g:?}");
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
            let arch = arch();
            let mut out = [vec![0.0; y.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
            convolve(arch, &g, samples, &[[&x, &w]], &mut out[0], &mut Workspace::on_heap());
            input_transpose(arch, &g, samples, &[[&y, &w]], &mut out[1], &mut Workspace::on_heap());
            weight_transpose(arch, &g, samples, &[[&x, &y]], &mut out[2], &mut Workspace::on_heap());
            out
        })
    };
    assert_eq!(all(1), all(2));
    assert_eq!(all(1), all(5));
}
