//! Measures the rounding error of a matrix by recomputing a few of its columns in f64.

use candle_core::{Device, Tensor};
use eigenscape_core::{CurvatureOperator, Random, Result};
use faer::Mat;
use rand::RngExt;

/// The number of evenly spaced columns whose error is measured, and of columns sampled by their
/// norm.
const COLUMNS: usize = 8;

/// Factor on a measured error, since columns that were not measured may be worse.
pub(crate) const SAFETY: f64 = 2.0;

/// An estimate of ‖M̃ − M‖_F ≥ ‖M̃ − M‖₂, which bounds how far rounding moves an eigenvalue (Weyl).
///
/// `columns` is M̃, the operator's products with the unit vectors; a few columns of M are computed
/// in f64. `None` when the operator has no products in f64, or when M̃ is zero or not finite.
///
/// With the error e_i of column i, evenly spaced columns estimate P·mean ‖e_i‖², and columns
/// sampled with probability ∝ ‖M̃_i‖² estimate ‖M̃‖_F²·mean ‖e_i‖²/‖M̃_i‖². The result is the root
/// of the larger: the first may miss errors where the matrix is large, the second where it is
/// small.
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

/// Column indices: evenly spaced, and sampled with replacement with probability ∝ ‖M̃_i‖².
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
