//! Laws of `operations/permute.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[2, 3, 4]], |g, x| g.permute(x[0], &[2, 0, 1])).must_be_multilinear().obeys_all();
}
