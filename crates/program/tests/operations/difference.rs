//! Laws of `operations/difference.rs`.

use crate::common::*;

#[test]
fn laws() {
    // The index has derivative zero in x₁; the factor x₁ adds a nonzero one.
    Subject::new(1, &[&[2, 3, 4], &[2, 3, 4]], |g, x| {
        let index = g.argmax(x[1], 0.0)?;
        let y = g.differences(x[0], index)?;
        g.mul(y, x[1])
    })
    .obeys_all();
    Subject::new(2, &[&[3, 4], &[3, 4]], |g, x| {
        let index = g.argmax(x[1], 0.0)?;
        let y = g.differences_transpose(x[0], index)?;
        g.mul(y, x[1])
    })
    .obeys_all();
}

/// A large cotangent at m does not absorb small ones elsewhere.
#[test]
fn the_reference_has_the_sum_of_the_others() -> Result<()> {
    let mut graph = Graph::default();
    let [x, c] = ["x", "c"].map(|name| graph.input(name, &[2, 3]));
    let index = graph.argmax(x, 0.0)?;
    let pulled = graph.differences_transpose(c, index)?;
    let small = 2_f32.powi(-30);
    let at = [[[1_f32, 9.0, 2.0], [3.0, 1.0, 2.0]], [[small, -1.0, 2.0 * small], [7.0, 1.0, 2.0]]];
    let at = at.map(|values| Tensor::new(&values, &Device::Cpu).unwrap());
    let found = evaluate_in(DType::F32, &graph, &[x, c], &[pulled], &at)?.remove(0);
    assert_eq!(found.to_vec2::<f32>()?, [[small, -3.0 * small, 2.0 * small], [-3.0, 1.0, 2.0]]);
    Ok(())
}
