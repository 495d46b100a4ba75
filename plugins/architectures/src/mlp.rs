//! Fully connected networks.

use eigenscape_core::{Architecture, Error};
use eigenscape_program::{
    Result, Scope, Value,
    nn::{Activation, activation, flatten, linear},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `mlp`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Units of each hidden layer; `[]` is a linear model.
    #[serde(default = "default_widths")]
    pub widths: Vec<usize>,
    /// The activation after each hidden layer.
    #[serde(default = "default_activation")]
    pub activation: Activation,
}

/// The largest number of hidden layers.
const MOST_LAYERS: usize = 1_000;

fn default_widths() -> Vec<usize> {
    vec![128]
}

fn default_activation() -> Activation {
    Activation::Relu
}

/// A fully connected network whose layers are named as in a `torch.nn.Sequential` of Linear and
/// activation modules: `0`, `2`, `4`, .... All layers have PyTorch's default initialisation.
#[derive(Debug, Clone)]
pub struct Mlp {
    widths: Vec<usize>,
    activation: Activation,
}

impl Mlp {
    /// The network with these settings.
    ///
    /// # Errors
    /// When a width is zero, or there are more than 1000 hidden layers.
    pub fn new(parameters: Parameters) -> Result<Self, Error> {
        let Parameters { widths, activation } = parameters;
        if widths.contains(&0) {
            return Err(Error::input("model.widths", "a hidden layer has no units", "give positive widths"));
        }
        if widths.len() > MOST_LAYERS {
            let problem = format!("lists {} hidden layers", widths.len());
            return Err(Error::input("model.widths", problem, format!("list at most {MOST_LAYERS}")));
        }
        Ok(Self { widths, activation })
    }
}

impl Architecture for Mlp {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let mut x = flatten(scope, x)?;
        for (i, &width) in self.widths.iter().enumerate() {
            x = linear(&mut scope.at(2 * i), x, width, true)?;
            x = activation(&mut scope.at(2 * i + 1), x, self.activation)?;
        }
        linear(&mut scope.at(2 * self.widths.len()), x, outputs, true)
    }

    fn description(&self) -> String {
        format!("fully connected network, hidden widths {:?}, activation {:?}", self.widths, self.activation)
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_program::Network;

    use super::*;

    #[test]
    fn has_the_widths_and_names_of_a_torch_sequential() -> Result<()> {
        let mlp = Mlp { widths: vec![5, 4], activation: Activation::Tanh };
        let network = Network::new(&[1, 2, 3], move |scope, x| mlp.build(scope, x, 3))?;
        let shapes: Vec<(&str, &[usize])> =
            network.parameters().iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
        let expected: [(&str, &[usize]); 6] = [
            ("0.weight", &[5, 6]),
            ("0.bias", &[5]),
            ("2.weight", &[4, 5]),
            ("2.bias", &[4]),
            ("4.weight", &[3, 4]),
            ("4.bias", &[3]),
        ];
        assert_eq!(shapes, expected);
        Ok(())
    }
}
