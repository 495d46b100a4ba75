//! How much of a matrix is rounding: measured against f64, not assumed.

use candle_core::{Device, Tensor};
use eigenscape_core::{CurvatureOperator, Random, Result};
use faer::Mat;
use rand::RngExt;

/// Of so many columns chosen evenly, and of as many chosen by their size, the error is measured.
const COLUMNS: usize = 8;

/// What was measured on a few is taken this many times, since others may be worse.
pub(crate) const SAFETY: f64 = 2.0;

/// About ‖M̃ − M‖_F, at least as large as ‖M̃ − M‖₂, by which eigenvalues move at most (Weyl): for
/// the matrix M̃ with these columns, the products with unit vectors, against a few columns of M
/// from products in f64. `None` where there are none.
///
/// Columns i chosen evenly give P·mean ‖e_i‖² for the errors e_i, and columns chosen with
/// probability ∝ ‖M̃_i‖² give ‖M̃‖²·mean ‖e_i‖²/‖M̃_i‖²: the larger of the two is taken, since the
/// one misses errors where the matrix is large, the other errors where it is small.
pub(crate) fn of_products(
    operator: &dyn CurvatureOperator,
    columns: &Mat<f64>,
    random: &Random,
) -> Result<Option<f64>> {
    let n = columns.ncols();
    let squares: Vec<f64> = (0..n).map(|i| columns.col(i).squared_norm_l2()).collect();
    let total: f64 = squares.iter().sum();
    if total == 0.0 || !total.is_finite() {
        return Ok(None);
    }
    let [even, by_size] = choices(&squares, total, random);
    let mut wanted = [even.as_slice(), &by_size].concat();
    wanted.sort_unstable();
    wanted.dedup();
    let mut unit = vec![0.0; wanted.len() * n];
    wanted.iter().enumerate().for_each(|(row, &i)| unit[row * n + i] = 1.0);
    let units = Tensor::from_vec(unit, (wanted.len(), n), &Device::Cpu)?;
    let Some(exact) = operator.apply_in_f64(&units)? else { return Ok(None) };
    let exact = exact.to_vec2::<f64>()?;
    let error = |i: &usize| {
        let exact = wanted.binary_search(i).map_or(&[] as &[f64], |row| &exact[row]);
        exact.iter().enumerate().map(|(k, exact)| (columns[(k, *i)] - exact).powi(2)).sum::<f64>()
    };
    let mean =
        |of: &[usize], f: &dyn Fn(&usize) -> f64| of.iter().map(f).sum::<f64>() / of.len().max(1) as f64;
    let evenly = n as f64 * mean(&even, &error);
    let by_size = total * mean(&by_size, &|i| error(i) / squares[*i]);
    Ok(Some(evenly.max(by_size).sqrt()))
}

/// Some columns, evenly spread, and some by their size, with repetition.
fn choices(squares: &[f64], total: f64, random: &Random) -> [Vec<usize>; 2] {
    let n = squares.len();
    let count = COLUMNS.min(n);
    let even = (0..count).map(|k| (2 * k + 1) * n / (2 * count)).collect();
    let mut generator = random.stream("columns for rounding", 0);
    let by_size = (0..COLUMNS).map(|_| {
        let mut left = generator.random::<f64>() * total;
        let reached = squares.iter().position(|square| {
            left -= square;
            *square > 0.0 && left <= 0.0
        });
        reached.or_else(|| squares.iter().rposition(|square| *square > 0.0)).unwrap_or(0)
    });
    [even, by_size.collect()]
}
