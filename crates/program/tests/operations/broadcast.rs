//! Laws of `operations/broadcast.rs`.

use crate::common::*;

#[test]
fn laws() {
    Subject::new(1, &[&[1, 3, 1]], |g, x| g.broadcast(x[0], &[2, 3, 4])).must_be_multilinear().obeys_all();
    Subject::new(2, &[&[3]], |g, x| g.broadcast_along(x[0], 1, &[2, 3, 4])).must_be_multilinear().obeys_all();
}
