//! Laws of `operations/take.rs`.

use crate::common::*;

#[test]
fn laws() {
    // The index is the step function of an input, with derivative zero: rows 0 and 1.
    Subject::new(1, &[&[2, 3], &[4, 2]], |g, x| {
        let index = g.function(ElementwiseFunction::Step { slope: Real(0.0) }, x[1])?;
        let taken = g.take(x[0], index)?;
        let sum = g.sum(x[1], &[0, 1])?;
        let sum = g.reshape(sum, &[1, 1, 1])?;
        let sum = g.broadcast(sum, &[4, 2, 3])?;
        g.mul(taken, sum)
    })
    .obeys_all();
}
