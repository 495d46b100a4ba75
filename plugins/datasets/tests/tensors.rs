//! `tensors`: what a safetensors file may hold, and how everything else is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{fs, num::NonZeroU32, path::Path};

use candle_core::DType;
use common::{assert_says, build, load, refusal};
use eigenscape_core::{Dataset, Examples, Split, Targets, registry::PluginError};
use eigenscape_datasets::tensors::{Classes, Tensors};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::{TempDir, tempdir};

/// A tensor in its file format: type, shape, little-endian elements.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

fn f32s(shape: &[usize], values: &[f32]) -> Stored {
    (Dtype::F32, shape.to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn f64s(shape: &[usize], values: &[f64]) -> Stored {
    (Dtype::F64, shape.to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn i64s(shape: &[usize], values: &[i64]) -> Stored {
    (Dtype::I64, shape.to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn serialized(tensors: &[(&str, Stored)]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn file(tensors: &[(&str, Stored)]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("xy.safetensors"), serialized(tensors)).unwrap();
    folder
}

const PATH: &str = "path = 'xy.safetensors'\n";

fn examples(tensors: &[(&str, Stored)]) -> Examples {
    load("tensors", PATH, file(tensors).path()).examples(Split::Train).unwrap()
}

fn refused(tensors: &[(&str, Stored)]) -> String {
    refusal("tensors", PATH, file(tensors).path())
}

/// Three inputs of two numbers.
fn x() -> Stored {
    f32s(&[3, 2], &[0.5, -1.0, 2.0, 3.0, 4.0, 5.0])
}

fn class_labels(examples: &Examples) -> (Vec<i64>, usize) {
    match &examples.targets {
        Targets::Classes { labels, classes } => (labels.to_vec1().unwrap(), *classes),
        Targets::Values(_) => panic!("classes expected"),
    }
}

#[test]
fn x_is_used_as_it_is() {
    let y = || i64s(&[3], &[0, 1, 2]);
    let single = examples(&[("x", x()), ("y", y())]);
    assert_eq!(single.inputs.all().unwrap().to_vec2::<f32>().unwrap(), [[0.5, -1.0], [2.0, 3.0], [4.0, 5.0]]);
    let double = examples(&[("x", f64s(&[3, 1, 1], &[0.1, 0.2, 0.3])), ("y", y())]);
    let double = double.inputs.all().unwrap();
    assert_eq!((double.dtype(), double.dims()), (DType::F64, &[3, 1, 1][..]));
    assert_eq!(double.flatten_all().unwrap().to_vec1::<f64>().unwrap(), [0.1, 0.2, 0.3]);
    // 1, -2 and 0.5 in float16 and in bfloat16.
    for (dtype, bits) in [(Dtype::F16, [0x3c00_u16, 0xc000, 0x3800]), (Dtype::BF16, [0x3f80, 0xc000, 0x3f00])]
    {
        let data = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        let half = examples(&[("x", (dtype, vec![3, 1], data)), ("y", y())]);
        assert_eq!(half.inputs.all().unwrap().to_vec2::<f32>().unwrap(), [[1.0], [-2.0], [0.5]]);
    }
}

#[test]
fn integers_of_every_type_are_classes() {
    for (dtype, size) in [
        (Dtype::I8, 1),
        (Dtype::U8, 1),
        (Dtype::I16, 2),
        (Dtype::U16, 2),
        (Dtype::I32, 4),
        (Dtype::U32, 4),
        (Dtype::I64, 8),
        (Dtype::U64, 8),
    ] {
        let data = [4_u64, 0, 100].iter().flat_map(|v| v.to_le_bytes()[..size].to_vec()).collect();
        let found = examples(&[("x", x()), ("y", (dtype, vec![3], data))]);
        assert_eq!(class_labels(&found), (vec![4, 0, 100], 101), "{dtype:?}");
    }
}

#[test]
fn the_number_of_classes_can_be_given() {
    let folder = file(&[("x", x()), ("y", i64s(&[3], &[0, 1, 0]))]);
    let of = |classes: u32| format!("{PATH}classes = {classes}");
    let found = load("tensors", &of(5), folder.path()).examples(Split::Train).unwrap();
    assert_eq!(class_labels(&found), (vec![0, 1, 0], 5));
    assert_says(&refusal("tensors", &of(1), folder.path()), &["`y`", "[1] is 1", "at most 1 classes"]);
    assert!(matches!(build("tensors", &of(0), folder.path()), Err(PluginError::Parameter { .. })));
    let values = file(&[("x", x()), ("y", f32s(&[3], &[0.0; 3]))]);
    assert_says(&refusal("tensors", &of(2), values.path()), &["`y`", "real values", "remove `data.classes`"]);
}

#[test]
fn floats_are_real_targets() {
    let found = examples(&[("x", x()), ("y", f64s(&[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]))]);
    let Targets::Values(values) = &found.targets else { panic!("values expected") };
    assert_eq!(values.to_vec2::<f64>().unwrap(), [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]);
    assert_eq!(found.outputs(), 2);
    let column = examples(&[("x", x()), ("y", f32s(&[3], &[7.0, 8.0, 9.0]))]);
    let Targets::Values(values) = &column.targets else { panic!("values expected") };
    assert_eq!(values.to_vec2::<f32>().unwrap(), [[7.0], [8.0], [9.0]]);
}

/// Two sequences of three tokens.
fn tokens() -> Stored {
    i64s(&[2, 3], &[0, 7, 1 << 24, 3, 2, 1])
}

#[test]
fn whole_numbers_are_tokens() {
    let found = examples(&[("x", tokens()), ("y", i64s(&[2, 3], &[7, -100, 3, 2, 1, 0]))]);
    assert_eq!(
        found.inputs.all().unwrap().to_vec2::<f32>().unwrap(),
        [[0.0, 7.0, 16_777_216.0], [3.0, 2.0, 1.0]]
    );
    let Targets::Classes { labels, classes } = &found.targets else { panic!("classes expected") };
    assert_eq!(labels.to_vec2::<i64>().unwrap(), [[7, -100, 3], [2, 1, 0]]);
    assert_eq!((*classes, found.outputs()), (8, 8));
    assert_eq!(class_labels(&examples(&[("x", tokens()), ("y", i64s(&[2], &[1, 0]))])), (vec![1, 0], 2));
    let bytes = examples(&[("x", (Dtype::U8, vec![1, 2], vec![200, 3])), ("y", i64s(&[1], &[1]))]);
    assert_eq!(bytes.inputs.all().unwrap().to_vec2::<f32>().unwrap(), [[200.0, 3.0]]);
}

#[test]
fn tokens_and_labels_that_do_not_fit_are_refused() {
    let y = || i64s(&[2, 3], &[0; 6]);
    let with = |token| refused(&[("x", i64s(&[2, 3], &[0, 1, 2, 3, token, 5])), ("y", y())]);
    assert_says(&with(-1), &["`x`", "[1, 1] is -1, not a token", "from 0"]);
    assert_says(&with((1 << 24) + 1), &["`x`", "[1, 1] is 16777217", "below 2^24"]);
    let labels = |shape: &[usize]| {
        let count = shape.iter().product::<usize>();
        refused(&[("x", tokens()), ("y", i64s(shape, &vec![1; count]))])
    };
    assert_says(&labels(&[3, 2]), &["`y`", "[3, 2]", "2 inputs are [2]", "pixels [2, ...]"]);
    assert_says(&labels(&[2, 0]), &["`y`", "[2, 0]"]);
    let test = [("x_test", tokens()), ("y_test", i64s(&[2], &[1, 0]))];
    let mixed = [vec![("x", tokens()), ("y", i64s(&[2, 3], &[1; 6]))], test.to_vec()].concat();
    assert_says(&refused(&mixed), &["`y_test`", "[2]", "[2, 3]"]);
}

#[test]
fn real_targets_have_any_shape() {
    let found = examples(&[("x", x()), ("y", f32s(&[3, 2, 2], &[0.5; 12]))]);
    assert_eq!(found.outputs(), 2);
    let Targets::Values(values) = &found.targets else { panic!("values expected") };
    assert_eq!(values.dims(), [3, 2, 2]);
    assert_says(&refused(&[("x", x()), ("y", f32s(&[3, 0, 2], &[]))]), &["`y`", "[3, 0, 2]"]);
}

#[test]
fn a_test_split_is_optional() {
    let y = || i64s(&[3], &[0, 1, 0]);
    let folder = file(&[("x", x()), ("y", y())]);
    let set = load("tensors", PATH, folder.path());
    assert!(!set.has_test_split());
    assert_says(&set.examples(Split::Test).unwrap_err().to_string(), &["xy.safetensors", "no test split"]);
    assert!(set.description().contains("3 training samples and no test split"), "{}", set.description());
    assert!(set.class_names().is_empty());

    let test = [("x_test", f32s(&[1, 2], &[8.0, 9.0])), ("y_test", i64s(&[1], &[6]))];
    let folder = file(&[vec![("x", x()), ("y", y())], test.to_vec()].concat());
    let set = load("tensors", PATH, folder.path());
    assert_eq!(class_labels(&set.examples(Split::Test).unwrap()), (vec![6], 7));
    assert_eq!(
        class_labels(&set.examples(Split::Train).unwrap()),
        (vec![0, 1, 0], 7),
        "classes of both splits"
    );
}

#[test]
fn a_test_split_must_be_like_the_training_split() {
    let refused_with = |x_test: Option<Stored>, y_test: Option<Stored>| {
        let mut tensors = vec![("x", x()), ("y", i64s(&[3], &[0, 1, 0]))];
        tensors.extend(x_test.map(|t| ("x_test", t)));
        tensors.extend(y_test.map(|t| ("y_test", t)));
        refused(&tensors)
    };
    let (x_test, y_test) = (f32s(&[1, 2], &[8.0, 9.0]), i64s(&[1], &[1]));
    let without = |key: &str| format!("or the file without `{key}`");
    let alone = refused_with(None, Some(y_test.clone()));
    assert_says(&alone, &["`x_test`", "no such tensor", &without("y_test")]);
    let alone = refused_with(Some(x_test.clone()), None);
    assert_says(&alone, &["`y_test`", "no such tensor", &without("x_test")]);
    assert_says(&refused_with(Some(f32s(&[1, 3], &[0.0; 3])), Some(y_test.clone())), &["`x_test`", "[1, 3]"]);
    assert_says(&refused_with(Some(f64s(&[1, 2], &[0.0; 2])), Some(y_test)), &["`x_test`", "F64"]);
    assert_says(&refused_with(Some(x_test), Some(f32s(&[1], &[0.5]))), &["`y_test`", "real values"]);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let y = || i64s(&[3], &[0, 1, 0]);
    assert_says(&refused(&[("x", f32s(&[3], &[0.0; 3])), ("y", y())]), &["`x`", "[3]", "[N, 1]"]);
    assert_says(&refused(&[("x", f32s(&[0, 2], &[])), ("y", i64s(&[0], &[]))]), &["`x`", "empty", "[0, 2]"]);
    assert_says(&refused(&[("x", f32s(&[0], &[])), ("y", i64s(&[0], &[]))]), &["`x`", "empty"]);
    assert_says(&refused(&[("x", x()), ("y", i64s(&[2], &[0, 1]))]), &["`y`", "[2]", "3 inputs"]);
    assert_says(&refused(&[("x", x()), ("y", f32s(&[2, 1], &[0.0, 1.0]))]), &["`y`", "[2, 1]"]);
    assert_says(&refused(&[("x", x()), ("y", f32s(&[3, 0], &[]))]), &["`y`", "[3, 0]"]);
    assert_says(&refused(&[("x", x()), ("y", f32s(&[], &[1.0]))]), &["`y`", "[]"]);
}

#[test]
fn types_that_do_not_fit_are_refused() {
    let bytes = (Dtype::U8, vec![3, 2, 1], vec![0; 6]);
    let y = || i64s(&[3], &[0, 1, 0]);
    assert_says(&refused(&[("x", bytes), ("y", y())]), &["`x`", "U8, not floats", "float32 or float64"]);
    assert_says(
        &refused(&[("x", x()), ("y", (Dtype::BOOL, vec![3], vec![0, 1, 0]))]),
        &["`y`", "BOOL", "as int64: the classes"],
    );
    let x_of_truth = ("x", (Dtype::BOOL, vec![3, 1], vec![0, 1, 0]));
    assert_says(&refused(&[x_of_truth, ("y", i64s(&[3], &[0, 1, 0]))]), &["`x`", "BOOL", "as float32"]);
}

#[test]
fn labels_that_are_no_classes_are_refused() {
    let with = |labels: [i64; 3]| refused(&[("x", x()), ("y", i64s(&[3], &labels))]);
    let beyond = (Dtype::U64, vec![3], [0_u64, u64::MAX, 1].iter().flat_map(|v| v.to_le_bytes()).collect());
    let texts = ["xy.safetensors", "`y`", "[1] is 18446744073709551615, not a class"];
    assert_says(&refused(&[("x", x()), ("y", beyond)]), &texts);
    assert_says(&with([0, 1, i64::MAX]), &["`y`", "[2] is 9223372036854775807"]);
    assert_says(&with([70_000, 1, 0]), &["`y`", "[0] is 70000", "data.classes"]);
    assert_says(&with([0, 0, 0]), &["`y`", "every label is 0", "data.classes"]);
    assert_says(&with([1, -1, 0]), &["`y`", "[1] is -1, not a class", "ignore_index = -1"]);
    assert_says(&with([-1, -1, -1]), &["`y`", "[0] is -1, not a class"]);
    assert_says(&with([-100, -100, -100]), &["`y`", "every label is -100, which the loss ignores"]);
}

/// Data sets with a label per pixel often mark pixels without a class by 255.
#[test]
fn ignored_labels_are_no_classes() {
    let parsed = |labels: &[i64; 4], asked: Option<u32>| {
        let contents = serialized(&[("x", f32s(&[1, 1, 2, 2], &[0.5; 4])), ("y", i64s(&[1, 2, 2], labels))]);
        let asked = asked.and_then(NonZeroU32::new);
        let classes = Classes { asked, ignored: Some(255), ..Classes::default() };
        Tensors::parse(Path::new("FILE"), &contents, classes)
    };
    for asked in [None, Some(3)] {
        let found = parsed(&[0, 255, 2, 1], asked).unwrap().examples(Split::Train).unwrap();
        let Targets::Classes { labels, classes: 3 } = &found.targets else { panic!("{:?}", found.targets) };
        assert_eq!(labels.dims(), [1, 2, 2]);
    }
    let message = parsed(&[255; 4], None).unwrap_err().to_string();
    assert_says(&message, &["`y`", "every label is 255, which the loss ignores", "loss.ignore_index"]);
    let message = parsed(&[0, 255, 7, 1], Some(3)).unwrap_err().to_string();
    assert_says(&message, &["[0, 1, 0] is 7, but there are at most 3 classes", "ignore_index = 7"]);
}

#[test]
fn a_loss_that_needs_no_targets_needs_none_in_the_file() {
    let parsed = |tensors: &[(&str, Stored)], needless: bool| {
        let classes = Classes { needless, ..Classes::default() };
        Tensors::parse(Path::new("FILE"), &serialized(tensors), classes)
    };
    let whole = parsed(&[("x", x()), ("x_test", x())], true).unwrap();
    assert!(whole.has_test_split());
    for split in [Split::Train, Split::Test] {
        let examples = whole.examples(split).unwrap();
        let Targets::Values(targets) = &examples.targets else { panic!("{:?}", examples.targets) };
        assert_eq!(targets.dims(), [3, 1]);
    }
    let description = whole.description();
    assert!(description.contains("3 training samples and 3 test samples"), "{description}");
    assert!(description.contains("no targets"), "{description}");
    // Targets that are there are read.
    let with = parsed(&[("x", x()), ("y", i64s(&[3], &[0, 1, 0]))], true).unwrap();
    assert_eq!(class_labels(&with.examples(Split::Train).unwrap()), (vec![0, 1, 0], 2));
    let message = parsed(&[("x", x())], false).unwrap_err().to_string();
    assert_says(&message, &["`y`", "no such tensor"]);
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let y = || f32s(&[3], &[0.0; 3]);
    let message = refused(&[("x", f32s(&[3, 2], &[0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0])), ("y", y())]);
    assert_says(&message, &["xy.safetensors", "`x`", "[1, 1] is NaN"]);
    let message = refused(&[("x", x()), ("y", f64s(&[3, 1], &[0.0, 1.0, f64::NEG_INFINITY]))]);
    assert_says(&message, &["`y`", "[2, 0] is -inf"]);
    let infinity =
        (Dtype::F16, vec![3, 1], [0_u16, 0, 0x7c00].iter().flat_map(|b| b.to_le_bytes()).collect());
    assert_says(&refused(&[("x", infinity), ("y", y())]), &["`x`", "[2, 0] is inf"]);
}

#[test]
fn missing_things_are_named() {
    assert_says(&refused(&[("x", x())]), &["xy.safetensors", "`y`", "no such tensor"]);
    assert_says(&refused(&[("x", x()), ("y_train", i64s(&[3], &[0, 1, 0]))]), &["did you mean `y_train`?"]);
    let message = refusal("tensors", "path = 'none.safetensors'", Path::new("somewhere"));
    assert_says(&message, &["none.safetensors", "no such file", "data.path"]);
    assert!(
        matches!(build("tensors", "", Path::new("")), Err(PluginError::Parameter { .. })),
        "path is required"
    );
}

#[test]
fn every_truncation_is_noticed() {
    let folder = tempdir().unwrap();
    let whole = serialized(&[("x", x()), ("y", i64s(&[3], &[0, 1, 0]))]);
    for length in 0..whole.len() {
        fs::write(folder.path().join("xy.safetensors"), &whole[..length]).unwrap();
        let message = refusal("tensors", PATH, folder.path());
        assert_says(&message, &["xy.safetensors", "truncated or damaged", "save_file"]);
    }
    fs::write(folder.path().join("xy.safetensors"), [whole, vec![0]].concat()).unwrap();
    assert_says(&refusal("tensors", PATH, folder.path()), &["truncated or damaged"]);
    for start in [&b"PK\x03\x04\0\0"[..], b"\x80\x02}q\0X"] {
        fs::write(folder.path().join("xy.safetensors"), start).unwrap();
        assert_says(&refusal("tensors", PATH, folder.path()), &["a file of torch.save", "save_file"]);
    }
}

#[test]
fn tokens_are_called_that() {
    let said = |x: Stored| {
        let folder = file(&[("x", x), ("y", i64s(&[3], &[0, 1, 0]))]);
        load("tensors", PATH, folder.path()).description()
    };
    let text = said(i64s(&[3, 2], &[0, 1, 2, 3, 4, 5]));
    assert!(text.contains("tokens [2], 2 classes"), "{text}");
    assert!(said(x()).contains("inputs [2] of type F32"));
}

#[test]
fn an_input_with_the_name_of_the_targets_is_refused_where_there_are_targets() {
    let contents = serialized(&[("x", x()), ("y", f32s(&[3, 2], &[0.5, -1.0, 2.0, 3.0, 4.0, 5.0]))]);
    let parsed = |needless: bool, name: &str| {
        let classes = Classes { needless, ..Classes::default() };
        Tensors::parse_named(Path::new("FILE"), &contents, classes, &["x".to_owned(), name.to_owned()])
    };
    let message = parsed(false, "y").unwrap_err().to_string();
    assert!(message.contains("tensor `y`") && message.contains("has an input of this name"), "{message}");
    assert!(parsed(true, "y").is_ok(), "a loss without targets leaves the name free");
}
