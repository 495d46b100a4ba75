//! Laws of `operations/gather.rs`.

use crate::common::*;

/// The step function of an input, with derivative zero: positions 0 and 1.
fn index(graph: &mut Graph, x: Value) -> eigenscape_program::Result<Value> {
    graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, x)
}

#[test]
fn laws() {
    Subject::new(1, &[&[2, 4], &[2, 3]], |g, x| {
        let index = index(g, x[1])?;
        let picked = g.emit(Gather, &[x[0], index])?;
        g.mul(picked, x[1])
    })
    .obeys_all();
}

#[test]
fn laws_of_the_transpose() {
    Subject::new(2, &[&[2, 3], &[2, 3]], |g, x| {
        let index = index(g, x[1])?;
        let weighted = g.mul(x[0], x[1])?;
        g.emit(ScatterAdd { size: 4 }, &[weighted, index])
    })
    .obeys_all();
}
