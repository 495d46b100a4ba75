//! Laws of `operations/slice.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[2, 5]], |g, x| g.slice(x[0], 1, 1, 3)).must_be_multilinear().obeys_all();
    Subject::new(2, &[&[2, 5]], |g, x| g.pad(x[0], 0, 1, 2)).must_be_multilinear().obeys_all();
}
