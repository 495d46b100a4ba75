//! Laws of `operations/sum.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[2, 3, 4]], |g, x| g.sum(x[0], &[0, 2])).must_be_multilinear().obeys_all();
    Subject::new(2, &[&[2, 3, 4]], |g, x| g.mean(x[0], &[1])).must_be_multilinear().obeys_all();
    Subject::new(3, &[&[2, 3]], |g, x| g.sum_all(x[0])).must_be_multilinear().obeys_all();
}
