//! Embeddings: of indices, of positions, of the class token.

use crate::{
    Scope, Value,
    error::{Error, Result},
};

/// Rows of a table by index: x \[...\] of integers to \[..., D\]; parameter `weight` \[V, D\].
///
/// # Errors
/// When the table is too large, or `weight` was declared before with another shape.
pub fn embedding(scope: &mut Scope, x: Value, rows: usize, width: usize) -> Result<Value> {
    let init = scope.init_rules().embedding.at(rows, width);
    let weight = scope.parameter("weight", &[rows, width], init)?;
    scope.graph().take(weight, x)
}

/// x \[N, T, D\] plus a learned vector for each position: the first T rows of the parameter
/// `weight` \[`rows`, D\]; `None` stands for T rows.
///
/// # Errors
/// When x is not \[N, T, D\] or has more positions than rows.
pub fn positional_embedding(scope: &mut Scope, x: Value, rows: Option<usize>) -> Result<Value> {
    let [_, positions, width] = tokens(scope, "positional_embedding", x)?;
    let rows = rows.unwrap_or(positions);
    if positions > rows {
        let problem = format!("{rows} positions are too few for the {positions} of the input");
        return Err(Error::shape("positional_embedding", problem));
    }
    let init = scope.init_rules().position.at(rows, width);
    let weight = scope.parameter("weight", &[rows, width], init)?;
    let weight = scope.graph().slice(weight, 0, 0, positions)?;
    add_to_all(scope, x, weight)
}

/// x \[N, T, D\] plus [sinusoidal position encodings](crate::Graph::sinusoids); no parameters.
///
/// # Errors
/// When x is not \[N, T, D\].
pub fn sinusoidal_embedding(scope: &mut Scope, x: Value) -> Result<Value> {
    let [_, positions, width] = tokens(scope, "sinusoidal_embedding", x)?;
    let waves = scope.graph().sinusoids(positions, width)?;
    add_to_all(scope, x, waves)
}

/// x \[N, T, D\] with a learned token in front: \[N, T + 1, D\]; parameter `cls_token` \[1, 1, D\]
/// (Dosovitskiy et al. 2021).
///
/// # Errors
/// When x is not \[N, T, D\].
pub fn class_token(scope: &mut Scope, x: Value) -> Result<Value> {
    let [samples, _, width] = tokens(scope, "class_token", x)?;
    let init = scope.init_rules().position.at(1, width);
    let token = scope.parameter("cls_token", &[1, 1, width], init)?;
    let graph = scope.graph();
    let token = graph.broadcast(token, &[samples, 1, width])?;
    graph.concat(&[token, x], 1)
}

/// The token at `position` of x \[N, T, D\]: \[N, D\].
///
/// # Errors
/// When x is not \[N, T, D\] or has no such position.
pub fn token(scope: &mut Scope, x: Value, position: usize) -> Result<Value> {
    let [samples, _, width] = tokens(scope, "token", x)?;
    let token = scope.graph().slice(x, 1, position, 1)?;
    scope.graph().reshape(token, &[samples, width])
}

/// The mean over the tokens of x \[N, T, D\]: \[N, D\].
///
/// # Errors
/// When x is not \[N, T, D\].
pub fn token_mean(scope: &mut Scope, x: Value) -> Result<Value> {
    let [samples, _, width] = tokens(scope, "token_mean", x)?;
    let mean = scope.graph().mean(x, &[1])?;
    scope.graph().reshape(mean, &[samples, width])
}

/// x \[N, T, D\] + y \[T, D\].
fn add_to_all(scope: &mut Scope, x: Value, y: Value) -> Result<Value> {
    let shape = scope.shape(x);
    let graph = scope.graph();
    let y = graph.reshape(y, &[1, shape[1], shape[2]])?;
    let y = graph.broadcast(y, &shape)?;
    graph.add(x, y)
}

fn tokens(scope: &Scope, layer: &str, x: Value) -> Result<[usize; 3]> {
    let shape = scope.shape(x);
    shape
        .as_slice()
        .try_into()
        .map_err(|_| Error::shape(layer, format!("needs an input [N, T, D], not {shape:?}")))
}
