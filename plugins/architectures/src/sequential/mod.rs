//! Networks written as a list of layers, in PyTorch's terms.
//!
//! [`Layer`] lists all layers; each family of layers has a file with their keys and what they emit.

mod activation;
mod attention;
mod branches;
mod conv;
mod layer;
mod norm;
mod pool;
mod recurrent;
mod shape;
mod sides;
mod tokens;
mod windows;

use eigenscape_core::{Architecture, Error as InputError};
use eigenscape_program::{Error, Result, Scope, Value};
pub use layer::Layer;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `sequential`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The layers, in order; the parameters of the i-th layer are named `i.weight`, `i.bias`, ...
    pub layers: Vec<Layer>,
}

/// The largest number of layers, including nested ones.
const MOST_LAYERS: usize = 2_000;

/// Refuses a network with too many layers: the time to build a program grows faster than their
/// number.
///
/// # Errors
/// When there are more than 2000 layers, including nested ones.
pub fn check_count(layers: &[Layer]) -> Result<(), InputError> {
    let count = branches::count(layers);
    if count <= MOST_LAYERS {
        return Ok(());
    }
    let remedy = format!("use at most {MOST_LAYERS}");
    Err(InputError::input("model.layers", format!("has {count} layers"), remedy))
}

/// A network written as a list of layers.
#[derive(Debug, Clone)]
pub struct Sequential {
    layers: Vec<Layer>,
}

impl Sequential {
    /// The network of these layers.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers }
    }
}

impl Architecture for Sequential {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let y = branches::chain(scope, x, &self.layers, "layers")?;
        let shape = scope.shape(y);
        // For pixels and voxels, the classes lie along the first axis of a sample.
        let channels = shape.get(1).filter(|_| shape.len() > 2);
        if shape.len() > 1 && (shape.last() == Some(&outputs) || channels == Some(&outputs)) {
            return Ok(y);
        }
        let problem = format!(
            "the last one gives {:?} for one sample, and the data has {outputs} outputs: end with flatten and linear {{ out = {outputs} }}, or for pixels with conv2d {{ out = {outputs} }}",
            shape.get(1..).unwrap_or_default()
        );
        Err(Error::Shape { operation: "layers".to_owned(), problem })
    }

    fn description(&self) -> String {
        format!("a sequence of {} layers", self.layers.len())
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_core::registry::PluginError;
    use eigenscape_program::{Mode, Network};

    use super::*;

    /// The network of layers written in TOML, for images \[2, 6, 6\] and three outputs.
    fn network(layers: &str) -> Result<Network> {
        let parameters: Parameters = toml::from_str(&format!("layers = [{layers}]")).unwrap();
        let sequential = Sequential::new(parameters.layers);
        Network::with_mode(&[2, 6, 6], Mode::Train, move |scope, x| sequential.build(scope, x, 3))
    }

    #[test]
    fn parameters_are_named_by_where_they_stand() -> Result<()> {
        let network = network(
            r#"{ op = "conv2d", in = 2, out = 4, kernel = [3, 1], bias = false },
               { op = "residual", scale = 0.5, body = [{ op = "relu" }, { op = "conv2d", out = 4, kernel = 1 }] },
               { op = "concat", branches = [[], [{ op = "prelu", num = 4 }]] },
               { op = "dropout", p = 0.25 }, { op = "patch_embed", dim = 6, patch = 2 }, { op = "class_token" },
               { op = "positional_embedding", num = 9 }, { op = "attention", heads = 2, projections = "torch" },
               { op = "layer_scale" }, { op = "token" }, { op = "linear", out = 3 }"#,
        )?;
        let shapes: Vec<(&str, &[usize])> =
            network.parameters().iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
        let expected: [(&str, &[usize]); 15] = [
            ("0.weight", &[4, 2, 3, 1]),
            ("1.body.1.weight", &[4, 4, 1, 1]),
            ("1.body.1.bias", &[4]),
            ("2.branches.1.0.weight", &[4]),
            ("4.proj.weight", &[6, 8, 2, 2]),
            ("4.proj.bias", &[6]),
            ("5.cls_token", &[1, 1, 6]),
            ("6.weight", &[9, 6]),
            ("7.in_proj_weight", &[18, 6]),
            ("7.in_proj_bias", &[18]),
            ("7.out_proj.weight", &[6, 6]),
            ("7.out_proj.bias", &[6]),
            ("8.gamma", &[6]),
            ("10.weight", &[3, 6]),
            ("10.bias", &[3]),
        ];
        assert_eq!(shapes, expected);
        let [mask] = network.masks() else { panic!("{:?}", network.masks()) };
        assert_eq!(
            (mask.module.as_str(), mask.shape.as_slice(), mask.keep),
            ("3", [8, 4, 6].as_slice(), 0.75)
        );
        Ok(())
    }

    #[test]
    fn a_mistake_in_a_list_within_a_layer_has_its_own_path() {
        for (layers, path, text) in [
            (r#"{ op = "relu" }, { op = "lineer", out = 3 }"#, "layers[1]", "unknown variant `lineer`"),
            (
                r#"{ op = "residual", body = [{ op = "relu" }, { op = "rel" }] }"#,
                "layers[0].body[1]",
                "unknown variant `rel`",
            ),
            (
                r#"{ op = "concat", branches = [[], [{ op = "residual", body = [], shortcut = [{ op = "linear", out = "ten" }] }]] }"#,
                "layers[0].branches[1][0].shortcut[0]",
                "invalid type: string",
            ),
            (r#"{ op = "linear", out = 3, body = [] }"#, "layers[0]", "unknown field `body`"),
            (r#"{ op = "residual", shortcut = [] }"#, "layers[0]", "missing field `body`"),
            (r#"["relu"]"#, "layers[0]", "a table with `op`"),
        ] {
            let mut registry = eigenscape_core::Registry::default();
            crate::register(&mut registry);
            let table = toml::from_str(&format!("layers = [{layers}]")).unwrap();
            let built = registry.architectures.build("sequential", table, &Default::default());
            let Err(PluginError::Parameter { key, problem, .. }) = built else {
                panic!("{layers} is accepted")
            };
            assert_eq!(key, path);
            assert!(problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn an_error_names_the_layer_its_input_and_what_to_do() {
        for (layers, texts) in [
            (
                r#"{ op = "flatten" }, { op = "linear", in = 10, out = 3 }"#,
                &["layers.1: `in`", "says 10", "write 72", "[72] for one sample"][..],
            ),
            (
                r#"{ op = "residual", body = [{ op = "relu" }, { op = "conv2d", out = 3, kernel = 9 }] }"#,
                &["layers.0.body.1: conv2d", "does not fit the padded image", "[2, 6, 6] for one sample"],
            ),
            (
                r#"{ op = "residual", body = [{ op = "conv2d", out = 3, kernel = 3 }] }"#,
                &["layers.0: residual", "[3, 4, 4]", "the shortcut [2, 6, 6]", "they must be equal"],
            ),
            (
                r#"{ op = "concat", branches = [[], [{ op = "flatten" }, { op = "softmax", axis = 2 }]] }"#,
                &["layers.0.branches.1.1: `axis`", "is 2", "1 to 1", "[72] for one sample"],
            ),
            (r#"{ op = "concat", branches = [[], [{ op = "flatten" }]] }"#, &["layers.0: concat", "axis 1"]),
            (
                r#"{ op = "layer_norm", features = [5, 6] }"#,
                &["layers.0: `features`", "[5, 6]", "[2, 6, 6] for one sample"],
            ),
            (r#"{ op = "patch_embed", dim = 4, patch = 4 }"#, &["layers.0: patch_embed", "do not divide"]),
            (
                r#"{ op = "conv2d", out = 3, kernel = 3, padding = 9000000000000000000 }"#,
                &["layers.0: conv2d", "too large"],
            ),
            (
                r#"{ op = "conv2d", out = 3, kernel = 3, padding = [0, 9000000000000000000] }"#,
                &["layers.0: pad", "too large"],
            ),
            (
                r#"{ op = "conv_transpose2d", out = 3, kernel = 3, dilation = 9000000000000000000 }"#,
                &["layers.0:", "too large"],
            ),
            (
                r#"{ op = "conv2d", out = 3, kernel = 9000000000000000000 }"#,
                &["layers.0: parameter 0.weight", "too large"],
            ),
            (r#"{ op = "dropout", p = 1.0 }"#, &["layers.0: dropout", "probability is 1"]),
            (r#"{ op = "flatten" }"#, &["layers: the last one gives [72]", "linear { out = 3 }"]),
        ] {
            let error = network(layers).err().map(|error| error.to_string()).unwrap_or_default();
            for text in texts {
                assert!(error.contains(text), "{layers}: no {text:?} in {error}");
            }
        }
    }

    #[test]
    fn every_layer_and_key_is_described_in_the_schema() {
        let schema = schemars::schema_for!(Layer);
        let layers = schema.get("oneOf").and_then(|layers| layers.as_array()).unwrap();
        assert!(layers.len() > 40);
        for layer in layers {
            let keys = layer["properties"].as_object().unwrap();
            assert!(layer["description"].is_string(), "{layer}");
            let documented = |key: &str| key == "op" || keys[key]["description"].is_string();
            assert!(keys.keys().all(|key| documented(key)), "{layer}");
        }
    }
}
