//! The fully connected networks of the paper, with and without skip connections.

use eigenscape_core::{Architecture, Error, registry::Catalog};
use eigenscape_program::{
    Result, Scope, Value,
    nn::{Activation, activation, flatten, linear},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `fully-connected-3`, `fully-connected-5` and `fully-connected-8`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Whether each block adds its input to its output.
    #[serde(default)]
    pub skip: bool,
    /// Units of every hidden layer.
    #[serde(default = "paper_width")]
    pub width: usize,
}

fn paper_width() -> usize {
    500
}

/// The paper's fully connected network: a linear layer `layers.init`, blocks `layers.hidden0`,
/// `hidden1`, ... and a linear layer `layers.last`. A block is ReLU(B ReLU(A x + a) + b), plus x
/// with a skip; its linear layers are `lin.0` and `lin.2`. There is no activation after `init`. All
/// layers have PyTorch's default initialisation.
///
/// The paper's code contains two versions of the network. This is the version that its experiments
/// build by name: it has an activation in and after each block, and the names 3, 5 and 8 stand for
/// one, two and three blocks, which are 4, 6 and 8 linear layers. The other version is never
/// imported, has purely linear blocks and cannot be constructed (its modules do not initialise
/// their base class).
#[derive(Debug, Clone, Copy)]
pub struct FullyConnected {
    name: &'static str,
    blocks: usize,
    settings: Parameters,
}

/// Adds fully-connected-3, 5 and 8.
pub fn register(architectures: &mut Catalog<dyn Architecture>) {
    for (name, summary, blocks) in [
        ("fully-connected-3", "fully connected network, one block of two layers", 1),
        ("fully-connected-5", "fully connected network, two blocks of two layers", 2),
        ("fully-connected-8", "fully connected network, three blocks of two layers", 3),
    ] {
        architectures.add(name, summary, move |settings: Parameters, _| {
            if settings.width == 0 {
                return Err(Error::input(
                    "model.width",
                    "the hidden layers have no units",
                    "give a positive width",
                ));
            }
            Ok(Box::new(FullyConnected { name, blocks, settings }))
        });
    }
}

impl Architecture for FullyConnected {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let scope = &mut scope.at("layers");
        let x = flatten(scope, x)?;
        let mut x = linear(&mut scope.at("init"), x, self.settings.width, true)?;
        for i in 0..self.blocks {
            x = self.block(&mut scope.at(format!("hidden{i}")), x)?;
        }
        linear(&mut scope.at("last"), x, outputs, true)
    }

    fn description(&self) -> String {
        let Parameters { skip, width } = self.settings;
        let skips = if skip { "with" } else { "without" };
        format!(
            "{}: fully connected network, {} blocks {skips} skips, {width} units a layer",
            self.name, self.blocks
        )
    }
}

impl FullyConnected {
    fn block(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let mut y = x;
        for i in [0, 2] {
            y = linear(&mut scope.at("lin").at(i), y, self.settings.width, true)?;
            y = activation(scope, y, Activation::Relu)?;
        }
        if self.settings.skip { scope.graph().add(y, x) } else { Ok(y) }
    }
}
