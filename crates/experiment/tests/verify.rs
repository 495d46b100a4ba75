//! Errors about a file given to `verify` name the file, the tensor and a remedy.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{collections::BTreeMap, fs, sync::Arc};

use candle_core::DType;
use eigenscape_core::{Registry, Result};
use eigenscape_cpu::Cpu;
use eigenscape_experiment::{
    check,
    checkpoint::Selection,
    plan::LossPlan,
    verify::{Errors, verify},
};
use eigenscape_program::Mode;
use safetensors::{Dtype, tensor::TensorView};

/// Types and shapes by name; every number is 0.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>)>;

/// The tensors of a file for a linear layer from 3 to 2 on two examples.
fn tensors() -> Tensors {
    let mut tensors = Tensors::new();
    let mut put = |name: String, shape: &[usize]| tensors.insert(name, (Dtype::F32, shape.to_vec()));
    for (name, shape) in [("x", &[2, 3][..]), ("logits", &[2, 2]), ("loss", &[])] {
        put(name.to_owned(), shape);
    }
    for prefix in ["", "v.", "grad.", "hv.", "ggnv."] {
        put(format!("{prefix}0.weight"), &[2, 3]);
        put(format!("{prefix}0.bias"), &[2]);
    }
    tensors.insert("y".to_owned(), (Dtype::I64, vec![2]));
    tensors
}

fn verified(tensors: &Tensors, layers: &str) -> Result<Errors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|(dtype, shape)| vec![0; dtype.bitsize() / 8 * shape.iter().product::<usize>()])
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, (dtype, shape)), bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    eigenscape_losses::register(&mut registry);
    let keys = toml::from_str(&format!("layers = [{layers}]")).unwrap();
    let built =
        registry.architectures.build("sequential", keys, &eigenscape_core::registry::Environment::default());
    let Ok(built) = built else { panic!("{layers} is no network") };
    let loss =
        LossPlan { named: None, parameters: toml::Table::new(), defaults: check::default_losses(&registry) };
    let verified = verify(
        &path,
        Arc::from(built.plugin),
        &Selection::default(),
        &loss,
        (Cpu::shared(), DType::F32),
        Mode::Eval,
    )?;
    Ok(verified.errors)
}

const LINEAR: &str = r#"{ op = "linear", out = 2 }"#;

#[test]
fn a_loss_that_is_not_right_is_found_out() {
    let errors = verified(&tensors(), LINEAR).unwrap();
    // All are 0 in the file; the mean cross-entropy of zeros is log 2.
    assert_eq!((errors.logits, errors.hv, errors.ggnv, errors.loss), (0.0, 0.0, 0.0, f64::INFINITY));
}

#[test]
fn a_tensor_that_cannot_be_used_is_named_with_a_remedy() {
    const NARROW: &str =
        r#"{ op = "conv2d", out = 2, kernel = 9 }, { op = "flatten" }, { op = "linear", out = 2 }"#;
    type Change<'a> = (&'a str, Dtype, &'a [usize]);
    type Mistake<'a> = (&'a [Change<'a>], &'a str, &'a [&'a str]);
    let mistakes: &[Mistake] = &[
        (&[("y", Dtype::BOOL, &[2])], LINEAR, &["`y` is of type BOOL", "tensor.long()"]),
        (&[("y", Dtype::I64, &[3])], LINEAR, &["`y` is [3]", "need classes [2]", "the same batch"]),
        (&[("y", Dtype::F32, &[2])], LINEAR, &["`y` is [2]", "need real targets [2, 2]"]),
        (
            &[("x", Dtype::F32, &[3, 3])],
            LINEAR,
            &["`x` is [3, 3] and `logits` [2, 2]", "not the same number"],
        ),
        (
            &[("x", Dtype::F32, &[0, 3]), ("logits", Dtype::F32, &[0, 2]), ("y", Dtype::I64, &[0])],
            LINEAR,
            &["`x` is [0, 3]", "a.safetensors", "not empty"],
        ),
        (&[("x", Dtype::F32, &[])], LINEAR, &["`x` is []"]),
        (
            &[("x", Dtype::F32, &[2, 1, 4, 4])],
            NARROW,
            &["cannot be built for `x` [2, 1, 4, 4]", "kernel", "--model"],
        ),
        (&[("x", Dtype::I64, &[2, 3])], LINEAR, &["`x`, which is of type I64", "x.float()"]),
        (&[("loss", Dtype::F32, &[2])], LINEAR, &["`loss` is not one number"]),
        (&[("0.weight", Dtype::I64, &[2, 3])], LINEAR, &["`0.weight` is of type I64", "tensor.float()"]),
        (
            &[("0.weight", Dtype::F8_E4M3, &[2, 3])],
            LINEAR,
            &["`0.weight` is of type F8_E4M3", "tensor.float()"],
        ),
        (&[("grad.0.bias", Dtype::BOOL, &[2])], LINEAR, &["`grad.0.bias` is of type BOOL"]),
        (&[("v.0.bias", Dtype::F32, &[3])], LINEAR, &["`v.0.bias` has shape [3]", "[2]"]),
    ];
    for (changes, layers, texts) in mistakes {
        let mut tensors = tensors();
        for (name, dtype, shape) in *changes {
            tensors.insert((*name).to_owned(), (*dtype, shape.to_vec()));
        }
        let message = verified(&tensors, layers).unwrap_err().to_string();
        for text in texts.iter().chain(&["a.safetensors", "help: "]) {
            assert!(message.contains(text), "{changes:?}: no {text:?} in {message}");
        }
    }
    let mut tensors = tensors();
    tensors.remove("hv.0.bias");
    let message = verified(&tensors, LINEAR).unwrap_err().to_string();
    assert!(message.contains("has no tensor `hv.0.bias`"), "{message}");
}
