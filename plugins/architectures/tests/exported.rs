//! What a network from a file is: names, modules, groups, outputs, modes; and what is said of files
//! that cannot be used.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../../crates/experiment/tests/archives/mod.rs"]
mod archives;

use std::path::{Path, PathBuf};

use archives::{pack, unpack};
use eigenscape_architectures::exported::{Exported, Output};
use eigenscape_core::{Architecture, GroupSelector};
use eigenscape_program::{Mode, Network};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/exported")
}

fn contents(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.pt2"))).unwrap()
}

fn exported(name: &str) -> Exported {
    Exported::parse(Path::new("net.pt2"), &contents(name), None).unwrap()
}

fn network(name: &str, shape: &[usize]) -> Network {
    let exported = exported(name);
    Network::new(shape, move |scope, x| exported.build(scope, x, 1)).unwrap()
}

/// The file with a part of its graph's text replaced everywhere.
fn changed(name: &str, from: &str, to: &str) -> Vec<u8> {
    let mut entries = unpack(&contents(name));
    let graph = &mut entries.iter_mut().find(|(name, _)| name.ends_with("model.json")).unwrap().1;
    let text = String::from_utf8(graph.clone()).unwrap();
    assert!(text.contains(from), "{from}");
    *graph = text.replace(from, to).into_bytes();
    pack(&entries)
}

fn refusal(file: &[u8], output: Option<&Output>) -> String {
    match Exported::parse(Path::new("net.pt2"), file, output) {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    }
}

fn assert_contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn shared_and_frozen_parameters_are_what_they_are_in_pytorch() {
    // Tokens [4] and weights [4] of an example, one after the other.
    let network = network("tied", &[8]);
    let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["wte.weight", "body.weight", "body.bias", "fixed.weight", "fixed.bias"]);
    assert_eq!(network.aliases(), [("head.weight".to_owned(), "wte.weight".to_owned())]);
    let frozen: Vec<bool> = network.parameters().iter().map(|p| p.frozen).collect();
    assert_eq!(frozen, [false, false, false, true, true]);
    let groups = |word: &str| -> Vec<(String, usize)> {
        let groups = GroupSelector::from(word).resolve(&network, 3).unwrap();
        groups.into_iter().map(|group| (group.name, group.dimension)).collect()
    };
    assert_eq!(groups("full"), [("full".to_owned(), 66 + 42)]);
    assert_eq!(groups("layers").len(), 2);
    assert_eq!(groups("modules"), [("wte".to_owned(), 66), ("body".to_owned(), 42)]);
    assert_eq!(groups("fixed.*"), [("fixed.*".to_owned(), 42)]);
}

/// Versions of PyTorch with files in `versions`, from all of which networks are the same.
const VERSIONS: [&str; 9] = ["2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13", "2.14"];

#[test]
fn files_of_older_versions_have_the_same_names() {
    for version in VERSIONS {
        let network = network(&format!("versions/torch-{version}-convolutions"), &[2, 6, 6]);
        let parameters = network.parameters().iter();
        let names: Vec<(&str, bool)> = parameters.map(|p| (p.name.as_str(), p.frozen)).collect();
        let expected = [
            ("conv.weight", false),
            ("norm.weight", false),
            ("norm.bias", false),
            ("frozen.weight", true),
            ("frozen.bias", true),
            ("body.weight", false),
            ("body.bias", false),
            ("head.bias", false),
        ];
        assert_eq!(names, expected, "{version}");
        assert_eq!(network.aliases(), [("head.weight".to_owned(), "body.weight".to_owned())], "{version}");
        let buffers: Vec<&str> = network.buffers().iter().map(|b| b.name.as_str()).collect();
        assert_eq!(buffers, ["norm.running_mean", "norm.running_var"], "{version}");
        let trained = network.in_mode(Mode::Train).unwrap();
        assert_eq!((trained.mixes_samples(), trained.masks().len()), (Some("norm"), 1), "{version}");
    }
}

#[test]
fn files_of_older_versions_have_the_same_modules_inputs_and_results() {
    for version in VERSIONS {
        let name = format!("versions/torch-{version}-sequences");
        let network = network(&name, &[10]);
        let activations = network.activations().unwrap();
        let modules: Vec<&str> = activations.iter().map(|(module, _)| module.as_str()).collect();
        assert_eq!(modules, ["wte", "norm", "attention", "up", "down", "rnn", "head"], "{version}");
        let exported = exported(&name);
        assert_contains(&exported.description(), &[&format!("PyTorch {version}.")]);
        let inputs: Vec<(&str, &[Option<usize>])> =
            exported.inputs().iter().map(|input| (input.name.as_str(), input.shape.as_slice())).collect();
        assert_eq!(inputs, [("tokens", &[Some(5)][..]), ("weights", &[Some(5)])], "{version}");
        for result in ["logits", "states"] {
            assert_eq!(refusal(&contents(&name), Some(&result.into())), "", "{version}");
        }
    }
}

#[test]
fn modules_have_activations() {
    let modules: Vec<String> =
        network("mobilenet", &[3, 8, 8]).activations().unwrap().into_iter().map(|(name, _)| name).collect();
    for module in ["0", "1", "2", "6", "6.down", "12", "13"] {
        assert!(modules.iter().any(|name| name == module), "no {module} in {modules:?}");
    }
}

#[test]
fn the_mode_is_that_of_the_probe() {
    // Exported in train mode.
    let network = network("trained", &[2, 8]);
    assert!(network.mixes_samples().is_none() && network.masks().is_empty());
    let trained = network.in_mode(Mode::Train).unwrap();
    assert_eq!(trained.mixes_samples(), Some("1"));
    assert_eq!((trained.masks()[0].module.as_str(), trained.masks()[0].keep), ("3", 0.5));
    let buffers: Vec<&str> = network.buffers().iter().map(|b| b.name.as_str()).collect();
    assert_eq!(buffers, ["1.running_mean", "1.running_var"]);
    assert_eq!(network.unused(), ["1.num_batches_tracked"]);
}

#[test]
fn inputs_and_weights_have_pytorchs_names() {
    let exported = exported("tied");
    let inputs: Vec<(&str, &[Option<usize>])> =
        exported.inputs().iter().map(|input| (input.name.as_str(), input.shape.as_slice())).collect();
    assert_eq!(inputs, [("tokens", &[Some(4)][..]), ("weights", &[Some(4)])]);
    let weights = exported.weights().unwrap();
    assert_eq!(weights["wte.weight"].dims(), [11, 6]);
    assert!(!weights.contains_key("head.weight"));
}

#[test]
fn an_example_of_another_shape_is_refused() {
    let exported = exported("mobilenet");
    let error = Network::new(&[1, 8, 8], move |scope, x| exported.build(scope, x, 1)).err().unwrap();
    assert_contains(&error.to_string(), &["exported for samples of shape [3, 8, 8]", "these are [1, 8, 8]"]);
}

#[test]
fn an_open_size_is_that_of_the_data_within_its_range() {
    let built = |length: usize| {
        let exported = exported("lengths");
        Network::new(&[2, length], move |scope, x| exported.build(scope, x, 1))
    };
    assert!([4, 7, 64].into_iter().all(|length| built(length).is_ok()));
    for length in [3, 65] {
        let message = built(length).err().unwrap().to_string();
        let size = format!("`x` has the size {length} along its axis 2");
        assert_contains(&message, &[&size, "exported for sizes from 4 to 64", "torch.export.Dim"]);
    }
}

#[test]
fn a_graph_of_a_fixed_number_that_is_not_found_again_says_how_to_export_it() {
    // Three samples, in a place where it may be anything.
    let file = changed("fixed", r#"{"as_ints":[3,2,4]}"#, r#"{"as_ints":[2,3,4]}"#);
    let exported = Exported::parse(Path::new("net.pt2"), &file, None).unwrap();
    let error = Network::new(&[12], move |scope, x| exported.build(scope, x, 1)).err().unwrap();
    let line = r#"dynamic_shapes={"x": {0: torch.export.Dim("batch")}}"#;
    assert_contains(&error.to_string(), &["aten.view", "exported for 3 samples alone", line]);
}

#[test]
fn a_factor_that_may_be_the_fixed_number_of_samples_is_refused() {
    let built = |factor: &str| {
        let other = format!(r#""other","arg":{{"as_int":{factor}}}"#);
        let file = changed("fixed", r#""other","arg":{"as_tensor":{"name":"ones"}}"#, &other);
        let exported = Exported::parse(Path::new("net.pt2"), &file, None).unwrap();
        Network::new(&[12], move |scope, x| exported.build(scope, x, 1))
    };
    assert!(built("4").is_ok());
    let message = built("3").err().unwrap().to_string();
    assert_contains(&message, &["aten.mul", "its factor 3 may be the number of samples", "torch.export.Dim"]);
}

#[test]
fn constants_larger_than_file_and_inputs_suggest_are_refused_with_a_remedy() {
    let file = changed("fixed", r#""end","arg":{"as_int":3}"#, r#""end","arg":{"as_int":9000000}"#);
    let exported = Exported::parse(Path::new("net.pt2"), &file, None).unwrap();
    let error = Network::new(&[12], move |scope, x| exported.build(scope, x, 1)).err().unwrap();
    assert_contains(
        &error.to_string(),
        &["aten.arange", "[9000000] is too large for this file", "register_buffer"],
    );
}

#[test]
fn all_operations_that_are_not_known_are_named_at_once() {
    let file = changed("mobilenet", "torch.ops.aten.silu_.default", "torch.ops.aten.special_i0.default");
    let text = changed("mobilenet", "torch.ops.aten.hardswish_.default", "torch.ops.mine.gate.default");
    assert_contains(
        &refusal(&file, None),
        &["torch.ops.aten.special_i0.default: 1 in 9", "run_decompositions()"],
    );
    assert_contains(&refusal(&text, None), &["torch.ops.mine.gate.default: 1 in 2"]);
}

#[test]
fn an_output_is_chosen_by_name_or_number() {
    let file = contents("own_loss");
    let parse = |output: Output| refusal(&file, Some(&output));
    assert_eq!(parse(Output::Number(0)), "");
    assert_eq!(parse("squeeze".into()), "");
    assert_contains(&parse(Output::Number(1)), &["no output 1", "`output` in [model]", "0 (squeeze)"]);
    assert_contains(&parse("logits".into()), &["no output \"logits\""]);
}

#[test]
fn files_of_other_kinds_are_refused_with_a_remedy() {
    let of = |file: &[u8]| refusal(file, None);
    assert_contains(&of(b"not an archive"), &["net.pt2", "not a complete zip archive", "torch.export.save"]);
    let mut entries = unpack(&contents("own_loss"));
    entries.retain(|(name, _)| !name.ends_with("model.json"));
    assert_contains(&of(&pack(&entries)), &["without a graph"]);
    let version = changed("trained", r#""schema_version":{"major":8"#, r#""schema_version":{"major":9"#);
    assert_contains(&of(&version), &["version 9 of the graph's schema"]);
    let mut entries = unpack(&contents("own_loss"));
    entries.retain(|(name, _)| !name.ends_with("weights/weight_0"));
    assert_contains(&of(&pack(&entries)), &["does not lie in its entry"]);
    let cut = contents("own_loss");
    assert!(!of(&cut[..cut.len() / 2]).is_empty());
}

#[test]
fn views_by_strides_stay_within_the_elements_of_a_contiguous_tensor() {
    let refused = |from: &str, to: &str| {
        let exported = Exported::parse(Path::new("net.pt2"), &changed("strided", from, to), None).unwrap();
        Network::new(&[6], move |scope, x| exported.build(scope, x, 1)).err().unwrap().to_string()
    };
    let beyond = refused(r#""as_ints":[24,5]"#, r#""as_ints":[60,5]"#);
    assert_contains(&beyond, &["aten.as_strided", "reaches beyond the elements"]);
    let huge = refused(r#""as_ints":[24,5]"#, r#""as_ints":[9223372036854775807,9223372036854775807]"#);
    assert_contains(&huge, &["reaches beyond the elements"]);
    let before = refused(r#""as_int":7"#, r#""as_int":-1"#);
    assert_contains(&before, &["begins before the elements"]);
    let layout = r#""strides":[{"as_int":12},{"as_int":1}]"#;
    let turned = refused(layout, r#""strides":[{"as_int":1},{"as_int":6}]"#);
    assert_contains(&turned, &["is of a tensor that is not contiguous", ".contiguous()"]);
}

#[test]
fn weights_of_cells_are_layers() {
    let groups = GroupSelector::from("layers").resolve(&network("cells", &[3, 3]), 2).unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let modules = ["lstm", "bare", "gru", "plain", "tanh", "relu"];
    let expected =
        modules.map(|module| ["weight_ih", "weight_hh"].map(|weight| format!("{module}.{weight}")));
    assert_eq!(names, expected.concat());
}

#[test]
fn bags_need_known_offsets_in_order() {
    let refused = |name: &str| {
        let offsets = |name: &str| format!(r#""name":"offsets","arg":{{"as_tensor":{{"name":"{name}"}}}}"#);
        let file = changed("bags", &offsets("b_offsets"), &offsets(name));
        let exported = Exported::parse(Path::new("net.pt2"), &file, None).unwrap();
        Network::new(&[4], move |scope, x| exported.build(scope, x, 1)).err().unwrap().to_string()
    };
    assert_contains(&refused("b_list"), &["aten.embedding_bag", "its offsets are not those of bags"]);
    assert_contains(&refused("tokens"), &["its offsets depend on the inputs", "as a matrix"]);
}
