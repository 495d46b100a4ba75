//! Layers that contain lists of layers, and the paths of layers in errors.

use eigenscape_program::{Error, Result, Scope, Value};
use schemars::JsonSchema;
use serde::{Deserialize, de::MapAccess};

use super::Layer;

/// Emits the layers one after another, each in the child scope of its index; `path` is that of the
/// list.
pub(super) fn chain(scope: &mut Scope, x: Value, layers: &[Layer], path: &str) -> Result<Value> {
    let step = |x, (i, layer): (usize, &Layer)| layer.emit(&mut scope.at(i), x, &format!("{path}.{i}"));
    layers.iter().enumerate().try_fold(x, step)
}

/// The number of layers, including nested ones. A recurrent layer may be any number of them.
pub(super) fn count(layers: &[Layer]) -> usize {
    let all = |lists: &[Vec<Layer>]| lists.iter().map(|list| count(list)).fold(0, usize::saturating_add);
    let of = |layer: &Layer| match layer {
        Layer::Residual(residual) => {
            count(&residual.body).saturating_add(count(&residual.shortcut)).saturating_add(1)
        }
        Layer::Concat(concat) => all(&concat.branches).saturating_add(1),
        Layer::Rnn(rnn) => rnn.layers(),
        Layer::Lstm(recurrent) | Layer::Gru(recurrent) => recurrent.layers(),
        _ => 1,
    };
    layers.iter().map(of).fold(0, usize::saturating_add)
}

/// Adds the path of the layer and the shape of its input to `error`.
pub(super) fn located(path: &str, input: &[usize], error: &Error) -> Error {
    let input = input.get(1..).unwrap_or_default();
    Error::Shape {
        operation: path.to_owned(),
        problem: format!("{error} (its input is {input:?} for one sample)"),
    }
}

/// The lists of layers that a layer's table may contain.
#[derive(Default)]
pub(super) struct Lists {
    body: Vec<Layer>,
    shortcut: Vec<Layer>,
    branches: Vec<Vec<Layer>>,
}

impl Lists {
    /// Reads the value of `key` if it is one of these lists; otherwise returns false and leaves the
    /// value unread.
    pub(super) fn read<'de, M: MapAccess<'de>>(&mut self, key: &str, map: &mut M) -> Result<bool, M::Error> {
        match key {
            "body" => self.body = map.next_value()?,
            "shortcut" => self.shortcut = map.next_value()?,
            "branches" => self.branches = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The keys of `residual`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The layers of the body.
    body: Vec<Layer>,
    /// The layers of the shortcut.
    #[serde(default)]
    shortcut: Vec<Layer>,
    /// The factor by which the body's result is multiplied.
    #[serde(default = "one")]
    scale: f64,
}

fn one() -> f64 {
    1.0
}

impl Residual {
    pub(super) fn fill(&mut self, lists: Lists) {
        (self.body, self.shortcut) = (lists.body, lists.shortcut);
    }

    pub(super) fn emit(&self, scope: &mut Scope, x: Value, path: &str) -> Result<Value> {
        let body = chain(&mut scope.at("body"), x, &self.body, &format!("{path}.body"))?;
        let shortcut = chain(&mut scope.at("shortcut"), x, &self.shortcut, &format!("{path}.shortcut"))?;
        let (ours, theirs, input) = (scope.shape(body), scope.shape(shortcut), scope.shape(x));
        if ours != theirs {
            let problem = format!(
                "the body gives {:?} for one sample and the shortcut {:?}; they must be equal: put a convolution or a linear layer into the shortcut",
                &ours[1..],
                &theirs[1..]
            );
            return Err(located(path, &input, &Error::Shape { operation: "residual".to_owned(), problem }));
        }
        let graph = scope.graph();
        let body = if self.scale == 1.0 { body } else { graph.scale(body, self.scale)? };
        graph.add(body, shortcut)
    }
}

/// The keys of `concat`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The branches.
    branches: Vec<Vec<Layer>>,
}

impl Concat {
    pub(super) fn fill(&mut self, lists: Lists) {
        self.branches = lists.branches;
    }

    pub(super) fn emit(&self, scope: &mut Scope, x: Value, path: &str) -> Result<Value> {
        let mut branches = scope.at("branches");
        let branch = |(i, layers): (usize, &Vec<Layer>)| {
            chain(&mut branches.at(i), x, layers, &format!("{path}.branches.{i}"))
        };
        let parts = self.branches.iter().enumerate().map(branch).collect::<Result<Vec<_>>>()?;
        let input = scope.shape(x);
        scope.graph().concat(&parts, 1).map_err(|error| located(path, &input, &error))
    }
}
