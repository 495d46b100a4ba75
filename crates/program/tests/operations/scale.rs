//! Laws of `operations/scale.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[2, 3]], |g, x| g.scale(x[0], -1.5)).must_be_multilinear().obeys_all();
}
