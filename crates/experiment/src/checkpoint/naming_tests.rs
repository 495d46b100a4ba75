//! Files with other names or transposed matrices: the keys that the error message proposes load
//! them.

use std::{collections::BTreeMap, path::PathBuf};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Random, Registry, registry::Environment};
use eigenscape_program::Network;
use tempfile::TempDir;

use super::*;

/// A network with weights, and the tensors of a file for it.
struct Case {
    network: Network,
    weights: Weights,
    folder: TempDir,
    tensors: BTreeMap<String, Tensor>,
}

impl Case {
    fn new(name: &str, keys: &str, sample: &[usize], outputs: usize) -> Self {
        let mut registry = Registry::default();
        eigenscape_architectures::register(&mut registry);
        let built =
            registry.architectures.build(name, toml::from_str(keys).unwrap(), &Environment::default());
        let Ok(built) = built else { panic!("{keys} is no network") };
        let network = Network::new(sample, move |scope, x| built.plugin.build(scope, x, outputs)).unwrap();
        let mut weights = Weights::initial(&network, Random::new(1)).unwrap();
        // Biases and scales with equal values would hide an exchange.
        for (index, tensor) in weights.parameters.iter_mut().chain(&mut weights.buffers).enumerate() {
            *tensor = (tensor.ones_like().unwrap() * (1.0 + index as f64) + &*tensor).unwrap();
        }
        let declared = difference::declared(&network).map(|declared| declared.name.clone());
        let tensors = declared.zip(weights.parameters.iter().chain(&weights.buffers).cloned()).collect();
        Self { network, weights, folder: tempfile::tempdir().unwrap(), tensors }
    }

    /// Renames the file's tensors.
    fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        self.tensors = self.tensors.into_iter().map(|(key, tensor)| (name(&key), tensor)).collect();
        self
    }

    /// Transposes matrices of the file.
    fn turned(mut self, is_turned: impl Fn(&str) -> bool) -> Self {
        for (_, tensor) in self.tensors.iter_mut().filter(|(name, _)| is_turned(name)) {
            *tensor = tensor.t().unwrap().contiguous().unwrap();
        }
        self
    }

    fn with(mut self, name: &str, shape: &[usize]) -> Self {
        self.tensors.insert(name.to_owned(), Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap());
        self
    }

    fn path(&self) -> PathBuf {
        let path = self.folder.path().join("a.safetensors");
        safetensors::serialize_to_file(&self.tensors, None, &path).unwrap();
        path
    }

    /// Loads the file with these keys added to [model.checkpoint].
    fn load(&self, keys: &str) -> Result<Loaded> {
        let words = |value: &toml::Value| -> Vec<String> {
            let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let table: toml::Table = toml::from_str(keys).unwrap();
        let mut selection = Selection { path: self.path(), ..Selection::default() };
        for (key, value) in &table {
            match key.as_str() {
                "strip_prefix" => selection.strip_prefix = words(value),
                "transpose" => selection.transpose = words(value),
                "rename" => {
                    let pairs = value.as_table().unwrap().iter();
                    let pair = |(from, to): (&String, &toml::Value)| Rename::new(from, to.as_str().unwrap());
                    selection.rename = pairs.map(pair).collect::<std::result::Result<_, _>>().unwrap();
                }
                other => panic!("the message proposes {other}"),
            }
        }
        load(&selection, &self.network)
    }

    fn assert_is_right(&self, loaded: &Loaded) {
        let bits = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let ours = self.weights.parameters.iter().chain(&self.weights.buffers);
        for (ours, theirs) in ours.zip(loaded.weights.parameters.iter().chain(&loaded.weights.buffers)) {
            assert_eq!((ours.dims(), bits(ours)), (theirs.dims(), bits(theirs)));
        }
    }

    /// Asserts that the keys `given` are refused, and that the message proposes the keys
    /// `proposed`, which load the file correctly. Returns the message.
    fn assert_proposed(&self, given: &str, proposed: &str) -> String {
        let message = self.load(given).unwrap_err().to_string();
        let (_, keys) =
            message.split_once("\n  [model.checkpoint]\n").unwrap_or_else(|| panic!("no keys in {message}"));
        let (path, keys) = keys.split_once('\n').unwrap_or((keys, ""));
        assert!(path.starts_with("  path = \"") && path.ends_with("a.safetensors\""), "{path}");
        let keys: Vec<&str> = keys.lines().take_while(|line| line.starts_with("  ")).map(str::trim).collect();
        assert_eq!(keys.join("\n"), proposed, "{message}");
        self.assert_is_right(&self.load(&keys.join("\n").replace("[model.checkpoint.", "[")).unwrap());
        message
    }
}

const CONV1D: &str = r#"transpose = ["*.c_attn.weight", "*.c_proj.weight", "*.c_fc.weight"]"#;

fn is_conv1d(name: &str) -> bool {
    ["c_attn.weight", "c_proj.weight", "c_fc.weight"].iter().any(|ending| name.ends_with(ending))
}

/// GPT-2 as Hugging Face's library saves it.
fn gpt2() -> Case {
    let case =
        Case::new("gpt", "n_layer = 2\nn_head = 2\nn_embd = 4\ngelu = 'tanh'", &[5], 7).turned(is_conv1d);
    let case =
        case.with("transformer.h.0.attn.bias", &[1, 1, 5, 5]).with("transformer.h.0.attn.masked_bias", &[]);
    case.with("transformer.h.1.attn.bias", &[1, 1, 5, 5])
}

#[test]
fn all_matrices_of_gpt2_are_named_the_square_one_too() {
    let message = gpt2().assert_proposed("", CONV1D);
    for text in ["Hugging Face's GPT-2", "[12, 4]", "transformer.h.0.attn.c_proj.weight", "square"] {
        assert!(message.contains(text), "no {text} in {message}");
    }
    // Listing only the matrices that are identified by shape is refused.
    gpt2().assert_proposed(r#"transpose = ["*.c_attn.weight"]"#, CONV1D);
    let half = r#"transpose = ["*.c_attn.weight", "*.mlp.*.weight"]"#;
    let message = gpt2().load(half).unwrap_err().to_string();
    assert!(
        message.contains("h.0.attn.c_proj.weight") && message.contains("\"*.c_proj.weight\""),
        "{message}"
    );
    let message = gpt2().load(r#"transpose = ["*.c_*.weight", "*.wte.weight"]"#).unwrap_err().to_string();
    assert!(
        message.contains("remove from `transpose` what fits as it is stored: transformer.wte.weight"),
        "{message}"
    );
    // A file of nanoGPT with only the square matrix transposed is refused, too.
    let nano = Case::new("gpt", "n_layer = 1\nn_head = 2\nn_embd = 4", &[5], 7);
    let message = nano.load(r#"transpose = ["*.attn.c_proj.weight"]"#).unwrap_err().to_string();
    assert!(message.contains("take it out of `transpose`"), "{message}");
    nano.assert_is_right(&nano.load("").unwrap());
}

#[test]
fn a_file_without_the_models_prefix_is_given_it() {
    let hub = gpt2().renamed(|name| name.replace("transformer.", ""));
    hub.assert_proposed("", &format!("{CONV1D}\nrename = {{ \"*\" = \"transformer.*\" }}"));
    let both = gpt2().renamed(|name| format!("module.{name}"));
    both.assert_proposed("", &format!("{CONV1D}\nstrip_prefix = \"module.\""));
}

#[test]
fn a_rename_of_names_that_fit_as_they_are_is_taken_out() {
    let message = gpt2().assert_proposed(r#"rename = { "*" = "transformer.*" }"#, CONV1D);
    // However many are missing, some of the file's names are shown.
    for text in ["remove `rename`", "transformer.transformer.h.0.attn.c_attn.bias", "  and "] {
        assert!(message.contains(text), "no {text} in {message}");
    }
    let deeper = Case::new("gpt", "n_layer = 3\nn_head = 2\nn_embd = 4\ngelu = 'tanh'", &[5], 7);
    let deeper = Case { tensors: gpt2().tensors.clone(), ..deeper };
    let message = deeper.load(r#"rename = { "*" = "transformer.*" }"#).unwrap_err().to_string();
    for text in ["remove `rename`", CONV1D, "depends on the settings in [model]: transformer.h.2"] {
        assert!(message.contains(text), "no {text} in {message}");
    }
    let plain = Case::new("gpt", "n_layer = 2\nn_head = 2\nn_embd = 4", &[5], 7);
    plain.assert_proposed(r#"rename = { "*" = "transformer.*" }"#, "");
}

#[test]
fn what_does_not_fit_after_all_is_said_with_what_does() {
    let longer = gpt2();
    let case =
        Case::new("gpt", "n_layer = 2\nn_head = 2\nn_embd = 4\nblock_size = 9", &[5], 7).turned(is_conv1d);
    let case = Case { tensors: longer.tensors.clone(), ..case };
    let message = case.load("").unwrap_err().to_string();
    assert!(message.contains(CONV1D), "{message}");
    assert!(message.contains("transformer.wpe.weight (network [9, 4], file [5, 4])"), "{message}");
}

const LAYERS: &str = r#"layers = [
    { op = "linear", out = 4 }, { op = "batch_norm1d" }, { op = "relu" }, { op = "linear", out = 4 }, { op = "relu" },
    { op = "linear", out = 2 },
]"#;

/// A file as a user's own PyTorch class saves it.
fn own(names: [&str; 4]) -> Case {
    let case = Case::new("sequential", LAYERS, &[3], 2).renamed(|name| {
        let (module, leaf) = name.split_once('.').unwrap();
        let places = ["0", "1", "3", "5"];
        let place = places.iter().position(|place| *place == module).unwrap();
        format!("{}.{leaf}", names[place])
    });
    case.with(&format!("{}.num_batches_tracked", names[1]), &[])
}

#[test]
fn modules_of_other_names_are_found_by_their_shapes() {
    let table = "[model.checkpoint.rename]\n\"fc1.*\" = \"0.*\"\n\"bn.*\" = \"1.*\"\n\"fc2.*\" = \"3.*\"\n\"out.*\" = \"5.*\"";
    own(["fc1", "bn", "fc2", "out"]).assert_proposed("", table);
    // With some renames given, the message proposes the others.
    own(["fc1", "bn", "fc2", "out"]).assert_proposed(r#"rename = { "fc1.*" = "0.*" }"#, table);
    let long = own(["encoder.first_linear", "encoder.normalisation", "encoder.second_linear", "decoder"]);
    long.assert_proposed(
        "",
        "[model.checkpoint.rename]
\"encoder.first_linear.*\" = \"0.*\"
\"encoder.normalisation.*\" = \"1.*\"
\"encoder.second_linear.*\" = \"3.*\"
\"decoder.*\" = \"5.*\"",
    );
}

#[test]
fn what_shapes_do_not_tell_is_said() {
    let layers =
        r#"layers = [{ op = "linear", out = 3 }, { op = "linear", out = 3 }, { op = "linear", out = 2 }]"#;
    let case = |names: [&'static str; 3]| {
        Case::new("sequential", layers, &[3], 2).renamed(move |name| {
            let (module, leaf) = name.split_once('.').unwrap();
            format!("{}.{leaf}", names[module.parse::<usize>().unwrap()])
        })
    };
    let message = case(["fc1", "fc2", "fc3"])
        .assert_proposed("", "rename = { \"fc1.*\" = \"0.*\", \"fc2.*\" = \"1.*\", \"fc3.*\" = \"2.*\" }");
    assert!(message.contains("fc1, fc2 have equal shapes and are taken in order"), "{message}");
    // Neither a safetensors file nor these names define an order.
    let message = case(["inner", "outer", "head"]).load("").unwrap_err().to_string();
    assert!(message.contains("which modules inner, outer are"), "{message}");
    assert!(message.contains("\"head.*\" = \"2.*\""), "{message}");
    assert!(message.contains("0.weight (network [3, 3], file -)"), "{message}");
}

#[test]
fn square_matrices_are_not_guessed_in_silence() {
    let layers =
        r#"layers = [{ op = "linear", out = 4 }, { op = "linear", out = 4 }, { op = "linear", out = 2 }]"#;
    let case = || Case::new("sequential", layers, &[3], 2).turned(|name| name.ends_with("weight"));
    let message = case().assert_proposed("", r#"transpose = ["0.weight", "1.weight", "2.weight"]"#);
    assert!(message.contains("1.weight, square, so that the shape does not show it"), "{message}");
    let notes = case().load(r#"transpose = ["0.weight", "2.weight"]"#).unwrap().notes;
    assert!(notes[0].contains("1.weight taken to be stored as PyTorch does"), "{notes:?}");
    assert!(case().load(r#"transpose = ["*.weight"]"#).unwrap().notes.is_empty());
    let upright = Case::new("sequential", layers, &[3], 2);
    let notes = upright.load(r#"transpose = ["1.weight"]"#).unwrap().notes;
    assert!(notes[0].contains("1.weight taken to be stored the other way round"), "{notes:?}");
}

#[test]
fn what_fits_nothing_or_too_much_is_refused_with_a_remedy() {
    let case = || own(["fc1", "bn", "fc2", "out"]);
    for (keys, texts) in [
        (r#"rename = { "fc9.*" = "0.*" }"#, &["no name that matches \"fc9.*\" in `rename`", "bn.bias"][..]),
        (r#"rename = { "fc1.weigth" = "0.weight" }"#, &["did you mean \"fc1.weight\"?"]),
        (r#"rename = { "0.*" = "fc1.*" }"#, &["names in the file to the left", "\"fc1.*\" = \"0.*\""]),
        (
            r#"rename = { "fc1.weight" = "0.weight", "out.weight" = "0.weight" }"#,
            &["`rename` makes 0.weight of fc1.weight and of out.weight"],
        ),
        (r#"rename = { "fc1.*" = "out.*" }"#, &["makes out.bias of fc1.bias and of out.bias"]),
        (r#"rename = { "fc1.*" = "0.*", "*.weight" = "1.*" }"#, &["help"]),
        (
            r#"transpose = ["fc9.weight"]"#,
            &["no name that matches \"fc9.weight\" in `transpose`", "did you mean"],
        ),
        (r#"transpose = ["fc1.*"]"#, &["matches fc1.bias, which is [4] and not a matrix"]),
    ] {
        let message = case().load(keys).unwrap_err().to_string();
        for text in texts {
            assert!(message.contains(text), "no {text:?} in {message}");
        }
    }
    let parallel = case().renamed(|name| format!("module.{name}"));
    let message = parallel.load(r#"rename = { "fc1.*" = "0.*" }"#).unwrap_err().to_string();
    assert!(message.contains(r#"add strip_prefix = "module.""#), "{message}");
}

#[test]
fn names_to_transpose_are_the_files_or_else_the_networks() {
    let case = own(["fc1", "bn", "fc2", "out"]).turned(|name| name == "fc1.weight");
    let rename = r#"rename = { "fc1.*" = "0.*", "bn.*" = "1.*", "fc2.*" = "3.*", "out.*" = "5.*" }"#;
    for name in ["fc1.weight", "0.weight", "fc1.w*"] {
        case.assert_is_right(&case.load(&format!("{rename}\ntranspose = [\"{name}\"]")).unwrap());
    }
}

/// Keras and Flax save linear layers as \[in, out\], under their own names.
#[test]
fn kernels_are_renamed_and_turned() {
    let case = |inputs: usize, layers: &str| {
        let case = Case::new("sequential", layers, &[inputs], 4).turned(|name| name.ends_with("weight"));
        case.renamed(|name| {
            let (module, leaf) = name.split_once('.').unwrap();
            let module = module.parse::<usize>().unwrap() + 1;
            format!("fc{module}.{}", leaf.replace("weight", "kernel"))
        })
    };
    let layers =
        r#"layers = [{ op = "linear", out = 4 }, { op = "linear", out = 3 }, { op = "linear", out = 4 }]"#;
    let rename = "[model.checkpoint.rename]
\"fc1.bias\" = \"0.bias\"
\"fc1.kernel\" = \"0.weight\"
\"fc2.bias\" = \"1.bias\"
\"fc2.kernel\" = \"1.weight\"
\"fc3.bias\" = \"2.bias\"
\"fc3.kernel\" = \"2.weight\"";
    let transpose = "transpose = [\"fc1.kernel\", \"fc2.kernel\", \"fc3.kernel\"]";
    case(4, layers).assert_proposed("", &format!("{transpose}\n{rename}"));
    // For square matrices only the name shows the orientation.
    let one = case(4, r#"layers = [{ op = "linear", out = 4 }]"#);
    let rename = "rename = { \"fc1.bias\" = \"0.bias\", \"fc1.kernel\" = \"0.weight\" }";
    one.assert_proposed("", &format!("transpose = [\"fc1.kernel\"]\n{rename}"));
    let notes = one.load(rename).unwrap().notes;
    assert!(notes[0].contains("fc1.kernel, square") && notes[0].contains("Keras"), "{notes:?}");
}

/// A file of GPT-2 does not record its GELU: with the exact form, the same weights are another
/// network.
#[test]
fn the_exact_gelu_under_gpt2s_weights_is_a_warning() {
    let warnings = |case: Case, keys: &str| case.load(keys).unwrap().warnings;
    assert!(warnings(gpt2(), CONV1D).is_empty());
    let exact = || Case::new("gpt", "n_layer = 2\nn_head = 2\nn_embd = 4", &[5], 7);
    let [warning] = warnings(exact().turned(is_conv1d), CONV1D).try_into().unwrap();
    assert!(warning.contains("add gelu = \"tanh\" to [model]"), "{warning}");
    // nanoGPT's linear layers have the same names, but use the exact GELU.
    assert!(warnings(exact(), "").is_empty());
}
