//! Laws of `operations/literal.rs`.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::common::*;

#[test]
fn has_its_numbers() -> Result<()> {
    let mut graph = Graph::default();
    let value = graph.literal(&[2, 2], vec![1.0, -0.5, 3.0, f64::NEG_INFINITY])?;
    let numbers: Vec<Vec<f64>> = evaluate(&graph, &[], &[value], &[])?[0].to_vec2()?;
    assert_eq!(numbers, [[1.0, -0.5], [3.0, f64::NEG_INFINITY]]);
    Ok(())
}

#[test]
fn is_a_constant_of_products_and_sums() {
    Subject::new(1, &[&[2, 3]], |g, x| {
        let factor = g.literal(&[2, 3], vec![1.0, 2.0, 0.0, -1.0, 0.5, 4.0])?;
        let product = g.mul(x[0], factor)?;
        g.add(product, factor)
    })
    .obeys_all();
}

#[test]
fn is_the_same_when_its_bits_are() -> Result<()> {
    let mut graph = Graph::default();
    let mut literal = |shape: &[usize], numbers: &[f64]| graph.literal(shape, numbers.to_vec());
    let first = literal(&[2], &[0.0, 1.0])?;
    assert_eq!(first, literal(&[2], &[0.0, 1.0])?);
    assert_ne!(first, literal(&[2], &[-0.0, 1.0])?);
    assert_ne!(first, literal(&[1, 2], &[0.0, 1.0])?);
    assert!(literal(&[3], &[0.0, 1.0]).is_err());
    let hash = |numbers: &[f64]| -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        Literal::new(&[2], numbers.to_vec())?.hash(&mut hasher);
        Ok(hasher.finish())
    };
    assert_eq!(hash(&[0.0, 1.0])?, hash(&[0.0, 1.0])?);
    assert_ne!(hash(&[0.0, 1.0])?, hash(&[-0.0, 1.0])?);
    Ok(())
}
