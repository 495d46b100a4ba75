//! Laws of `operations/constant.rs`.

use crate::common::*;

fn values(emit: impl Fn(&mut Graph) -> eigenscape_program::Result<Value>) -> Result<Vec<Vec<f64>>> {
    let mut graph = Graph::default();
    let value = emit(&mut graph)?;
    Ok(evaluate(&graph, &[], &[value], &[])?[0].to_vec2()?)
}

#[test]
fn matrices_are_their_formulas() -> Result<()> {
    let far = f64::NEG_INFINITY;
    assert_eq!(values(|g| g.identity(2))?, [[1.0, 0.0], [0.0, 1.0]]);
    assert_eq!(values(|g| g.causal_mask(2))?, [[0.0, far], [0.0, 0.0]]);
    let waves = values(|g| g.sinusoids(3, 4))?;
    assert_eq!(waves[0], [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(waves[2], [2_f64.sin(), 2_f64.cos(), 0.02_f64.sin(), 0.02_f64.cos()]);
    Ok(())
}
