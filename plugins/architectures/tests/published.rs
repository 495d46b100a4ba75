//! Compares every architecture with the published model: sizes, names, shapes, initialisation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::collections::BTreeSet;

use common::{architecture, network, registry};
use eigenscape_core::registry::{Environment, PluginError};
use eigenscape_program::{Init, Mode, Network, Parameter};

/// Where a model's numbers come from.
///
/// The counts were taken in PyTorch: for `Paper` from the modules of the paper's code
/// (`Network.construct(...)` of its models/cifar/network.py, for images of 32x32 pixels and 10
/// classes), otherwise from modules that reproduce the source.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The code published with the paper; names, shapes and the outputs for the same weights are
    /// equal.
    Paper,
    /// The paper's code without the classifier's BatchNorm: its count minus 2·2·4096, plus the two
    /// biases of 4096.
    PaperWithoutNorm,
    /// torchvision 0.x, `resnetN()`.
    Torchvision,
    /// timm, `vit_tiny_patch16_224` and `vit_small_patch16_224`.
    Timm,
    /// timm's module at another size.
    LikeTimm,
    /// nanoGPT, with the tied table counted once.
    NanoGpt,
    /// A `torch.nn.Sequential`.
    PyTorch,
}

use Source::{LikeTimm, NanoGpt, Paper, PaperWithoutNorm, PyTorch, Timm, Torchvision};

/// A model of known size.
struct Model(&'static str, &'static str, &'static [usize], usize, usize, Source);

const GREY: &[usize] = &[1, 32, 32];
const COLOUR: &[usize] = &[3, 32, 32];
const IMAGE_NET: &[usize] = &[3, 224, 224];

/// Name, settings, shape of a sample, outputs, number of parameters, source.
const MODELS: &[Model] = &[
    Model("mlp", "", GREY, 10, 132_490, PyTorch),
    Model("mlp", "widths = [5, 4]", &[1, 2, 3], 3, 74, PyTorch),
    Model("lenet", "", GREY, 10, 61_706, Paper),
    Model("lenet", "", COLOUR, 10, 62_006, Paper),
    Model("simple-mnist", "", &[1, 28, 28], 10, 315_146, Paper),
    Model("fully-connected-3", "", GREY, 10, 1_018_510, Paper),
    Model("fully-connected-3", "skip = true", COLOUR, 10, 2_042_510, Paper),
    Model("fully-connected-5", "", GREY, 10, 1_519_510, Paper),
    Model("fully-connected-5", "skip = true", COLOUR, 10, 2_543_510, Paper),
    Model("fully-connected-8", "", GREY, 10, 2_020_510, Paper),
    Model("fully-connected-8", "skip = true", COLOUR, 10, 3_044_510, Paper),
    Model("vgg11", "", GREY, 10, 28_142_858, PaperWithoutNorm),
    Model("vgg13", "", GREY, 10, 28_327_370, PaperWithoutNorm),
    Model("vgg16", "", GREY, 10, 33_637_066, PaperWithoutNorm),
    Model("vgg19", "", GREY, 10, 38_946_762, PaperWithoutNorm),
    Model("vgg11_bn", "", GREY, 10, 28_156_554, Paper),
    Model("vgg13_bn", "", GREY, 10, 28_341_450, Paper),
    Model("vgg16_bn", "", GREY, 10, 33_653_706, Paper),
    Model("vgg19_bn", "", COLOUR, 10, 38_967_114, Paper),
    Model("resnet18", "", GREY, 10, 11_172_810, Paper),
    Model("resnet34", "", COLOUR, 10, 21_282_122, Paper),
    Model("resnet50", "", COLOUR, 10, 23_520_842, Paper),
    Model("resnet101", "", COLOUR, 10, 42_512_970, Paper),
    Model("resnet152", "", COLOUR, 10, 58_156_618, Paper),
    Model("resnet18", "", IMAGE_NET, 1000, 11_689_512, Torchvision),
    Model("resnet34", "", IMAGE_NET, 1000, 21_797_672, Torchvision),
    Model("resnet50", "", IMAGE_NET, 1000, 25_557_032, Torchvision),
    Model("resnet101", "", IMAGE_NET, 1000, 44_549_160, Torchvision),
    Model("resnet152", "", IMAGE_NET, 1000, 60_192_808, Torchvision),
    Model("densenet3-40", "", GREY, 10, 1_058_866, Paper),
    Model("densenet3-40", "", COLOUR, 10, 1_059_298, Paper),
    Model("mobilenet", "", GREY, 10, 3_216_650, Paper),
    Model("mobilenet", "", COLOUR, 10, 3_217_226, Paper),
    Model("vit-tiny", "", IMAGE_NET, 1000, 5_717_416, Timm),
    Model("vit-small", "", IMAGE_NET, 1000, 22_050_664, Timm),
    Model("vit-tiny", "", COLOUR, 10, 5_362_762, LikeTimm),
    Model("vit-tiny", "depth = 6", COLOUR, 10, 2_693_578, LikeTimm),
    Model("vit-small", "patch = 4", GREY, 10, 21_330_058, LikeTimm),
    Model("gpt", "", &[1024], 50_257, 124_439_808, NanoGpt),
    Model("gpt", "n_layer = 4\nn_head = 4\nn_embd = 128\nbias = false", &[64], 65, 804_096, NanoGpt),
];

#[test]
fn every_model_has_the_published_size() {
    for Model(name, settings, sample, outputs, parameters, source) in MODELS {
        let network = network(name, settings, sample, *outputs, Mode::Eval);
        assert_eq!(network.dimension(), *parameters, "{name} {settings} on {sample:?} ({source:?})");
        let shape = match source {
            NanoGpt => [sample, [*outputs].as_slice()].concat(),
            _ => vec![*outputs],
        };
        assert_eq!(network.output_shape(), shape, "{name} {settings} on {sample:?}");
    }
}

#[test]
fn no_architecture_is_missing_from_the_tables() {
    let sized: BTreeSet<&str> = MODELS.iter().map(|model| model.0).collect();
    let known: BTreeSet<&str> = NAMES.iter().map(|(name, ..)| *name).collect();
    // These two are what a file says.
    let in_files = ["sequential", "exported"];
    for (name, _) in registry().architectures.iter().filter(|(name, _)| !in_files.contains(name)) {
        assert!(sized.contains(name) && known.contains(name), "{name}");
    }
}

/// Name, settings, shape of a sample, and some tensors in the order of declaration, including the
/// first and the last: PyTorch's name, shape and initialisation.
type Named =
    (&'static str, &'static str, &'static [usize], &'static [(&'static str, &'static [usize], Init)]);

const ONES: Init = Init::Ones;
const ZEROS: Init = Init::Zeros;

/// PyTorch's default initialisation for the fan-in root²: uniform between ±1/root.
const fn within(root: f64) -> Init {
    Init::Uniform { bound: 1.0 / root }
}

const fn normal(std: f64) -> Init {
    Init::Normal { std }
}

/// Standard deviations √(2/n) for a fan-out n.
const HE_576: Init = normal(0.058_925_565_098_878_96);
const HE_4608: Init = normal(0.020_833_333_333_333_332);
const HE_512: Init = normal(0.062_5);
const HE_3136: Init = normal(0.025_253_813_613_805_27);
const HE_256: Init = normal(0.088_388_347_648_318_44);
const HE_216: Init = normal(0.096_225_044_864_937_63);
const HE_108: Init = normal(0.136_082_763_487_954_34);
const HE_168: Init = normal(0.109_108_945_117_996_2);
const TRUNCATED: Init = Init::TruncatedNormal { std: 0.02, bound: 2.0 };
/// 0.02/√(2·12) and 0.02/√(2·4).
const GPT2_RESIDUAL: Init = normal(0.004_082_482_904_638_63);
const GPT4_RESIDUAL: Init = normal(0.007_071_067_811_865_475);

const VGG_ENDS: (Init, Init) = (normal(0.01), ZEROS);

const NAMES: &[Named] = &[
    (
        "mlp",
        "widths = [16]",
        &[1, 2, 8],
        &[
            ("0.weight", &[16, 16], within(4.0)),
            ("0.bias", &[16], within(4.0)),
            ("2.weight", &[10, 16], within(4.0)),
            ("2.bias", &[10], within(4.0)),
        ],
    ),
    (
        "lenet",
        "",
        GREY,
        &[
            ("conv1.weight", &[6, 1, 5, 5], within(5.0)),
            ("conv1.bias", &[6], within(5.0)),
            ("conv2.weight", &[16, 6, 5, 5], within(12.247_448_713_915_89)),
            ("fc1.weight", &[120, 400], within(20.0)),
            ("fc1.bias", &[120], within(20.0)),
            ("fc3.bias", &[10], within(9.165_151_389_911_68)),
        ],
    ),
    (
        "simple-mnist",
        "",
        &[1, 28, 28],
        &[
            ("conv1.weight", &[32, 1, 3, 3], within(3.0)),
            ("conv1.bias", &[32], within(3.0)),
            ("conv2.weight", &[64, 32, 3, 3], within(16.970_562_748_477_14)),
            ("conv2.bias", &[64], within(16.970_562_748_477_14)),
            ("lin3.weight", &[128, 2304], within(48.0)),
            ("lin4.weight", &[10, 128], within(11.313_708_498_984_76)),
            ("lin4.bias", &[10], within(11.313_708_498_984_76)),
        ],
    ),
    ("fully-connected-3", "", GREY, FULLY_CONNECTED),
    ("fully-connected-5", "skip = true", GREY, FULLY_CONNECTED),
    (
        "fully-connected-8",
        "width = 25",
        GREY,
        &[
            ("layers.init.weight", &[25, 1024], within(32.0)),
            ("layers.hidden2.lin.2.weight", &[25, 25], within(5.0)),
            ("layers.hidden2.lin.2.bias", &[25], within(5.0)),
            ("layers.last.weight", &[10, 25], within(5.0)),
            ("layers.last.bias", &[10], within(5.0)),
        ],
    ),
    (
        "vgg11",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.0.bias", &[64], ZEROS),
            ("features.18.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.0.weight", &[4096, 512], VGG_ENDS.0),
            ("classifier.0.bias", &[4096], VGG_ENDS.1),
            ("classifier.3.weight", &[4096, 4096], VGG_ENDS.0),
            ("classifier.3.bias", &[4096], VGG_ENDS.1),
            ("classifier.6.weight", &[10, 4096], VGG_ENDS.0),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg13",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.22.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg16",
        "",
        COLOUR,
        &[
            ("features.0.weight", &[64, 3, 3, 3], HE_576),
            ("features.28.weight", &[512, 512, 3, 3], HE_4608),
            ("features.28.bias", &[512], ZEROS),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg19",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.34.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg11_bn",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.0.bias", &[64], ZEROS),
            ("features.1.weight", &[64], ONES),
            ("features.1.bias", &[64], ZEROS),
            ("features.25.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.0.weight", &[4096, 512], VGG_ENDS.0),
            ("classifier.1.weight", &[4096], ONES),
            ("classifier.3.weight", &[4096, 4096], VGG_ENDS.0),
            ("classifier.4.bias", &[4096], ZEROS),
            ("classifier.6.weight", &[10, 4096], VGG_ENDS.0),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg13_bn",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.31.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg16_bn",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.40.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "vgg19_bn",
        "",
        GREY,
        &[
            ("features.0.weight", &[64, 1, 3, 3], HE_576),
            ("features.49.weight", &[512, 512, 3, 3], HE_4608),
            ("classifier.6.bias", &[10], VGG_ENDS.1),
        ],
    ),
    (
        "resnet18",
        "",
        COLOUR,
        &[
            ("conv1.weight", &[64, 3, 3, 3], HE_576),
            ("bn1.weight", &[64], ONES),
            ("bn1.bias", &[64], ZEROS),
            ("layer1.0.conv1.weight", &[64, 64, 3, 3], HE_576),
            ("layer3.0.downsample.0.weight", &[256, 128, 1, 1], HE_256),
            ("layer3.0.downsample.1.weight", &[256], ONES),
            ("layer4.1.bn2.bias", &[512], ZEROS),
            ("fc.weight", &[10, 512], within(22.627_416_997_969_522)),
            ("fc.bias", &[10], within(22.627_416_997_969_522)),
        ],
    ),
    (
        "resnet34",
        "",
        COLOUR,
        &[
            ("conv1.weight", &[64, 3, 3, 3], HE_576),
            ("layer3.5.bn2.weight", &[256], ONES),
            ("fc.bias", &[10], within(22.627_416_997_969_522)),
        ],
    ),
    // The stem for large images.
    (
        "resnet50",
        "",
        &[3, 64, 64],
        &[
            ("conv1.weight", &[64, 3, 7, 7], HE_3136),
            ("layer1.0.conv1.weight", &[64, 64, 1, 1], normal(0.176_776_695_296_636_9)),
            ("layer1.0.conv3.weight", &[256, 64, 1, 1], HE_256),
            ("layer1.0.downsample.0.weight", &[256, 64, 1, 1], HE_256),
            ("layer4.2.conv2.weight", &[512, 512, 3, 3], HE_4608),
            ("fc.weight", &[10, 2048], within(45.254_833_995_939_045)),
            ("fc.bias", &[10], within(45.254_833_995_939_045)),
        ],
    ),
    (
        "resnet101",
        "stem = \"large\"",
        COLOUR,
        &[
            ("conv1.weight", &[64, 3, 7, 7], HE_3136),
            ("layer3.22.conv3.weight", &[1024, 256, 1, 1], normal(0.044_194_173_824_159_22)),
            ("fc.bias", &[10], within(45.254_833_995_939_045)),
        ],
    ),
    (
        "resnet152",
        "",
        COLOUR,
        &[
            ("conv1.weight", &[64, 3, 3, 3], HE_576),
            ("layer2.0.downsample.0.weight", &[512, 256, 1, 1], HE_512),
            ("layer3.35.bn3.weight", &[1024], ONES),
            ("fc.bias", &[10], within(45.254_833_995_939_045)),
        ],
    ),
    (
        "densenet3-40",
        "",
        COLOUR,
        &[
            ("conv1.weight", &[24, 3, 3, 3], HE_216),
            ("block1.layer.0.bn1.weight", &[24], ONES),
            ("block1.layer.0.bn1.bias", &[24], ZEROS),
            ("block1.layer.0.conv1.weight", &[12, 24, 3, 3], HE_108),
            ("block1.layer.11.conv1.weight", &[12, 156, 3, 3], HE_108),
            ("trans1.bn1.weight", &[168], ONES),
            ("trans1.conv1.weight", &[168, 168, 1, 1], HE_168),
            ("block3.layer.11.conv1.weight", &[12, 444, 3, 3], HE_108),
            ("bn1.weight", &[456], ONES),
            ("fc.weight", &[10, 456], within(21.354_156_504_062_622)),
            ("fc.bias", &[10], ZEROS),
        ],
    ),
    (
        "mobilenet",
        "",
        COLOUR,
        &[
            ("conv1.weight", &[32, 3, 3, 3], within(5.196_152_422_706_632)),
            ("bn1.weight", &[32], ONES),
            ("layers.0.conv1.weight", &[32, 1, 3, 3], within(3.0)),
            ("layers.0.bn1.bias", &[32], ZEROS),
            ("layers.0.conv2.weight", &[64, 32, 1, 1], within(5.656_854_249_492_381)),
            ("layers.12.bn2.weight", &[1024], ONES),
            ("linear.weight", &[10, 1024], within(32.0)),
            ("linear.bias", &[10], within(32.0)),
        ],
    ),
    (
        "vit-tiny",
        "",
        COLOUR,
        &[
            ("cls_token", &[1, 1, 192], normal(1e-6)),
            ("pos_embed", &[1, 65, 192], TRUNCATED),
            ("patch_embed.proj.weight", &[192, 3, 4, 4], within(6.928_203_230_275_509)),
            ("patch_embed.proj.bias", &[192], within(6.928_203_230_275_509)),
            ("blocks.0.norm1.weight", &[192], ONES),
            ("blocks.0.attn.qkv.weight", &[576, 192], TRUNCATED),
            ("blocks.0.attn.qkv.bias", &[576], ZEROS),
            ("blocks.0.attn.proj.weight", &[192, 192], TRUNCATED),
            ("blocks.0.norm2.bias", &[192], ZEROS),
            ("blocks.0.mlp.fc1.weight", &[768, 192], TRUNCATED),
            ("blocks.11.mlp.fc2.bias", &[192], ZEROS),
            ("norm.weight", &[192], ONES),
            ("head.weight", &[10, 192], TRUNCATED),
            ("head.bias", &[10], ZEROS),
        ],
    ),
    (
        "vit-small",
        "patch = 8",
        COLOUR,
        &[
            ("cls_token", &[1, 1, 384], normal(1e-6)),
            ("pos_embed", &[1, 17, 384], TRUNCATED),
            ("patch_embed.proj.weight", &[384, 3, 8, 8], within(13.856_406_460_551_018)),
            ("head.bias", &[10], ZEROS),
        ],
    ),
    (
        "gpt",
        "",
        &[256],
        &[
            ("transformer.wte.weight", &[10, 768], normal(0.02)),
            ("transformer.wpe.weight", &[256, 768], normal(0.02)),
            ("transformer.h.0.ln_1.weight", &[768], ONES),
            ("transformer.h.0.ln_1.bias", &[768], ZEROS),
            ("transformer.h.0.attn.c_attn.weight", &[2304, 768], normal(0.02)),
            ("transformer.h.0.attn.c_attn.bias", &[2304], ZEROS),
            ("transformer.h.0.attn.c_proj.weight", &[768, 768], GPT2_RESIDUAL),
            ("transformer.h.0.mlp.c_fc.weight", &[3072, 768], normal(0.02)),
            ("transformer.h.11.mlp.c_proj.weight", &[768, 3072], GPT2_RESIDUAL),
            ("transformer.h.11.mlp.c_proj.bias", &[768], ZEROS),
            ("transformer.ln_f.weight", &[768], ONES),
            ("transformer.ln_f.bias", &[768], ZEROS),
        ],
    ),
    (
        "gpt",
        "n_layer = 4\nn_head = 4\nn_embd = 128\nblock_size = 99\nbias = false",
        &[64],
        &[
            ("transformer.wte.weight", &[10, 128], normal(0.02)),
            ("transformer.wpe.weight", &[99, 128], normal(0.02)),
            ("transformer.h.3.mlp.c_proj.weight", &[128, 512], GPT4_RESIDUAL),
            ("transformer.ln_f.weight", &[128], ONES),
        ],
    ),
];

const FULLY_CONNECTED: &[(&str, &[usize], Init)] = &[
    ("layers.init.weight", &[500, 1024], within(32.0)),
    ("layers.init.bias", &[500], within(32.0)),
    ("layers.hidden0.lin.0.weight", &[500, 500], within(22.360_679_774_997_898)),
    ("layers.hidden0.lin.2.bias", &[500], within(22.360_679_774_997_898)),
    ("layers.last.weight", &[10, 500], within(22.360_679_774_997_898)),
    ("layers.last.bias", &[10], within(22.360_679_774_997_898)),
];

#[test]
fn every_model_has_the_published_names_and_starts() {
    for (name, settings, sample, expected) in NAMES {
        let network = network(name, settings, sample, 10, Mode::Eval);
        let parameters = network.parameters();
        let ends = [&parameters[0].name, &parameters[parameters.len() - 1].name];
        assert_eq!(ends, [expected[0].0, expected[expected.len() - 1].0], "{name}");
        let mut rest = parameters.iter();
        for (tensor, shape, init) in *expected {
            // Searching on from the last tensor that was found checks the order, too.
            let found = rest.find(|parameter| parameter.name == *tensor);
            let found = found.ok_or_else(|| format!("{name}: no {tensor}, or not in this place")).unwrap();
            assert_eq!(found.shape, *shape, "{name} {tensor}");
            assert!(same(found.init, *init), "{name} {tensor}: {:?}, not {init:?}", found.init);
        }
    }
}

/// Whether two initialisations are equal up to rounding.
fn same(ours: Init, theirs: Init) -> bool {
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-14;
    match (ours, theirs) {
        (Init::Uniform { bound: a }, Init::Uniform { bound: b })
        | (Init::Normal { std: a }, Init::Normal { std: b }) => close(a, b),
        _ => ours == theirs,
    }
}

#[test]
fn batch_norm_has_pytorchs_buffers() {
    let buffers =
        |name: &str| -> Vec<Parameter> { network(name, "", COLOUR, 10, Mode::Eval).buffers().to_vec() };
    for (name, tensor) in [
        ("vgg11_bn", "classifier.4.running_mean"),
        ("resnet18", "layer3.0.downsample.1.running_var"),
        ("densenet3-40", "trans2.bn1.running_mean"),
        ("mobilenet", "layers.12.bn2.running_var"),
    ] {
        assert!(buffers(name).iter().any(|buffer| buffer.name == tensor), "{name} {tensor}");
    }
    for name in ["vgg11", "vit-tiny", "lenet"] {
        assert!(buffers(name).is_empty(), "{name}");
    }
}

#[test]
fn gpt_states_what_else_a_checkpoint_of_it_may_hold() {
    let network = network("gpt", "n_layer = 2\nn_head = 2\nn_embd = 8", &[5], 7, Mode::Eval);
    let tied = ("lm_head.weight".to_owned(), "transformer.wte.weight".to_owned());
    assert_eq!(network.aliases(), [tied]);
    let masks =
        [0, 1].map(|block| ["bias", "masked_bias"].map(|name| format!("transformer.h.{block}.attn.{name}")));
    assert_eq!(network.unused(), masks.as_flattened());
    // The masks are not parameters, although parameters elsewhere in the block are named `bias`.
    assert!(network.parameters().iter().all(|parameter| !network.unused().contains(&parameter.name)));
}

#[test]
fn what_does_not_fit_is_refused_with_the_key_or_the_sizes() {
    for (name, settings, expected) in [
        ("mlp", "widths = [3, 0]", "model.widths"),
        ("fully-connected-5", "width = 0", "model.width"),
        ("vit-tiny", "patch = 0", "model.patch"),
        ("vit-tiny", "depth = 1001", "model.depth"),
        ("gpt", "n_layer = 0", "model.n_layer"),
        ("gpt", "n_head = 5", "5 heads do not divide a width of 768"),
        ("gpt", "block_size = 0", "model.block_size"),
    ] {
        let settings = toml::from_str(settings).unwrap();
        let built = registry().architectures.build(name, settings, &Environment::default());
        let message = match built.map(drop).unwrap_err() {
            PluginError::Build(error) => error.to_string(),
            other => format!("{other:?}"),
        };
        assert!(message.contains(expected), "{name}: {message}");
    }
    for (name, settings, sample, expected) in [
        ("vit-tiny", "patch = 5", GREY, "patches of 5x5 do not divide 32x32 pixels"),
        ("vit-tiny", "", &[7], "needs images [N, C, H, W], not [1, 7]"),
        ("gpt", "", GREY, "needs tokens [N, T], not [1, 1, 32, 32]"),
        ("gpt", "block_size = 8", &[9], "sequences of 9 tokens are longer than block_size = 8"),
    ] {
        let architecture = architecture(name, settings);
        let network = Network::new(sample, move |scope, x| architecture.build(scope, x, 10));
        let message = network.map(drop).unwrap_err().to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[test]
fn small_and_large_images_have_their_own_stems() {
    let kernel = |settings: &str, sample: &[usize]| {
        let network = network("resnet18", settings, sample, 10, Mode::Eval);
        network.parameters()[0].shape[2]
    };
    assert_eq!(kernel("", &[3, 63, 63]), 3);
    assert_eq!(kernel("", &[3, 64, 64]), 7);
    assert_eq!(kernel("stem = \"small\"", &[3, 64, 64]), 3);
    assert_eq!(kernel("stem = \"large\"", &[3, 32, 32]), 7);
}
