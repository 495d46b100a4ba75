//! Laws of `operations/argmax.rs`.

use crate::common::*;

#[test]
fn the_first_of_the_largest_is_marked_and_has_no_derivative() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[3, 3]);
    let hot = graph.one_hot_max(x)?;
    let near = graph.argmax(x, 0.2)?;
    let at = Tensor::new(&[[0.1, -2.0, 0.3], [5.0, 4.0, 4.9], [1.0, 1.0, 0.0]], &Device::Cpu)?;
    let found = evaluate(&graph, &[x], &[hot, near], &[at])?;
    assert_eq!(found[0].to_vec2::<f64>()?, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]);
    assert_eq!(found[1].to_vec1::<u32>()?, [0, 0, 0]);
    let v = graph.input("v", &[3, 3]);
    assert_eq!(linearize(&mut graph, &[hot], &[(x, v)])?[0], None);
    Ok(())
}
