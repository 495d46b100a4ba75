//! Laws of `operations/concat.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[2, 1], &[2, 3], &[2, 2]], |g, x| g.concat(x, 1)).obeys_all();
}

#[test]
fn a_part_without_a_tangent_counts_as_zero() {
    Subject::new(1, &[&[2, 3]], |g, x| {
        let zeros = g.fill(1.0, &[1, 3])?;
        g.concat(&[x[0], zeros], 0)
    })
    .obeys_all();
}

/// Permuted operands: their concatenation is row-major, as later views of it require.
#[test]
fn parts_in_another_order_and_views_of_their_concatenation() {
    Subject::new(2, &[&[3, 4, 2], &[3, 1, 1]], |g, x| {
        let turned = g.permute(x[0], &[2, 1, 0])?;
        let token = g.permute(x[1], &[1, 2, 0])?;
        let token = g.broadcast(token, &[2, 1, 3])?;
        let all = g.concat(&[token, turned], 1)?;
        let back = g.permute(all, &[1, 0, 2])?;
        let flat = g.reshape(back, &[5, 6])?;
        let first = g.slice(flat, 0, 0, 1)?;
        let padded = g.pad(back, 2, 1, 0)?;
        let padded = g.permute(padded, &[2, 0, 1])?;
        let padded = g.reshape(padded, &[40])?;
        let sums = g.sum_all(padded)?;
        let sums = g.reshape(sums, &[1, 1])?;
        let sums = g.broadcast(sums, &[1, 6])?;
        let square = g.mul(first, first)?;
        g.mul(square, sums)
    })
    .obeys_all();
}
