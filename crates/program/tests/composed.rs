//! Compositions of operations: the softmax, and programs with replaced values.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor};
use eigenscape_laws::{Subject, evaluate};
use eigenscape_program::{Graph, transforms::substitute};
use eigenscape_runtime::Result;

#[test]
fn laws_of_the_softmax() {
    Subject::new(1, &[&[3, 4]], |g, x| g.log_softmax(x[0])).obeys_all();
    Subject::new(2, &[&[3, 4]], |g, x| g.softmax(x[0])).obeys_all();
    Subject::new(3, &[&[2, 4, 4]], |g, x| {
        let mask = g.causal_mask(4)?;
        let mask = g.reshape(mask, &[1, 4, 4])?;
        let mask = g.broadcast(mask, &[2, 4, 4])?;
        let masked = g.add(x[0], mask)?;
        g.softmax(masked)
    })
    .obeys_all();
}

/// y = x·w with x ← x + w is (x + w)·w.
#[test]
fn a_replacement_may_depend_on_what_it_replaces() -> Result<()> {
    let mut graph = Graph::default();
    let [x, w] = ["x", "w"].map(|name| graph.input(name, &[2]));
    let y = graph.mul(x, w)?;
    let sum = graph.add(x, w)?;
    let moved = substitute(&mut graph, &[y, w], &[(x, sum)])?;
    assert_eq!(moved[1], w);
    let at = [Tensor::new(&[1.0, 2.0], &Device::Cpu)?, Tensor::new(&[3.0, -1.0], &Device::Cpu)?];
    let found = evaluate(&graph, &[x, w], &moved[..1], &at)?.remove(0);
    assert_eq!(found.to_vec1::<f64>()?, [12.0, -1.0]);
    Ok(())
}
