//! Drops the rows and columns of a Gram matrix that contribute least to its trace.

use faer::Mat;

/// Removes the rows and columns with the smallest diagonal entries, which sum to at most `share` of
/// the trace, from the symmetric matrix with this lower half. Returns the remaining matrix, the
/// indices of its rows and the sum of the dropped entries.
///
/// The matrix is ΦΦᵀ or ΦᵀΦ, and a diagonal entry is the squared norm of a row (or column) φ of Φ.
/// Without a row, ΦᵀΦ loses φφᵀ ⪰ 0 (without a column, ΦΦᵀ does): eigenvalues can only decrease,
/// and none by more than the sum of the dropped entries (Weyl).
pub(super) fn smallest(mut lower: Mat<f64>, share: f64) -> (Mat<f64>, Vec<usize>, f64) {
    let n = lower.nrows();
    if share == 0.0 {
        return (lower, (0..n).collect(), 0.0);
    }
    let diagonal: Vec<f64> = lower.diagonal().column_vector().iter().copied().collect();
    let allowed = share * diagonal.iter().sum::<f64>();
    let mut ascending: Vec<usize> = (0..n).collect();
    ascending.sort_by(|&i, &j| diagonal[i].total_cmp(&diagonal[j]));
    // At least one row is kept.
    let (mut dropped, mut sum) = (0, 0.0);
    while dropped + 1 < n && sum + diagonal[ascending[dropped]] <= allowed {
        sum += diagonal[ascending[dropped]];
        dropped += 1;
    }
    let mut kept = ascending.split_off(dropped);
    kept.sort_unstable();
    // In place: every entry is read before it is overwritten.
    for (j, &column) in kept.iter().enumerate() {
        for (i, &row) in kept.iter().enumerate().skip(j) {
            lower[(i, j)] = lower[(row, column)];
        }
    }
    lower.truncate(kept.len(), kept.len());
    (lower, kept, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_rows_go_and_the_others_stay_in_order() {
        let diagonal = [3.0, 0.25, 5.0, 0.5, 1.25];
        let matrix = Mat::from_fn(5, 5, |i, j| if i == j { diagonal[i] } else { (10 * i + j) as f64 });
        for (share, dropped, kept) in [
            (0.0, 0.0, vec![0, 1, 2, 3, 4]),
            (0.08, 0.75, vec![0, 2, 4]),
            (0.19, 0.75, vec![0, 2, 4]),
            (1.0, 5.0, vec![2]),
        ] {
            let (rest, rows, sum) = smallest(matrix.clone(), share);
            assert_eq!((rest.nrows(), rest.ncols(), sum), (kept.len(), kept.len(), dropped), "{share}");
            assert_eq!(rows, kept, "{share}");
            for j in 0..kept.len() {
                assert!((j..kept.len()).all(|i| rest[(i, j)] == matrix[(kept[i], kept[j])]), "{share}");
            }
        }
    }
}
