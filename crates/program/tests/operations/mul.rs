//! Laws of `operations/mul.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[2, 3], &[2, 3]], |g, x| g.mul(x[0], x[1])).must_be_multilinear().obeys_all();
    Subject::new(2, &[&[4]], |g, x| g.mul(x[0], x[0])).obeys_all();
}
