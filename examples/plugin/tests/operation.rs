//! The operation has the properties that it declares.

use eigenscape::Definitions;
use eigenscape_example_plugin::operation::{define, reverse};
use eigenscape_laws::Subject;

/// Tangents, transposes, leading axes, views, and every backend against the definition.
#[test]
fn it_obeys_the_laws() {
    for shape in [&[5][..], &[3, 4], &[2, 3, 1]] {
        Subject::new(1, &[shape], |graph, x| reverse(graph, x[0]))
            .defined_by(Definitions::default().with(define))
            .must_be_multilinear()
            .obeys_all();
    }
}
