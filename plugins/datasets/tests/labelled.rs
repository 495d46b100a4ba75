//! Images with their labels: what does not fit together is one clear error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::assert_says;
use eigenscape_datasets::labelled::LabelledImages;
use eigenscape_formats::idx::Idx;

#[test]
fn images_and_labels_must_fit_together() {
    let array = |shape: &[usize], bytes: &[u8]| Idx::new(shape.to_vec(), bytes.to_vec()).unwrap();
    let pair = |shape: &[usize], labels: &[u8]| {
        let images = array(shape, &vec![0; shape.iter().product()]);
        LabelledImages::pair(("IMAGES", images), ("LABELS", array(&[labels.len()], labels)), 3)
    };
    assert!(pair(&[2, 1, 1], &[0, 2]).is_ok());
    let message = |shape: &[usize], labels: &[u8]| pair(shape, labels).unwrap_err().to_string();
    assert_says(&message(&[2, 1, 1], &[0]), &["LABELS", "1 labels for the 2 images of IMAGES"]);
    assert_says(&message(&[2, 1, 1], &[0, 3]), &["LABELS", "label 1 is 3", "3 classes"]);
    assert_says(&message(&[0, 28, 28], &[]), &["IMAGES", "holds no pixel", "[0, 28, 28]"]);
    assert_says(&message(&[2, 0, 28], &[0, 0]), &["IMAGES", "holds no pixel"]);
}
