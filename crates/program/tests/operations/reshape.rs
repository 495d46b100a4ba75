//! Laws of `operations/reshape.rs`.

use crate::common::*;

#[test]
fn a_shape_beyond_all_numbers_is_no_shape_of_nothing() {
    let mut graph = Graph::default();
    let x = graph.input("x", &[0, 3]);
    assert!(graph.reshape(x, &[1 << 32, 1 << 32]).is_err());
    assert!(graph.reshape(x, &[3, 0]).is_ok());
}

#[test]
fn laws() {
    Subject::new(1, &[&[2, 6]], |g, x| g.reshape(x[0], &[3, 4])).must_be_multilinear().obeys_all();
    Subject::new(2, &[&[2, 3, 2]], |g, x| g.flatten_from(x[0], 1)).must_be_multilinear().obeys_all();
}
