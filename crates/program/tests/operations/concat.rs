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
