//! An architecture: one hidden layer, made symmetric by adding its reverse.

use eigenscape::{Architecture, ProgramError, Registry, Scope, Value, architectures::NoSettings, nn};

use crate::operation::reverse;

/// The architecture. Its layers have PyTorch's names: "hidden.weight", "hidden.bias", ...
pub struct Mirror;

impl Architecture for Mirror {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value, ProgramError> {
        let hidden = nn::linear(&mut scope.at("hidden"), x, 8, true)?;
        let hidden = nn::activation(scope, hidden, nn::Activation::Relu)?;
        let reversed = reverse(scope.graph(), hidden)?;
        let hidden = scope.graph().add(hidden, reversed)?;
        nn::linear(&mut scope.at("out"), hidden, outputs, true)
    }

    fn description(&self) -> String {
        "eight hidden units, mirrored".to_owned()
    }
}

/// Adds the architecture to the registry.
pub fn register(registry: &mut Registry) {
    registry.architectures.add("mirror", "a mirrored layer", |NoSettings {}, _| Ok(Box::new(Mirror)));
}
