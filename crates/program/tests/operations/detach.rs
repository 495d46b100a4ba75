//! Laws of `operations/detach.rs`.

use crate::common::*;

#[test]
fn the_value_passes_and_the_derivative_does_not() -> Result<()> {
    let mut graph = Graph::default();
    let [x, v] = ["x", "v"].map(|name| graph.input(name, &[2]));
    let fixed = graph.detach(x)?;
    // x · detach(x) has the tangent v · x, not 2 v · x.
    let product = graph.mul(x, fixed)?;
    let tangent = linearize(&mut graph, &[product, fixed], &[(x, v)])?;
    assert_eq!(tangent[1], None);
    let outputs = [product, tangent[0].unwrap()];
    let at = [[3.0, -2.0], [1.0, 10.0]].map(|values| Tensor::new(&values, &Device::Cpu).unwrap());
    let found = evaluate(&graph, &[x, v], &outputs, &at)?;
    assert_eq!(found[0].to_vec1::<f64>()?, [9.0, 4.0]);
    assert_eq!(found[1].to_vec1::<f64>()?, [3.0, -20.0]);
    Ok(())
}
