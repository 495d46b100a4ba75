use eigenscape_runtime::arch;
use pulp::Arch;

use super::{super::testing, *};
use crate::kernels::{Element, Workspace};

fn case(channels: usize, out_channels: usize, sides: [usize; 2], padding: usize) -> (Geometry, Sides) {
    let case = testing::Case { channels, out_channels, sides, kernel: (3, 3) };
    let g = case.geometry(1, padding, 1, 1);
    (g, Sides::new(&g).unwrap())
}

fn transformed<T: Element>(arch: Arch, sides: &Sides, weights: &[T], role: Role) -> Filters<'static, T> {
    Filters::new(arch, sides, weights, role, &mut Workspace::on_heap())
}

#[test]
fn the_convolution_and_both_transposes_agree_with_the_definition_at_every_level() {
    let cases = [
        (case(16, 32, [4, 4], 1), 3),
        (case(13, 50, [5, 7], 1), 2),
        (case(49, 17, [6, 3], 0), 5),
        (case(12, 12, [1, 2], 2), 4),
        (case(20, 100, [34, 34], 1), 1),
    ];
    for ((g, s), samples) in cases {
        let (x, y) =
            (testing::numbers(samples * g.image(), 0.1), testing::numbers(samples * g.out_image(), 0.2));
        let w = testing::numbers(2 * g.weight(), 0.3);
        let expected = testing::by_definition(&g, samples, &x, &w, &y);
        for arch in testing::levels() {
            let filters: Vec<_> =
                w.chunks(g.weight()).map(|w| transformed(arch, &s, w, Role::Forward)).collect();
            let mut found = vec![f64::NAN; expected.y.len()];
            convolve(arch, &s, &[Term { images: &x, filters }], &mut found);
            assert!(testing::largest_difference(&found, &expected.y) < 1e-12, "{s:?} {arch:?}");

            let transposed = s.transposed();
            let filters = vec![transformed(arch, &transposed, &w[..g.weight()], Role::InputTranspose)];
            let mut found = vec![f64::NAN; x.len()];
            convolve(arch, &transposed, &[Term { images: &y, filters }], &mut found);
            assert!(testing::largest_difference(&found, &expected.x) < 1e-12, "{s:?} {arch:?}");

            let mut found = vec![f64::NAN; g.weight()];
            weight_transpose(arch, &s, &[[&x, &y]], &mut found, Workspace::on_heap());
            assert!(testing::largest_difference(&found, &expected.w) < 1e-11, "{s:?} {arch:?}");

            // Two terms, the second being −½ times the first.
            let half: Vec<f64> = x.iter().map(|x| -0.5 * x).collect();
            let term = |images| Term {
                images,
                filters: vec![transformed(arch, &s, &w[..g.weight()], Role::Forward)],
            };
            let mut found = vec![f64::NAN; y.len()];
            convolve(arch, &s, &[term(&x), term(&half)], &mut found);
            let doubled: Vec<f64> = found.iter().map(|y| 2.0 * y).collect();
            assert!(testing::largest_difference(&doubled, &expected.y[..y.len()]) < 1e-12, "{s:?} {arch:?}");
            let mut found = vec![f64::NAN; g.weight()];
            weight_transpose(arch, &s, &[[&x, &y], [&half, &y]], &mut found, Workspace::on_heap());
            let doubled: Vec<f64> = found.iter().map(|w| 2.0 * w).collect();
            assert!(testing::largest_difference(&doubled, &expected.w) < 1e-11, "{s:?} {arch:?}");
        }
    }
}

/// In f32 the transforms lose accuracy: the error is at most three times that of sums in the order
/// of the definition.
#[test]
fn rounding_errors_are_those_of_the_direct_form_up_to_a_small_factor() {
    let ((g, s), samples) = (case(64, 64, [8, 8], 1), 2);
    let [x, w] = [testing::numbers(samples * g.image(), 0.1), testing::numbers(g.weight(), 0.2)]
        .map(|v| v.into_iter().map(|x| x as f32).collect::<Vec<_>>());
    let mut exact = vec![0.0; samples * g.out_image()];
    let mut direct = vec![0_f32; exact.len()];
    testing::terms(&g, samples, |i, j, k| {
        exact[k] += f64::from(x[i]) * f64::from(w[j]);
        direct[k] += x[i] * w[j];
    });
    let error = |found: &[f32]| -> f64 {
        found.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).powi(2)).sum::<f64>().sqrt()
    };
    for arch in testing::levels() {
        let filters = vec![transformed(arch, &s, &w, Role::Forward)];
        let mut found = vec![f32::NAN; exact.len()];
        convolve(arch, &s, &[Term { images: &x, filters }], &mut found);
        let (ours, direct) = (error(&found), error(&direct));
        assert!(ours < 3.0 * direct, "{arch:?}: {ours:.2e} against {direct:.2e}");
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let ((g, s), samples) = (case(16, 60, [6, 6], 1), 9);
    let (x, y) = (testing::numbers(samples * g.image(), 0.1), testing::numbers(samples * g.out_image(), 0.2));
    let w = testing::numbers(g.weight(), 0.3);
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let arch = arch();
            let filters = vec![transformed(arch, &s, &w, Role::Forward)];
            let mut out = vec![0.0; y.len()];
            convolve(arch, &s, &[Term { images: &x, filters }], &mut out);
            let mut weights = vec![0.0; w.len()];
            weight_transpose(arch, &s, &[[&x, &y]], &mut weights, Workspace::on_heap());
            (out, weights)
        })
    };
    assert_eq!(all(1), all(2));
    assert_eq!(all(1), all(5));
}
