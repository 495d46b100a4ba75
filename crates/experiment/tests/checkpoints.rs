//! Files of `torch.save` are read bit for bit, and files without a state dict are refused with a
//! message. The files in `tests/checkpoints` were made by PyTorch (see `generate.py` there).

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use candle_core::Tensor;
use eigenscape_experiment::checkpoint::{self, Item, Loaded, Selection};
use eigenscape_program::{Mode, Network, nn};
use safetensors::SafeTensors;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name)
}

fn selection(name: &str, key: Option<&str>, strip_prefix: &[&str]) -> Selection {
    let strip_prefix = strip_prefix.iter().map(|prefix| (*prefix).to_owned()).collect();
    Selection { path: file(name), key: key.map(str::to_owned), strip_prefix, ..Selection::default() }
}

/// The network of `generate.py`.
fn network() -> Network {
    Network::with_mode(&[3], Mode::Eval, |scope, x| {
        let x = nn::linear(&mut scope.at("0"), x, 4, true)?;
        let x = nn::batch_norm(&mut scope.at("1"), x)?;
        let x = nn::activation(scope, x, nn::Activation::Relu)?;
        nn::linear(&mut scope.at("3"), x, 2, true)
    })
    .unwrap()
}

/// Asserts that a file has exactly the tensors of its twin, with equal types, shapes and bits.
fn assert_equals_twin(selection: &Selection, twin: &str) {
    let contents = fs::read(&selection.path).unwrap();
    let expected = fs::read(file(twin)).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    let found = checkpoint::with_state_dict(&contents, selection, |_, state, _| {
        for (name, item) in state.iter() {
            let Item::Tensor(tensor) = item else { unreachable!("{name} is not a tensor") };
            let twin = expected.tensor(name).unwrap();
            assert_eq!((tensor.dtype(), tensor.shape()), (twin.dtype(), twin.shape()), "{name}");
            assert_eq!(&*tensor.elements(), twin.data(), "{name}");
        }
        Ok(state.iter().count())
    });
    assert_eq!(found.unwrap(), expected.len());
}

#[test]
fn tensors_are_read_bit_for_bit() {
    for (name, key, prefix) in [
        ("state_dict", None, None),
        ("protocol5", None, None),
        ("nested", None, None),
        ("nested", Some("model"), None),
        ("deeper", None, None),
        ("deeper", Some("trainer.network"), None),
        ("data_parallel", None, Some("module.")),
        ("types", None, None),
        ("layouts", None, None),
    ] {
        let prefix: Vec<&str> = prefix.into_iter().collect();
        assert_equals_twin(&selection(&format!("{name}.pth"), key, &prefix), &format!("{name}.safetensors"));
    }
    assert_equals_twin(&selection("types.safetensors", None, &[]), "types.safetensors");
}

#[test]
fn a_file_is_recognised_by_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, other) in [("state_dict.pth", "a.safetensors"), ("state_dict.safetensors", "a.pth")] {
        let path = folder.path().join(other);
        fs::copy(file(name), &path).unwrap();
        let selection = Selection { path, ..Selection::default() };
        assert_equals_twin(&selection, "state_dict.safetensors");
    }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn load(name: &str, key: Option<&str>, prefix: &[&str]) -> eigenscape_core::Result<Loaded> {
    checkpoint::load(&selection(name, key, prefix), &network())
}

#[test]
fn a_network_gets_its_weights_from_either_format() {
    for (name, prefix) in [("state_dict", None), ("nested", None), ("data_parallel", Some("module."))] {
        let prefix: Vec<&str> = prefix.into_iter().collect();
        let pth = load(&format!("{name}.pth"), None, &prefix).unwrap().weights;
        let twin = load(&format!("{name}.safetensors"), None, &[]).unwrap().weights;
        assert_eq!((pth.parameters.len(), pth.buffers.len()), (6, 2));
        for (a, b) in
            pth.parameters.iter().chain(&pth.buffers).zip(twin.parameters.iter().chain(&twin.buffers))
        {
            assert_eq!(bits(a), bits(b), "{name}");
        }
    }
}

#[test]
fn what_was_chosen_and_left_out_is_said() {
    assert!(load("state_dict.pth", None, &[]).unwrap().notes.is_empty());
    let notes = load("nested.pth", None, &[]).unwrap().notes;
    assert_eq!(
        notes,
        ["the dictionary `model`, the only one with tensors", "neither loaded nor run: argparse.Namespace"]
    );
    assert_eq!(load("nested.pth", Some("model"), &[]).unwrap().notes, notes[1..]);
}

/// Asserts that the message contains each text.
fn assert_refused(result: eigenscape_core::Result<Loaded>, texts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for text in texts {
        assert!(message.contains(text), "{text:?} is not in: {message}");
    }
}

#[test]
fn what_is_no_state_dict_is_refused_with_a_remedy() {
    let refused = |name: &str, texts: &[&str]| assert_refused(load(name, None, &[]), texts);
    let module = "an object of torch.nn.modules.container.Sequential";
    refused("module.pth", &["module.pth", module, "torch.save(model.state_dict(), path)"]);
    refused("module_in_dictionary.pth", &["under the key `model`", module, "model.state_dict()"]);
    refused("legacy.pth", &["before PyTorch 1.6", "which writes a zip archive"]);
    refused("torchscript.pth", &["TorchScript", "torch.jit.load(path).state_dict()"]);
    refused("optimizer.pth", &["the state of an optimizer, and no weights"]);
    refused("list.pth", &["holds a number or a list, and not a dictionary"]);
    refused("plain_pickle.pth", &["is a pickle, but not one of torch.save"]);
    refused("compressed.pth", &["is compressed or encrypted", "torch.save"]);
    refused("big_endian.pth", &["big-endian"]);
    refused("ambiguous.pth", &["several dictionaries of tensors: model, ema", "key = \"model\""]);
    refused("generate.py", &["is not a complete safetensors file"]);
}

#[test]
fn what_is_no_tensor_or_of_no_type_that_is_read_has_its_own_remedy() {
    let refused = |name: &str, texts: &[&str]| assert_refused(load(name, None, &[]), texts);
    refused("with_epoch.pth", &["epoch   -        not a tensor", "save tensors alone"]);
    refused("float8.pth", &["_rebuild_tensor_v3", "as an ordinary tensor of float32, as in tensor.float()"]);
    refused("harm_in_state_dict.pth", &["save tensors alone"]);
}

#[test]
fn nothing_in_a_file_is_run() {
    assert_refused(load("harm.pth", None, &[]), &["holds an object of posix.system", "none is called"]);
    assert_refused(
        load("harm_in_state_dict.pth", None, &[]),
        &["3.scale  -        not a tensor: an object of posix.system"],
    );
    assert!(!Path::new("HARM_WAS_DONE").exists());
}

#[test]
fn keys_and_prefixes_that_do_not_fit_are_refused_with_those_there_are() {
    assert_refused(
        load("nested.pth", Some("net"), &[]),
        &["no key `net`", "epoch, args, model, optimizer, losses"],
    );
    assert_refused(load("nested.pth", Some("epoch"), &[]), &["under the key `epoch` a number or a list"]);
    assert_refused(load("deeper.pth", Some("trainer.net"), &[]), &["no key `trainer.net`", "trainer, seed"]);
    assert_refused(
        load("state_dict.safetensors", Some("model"), &[]),
        &["no dictionary `model`", "remove `key`"],
    );
    assert_refused(
        load("state_dict.pth", None, &["module."]),
        &["no name that begins with \"module.\"", "0.weight"],
    );
    let message = load("data_parallel.pth", None, &[]).unwrap_err().to_string();
    assert!(message.contains("module.0.weight        -        [4, 3]"), "{message}");
    assert!(message.contains("strip_prefix = \"module.\""), "{message}");
}
