//! Arrays.

use eigenscape_program::operations::MatMul;

use super::*;

fn counting(shape: &[usize]) -> Array {
    let mut next = 0.0;
    Array::by(USUAL, shape, |_| {
        next += 1.0;
        next
    })
    .unwrap()
}

#[test]
fn views_share_memory_and_have_their_elements() {
    let array = counting(&[2, 3]);
    assert_eq!(array.permute(&[1, 0]).elements().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(array.slice(1, 0, 2, 2).elements().unwrap(), [1.0, 3.0, 4.0, 6.0]);
    assert_eq!(array.slice(0, 1, 1, 1).broadcast(&[2, 3]).unwrap().elements().unwrap()[3..], [4.0, 5.0, 6.0]);
    assert_eq!(array.reshape(&[3, 2]).unwrap().elements().unwrap(), array.elements().unwrap());
    assert!(array.reshape(&[4]).is_err() && array.broadcast(&[3]).is_err());
}

#[test]
fn what_repeats_takes_no_memory() {
    let row = counting(&[1, 3]);
    let twice = Array::new(&[2, 3], row.broadcast(&[2, 3]).unwrap().elements().unwrap());
    assert_eq!(twice.compact().shape(), [1, 3]);
    let sum = twice.zip(&Array::filled(&[1 << 36, 1, 3], 1.0), |a, b| a + b).unwrap();
    assert_eq!((sum.shape(), sum.kept()), (&[1 << 36, 2, 3][..], 3));
    assert!(sum.elements().is_err(), "more than memory holds");
    assert_eq!(Array::filled(&[5, 5], 2.0).map(|x| x * x).unwrap().constant(), Some(4.0));
}

#[test]
fn sums_products_and_parts() {
    let array = counting(&[2, 3]);
    assert_eq!(array.reduce(&[1], 0.0, |a, b| a + b).unwrap().elements().unwrap(), [6.0, 15.0]);
    assert_eq!(array.running_sums(0).unwrap().elements().unwrap()[3..], [5.0, 7.0, 9.0]);
    let product = array.matmul(&array, &MatMul { batch: vec![], contract: vec![[1, 1]] }).unwrap();
    assert_eq!(product.elements().unwrap(), [14.0, 32.0, 32.0, 77.0]);
    let both = Array::concat(&[array.clone(), array.slice(1, 0, 1, 1)], 1).unwrap();
    assert_eq!(both.elements().unwrap(), [1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 6.0, 4.0]);
}
