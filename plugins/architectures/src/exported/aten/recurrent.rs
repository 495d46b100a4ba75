//! Recurrent layers, and single steps of their cells.

use eigenscape_program::{
    Result, Value,
    nn::{self, Cell, CellWeights, Nonlinearity, Recurred, RecurrentSettings},
};

use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn lstm(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    recurrent(arguments, emit, Cell::Lstm)
}

pub fn gru(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    recurrent(arguments, emit, Cell::Gru)
}

pub fn rnn_tanh(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    recurrent(arguments, emit, Cell::Rnn(Nonlinearity::Tanh))
}

pub fn rnn_relu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    recurrent(arguments, emit, Cell::Rnn(Nonlinearity::Relu))
}

/// All layers; the results are the outputs and the last states.
fn recurrent(arguments: &Arguments, emit: &mut Emitter, cell: Cell) -> Result<Item> {
    let x = arguments.tensor("input")?;
    let start = match arguments.optional_tensor("hx") {
        Ok(Some(start)) => vec![start.clone()],
        _ => arguments.tensors("hx")?,
    };
    // Those of h and, in an LSTM, those of c: they differ where h is projected.
    let hidden_size = start.last().and_then(|start| start.shape().last().copied()).unwrap_or(0);
    let settings = RecurrentSettings {
        num_layers: arguments.sizes(&[arguments.int("num_layers")?])?[0],
        bias: arguments.bool_or("has_biases", true)?,
        batch_first: arguments.bool_or("batch_first", false)?,
        bidirectional: arguments.bool_or("bidirectional", false)?,
        ..RecurrentSettings::new(hidden_size)
    };
    let parameters = arguments.tensors("params")?;
    let parameters = parameters.iter().map(|tensor| emit.value(tensor)).collect::<Result<Vec<_>>>()?;
    let plain = if settings.bias { 4 } else { 2 };
    let count = settings.num_layers.saturating_mul(if settings.bidirectional { 2 } else { 1 });
    let each = parameters.len().checked_div(count).unwrap_or(0);
    if each * count != parameters.len() || (each != plain && each != plain + 1) {
        return Err(
            arguments.error(format!("{} tensors are not the weights of {count} cells", parameters.len()))
        );
    }
    let weights = |all: &[Value]| CellWeights {
        of_input: all[0],
        of_state: all[1],
        biases: settings.bias.then(|| [all[2], all[3]]),
        projection: all.get(plain).copied(),
    };
    let weights: Vec<CellWeights> = parameters.chunks_exact(each).map(weights).collect();
    let from_zero = |tensor: &Tensor| tensor.array().and_then(Array::constant) == Some(0.0);
    let start = if start.iter().all(from_zero) { Vec::new() } else { start };
    let start = start.iter().map(|tensor| emit.value(tensor)).collect::<Result<Vec<_>>>()?;
    let (input, probability) = (emit.value(x)?, arguments.float_or("dropout", 0.0)?);
    let Recurred { outputs, last } =
        nn::recurrent_by(emit.scope, input, cell, &settings, (&weights, &start), probability)?;
    let results: Vec<Tensor> =
        [outputs].into_iter().chain(last).map(|value| emit.tensor(x.dtype, value)).collect();
    Ok(Item::Tensors(results))
}

pub fn lstm_cell(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(Item::Tensors(step(arguments, emit, Cell::Lstm, &arguments.tensors("hx")?)?))
}

pub fn gru_cell(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    with_one_state(arguments, emit, Cell::Gru)
}

pub fn rnn_tanh_cell(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    with_one_state(arguments, emit, Cell::Rnn(Nonlinearity::Tanh))
}

pub fn rnn_relu_cell(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    with_one_state(arguments, emit, Cell::Rnn(Nonlinearity::Relu))
}

fn with_one_state(arguments: &Arguments, emit: &mut Emitter, cell: Cell) -> Result<Item> {
    let mut states = step(arguments, emit, cell, &[arguments.tensor("hx")?.clone()])?;
    Ok(states.swap_remove(0).into())
}

/// The states after one step of a cell.
fn step(arguments: &Arguments, emit: &mut Emitter, cell: Cell, states: &[Tensor]) -> Result<Vec<Tensor>> {
    let x = arguments.tensor("input")?;
    let biases = match (arguments.optional_tensor("b_ih")?, arguments.optional_tensor("b_hh")?) {
        (Some(of_input), Some(of_state)) => Some([emit.value(of_input)?, emit.value(of_state)?]),
        (None, None) => None,
        _ => return Err(arguments.error("has one bias of two")),
    };
    let weights = CellWeights {
        of_input: emit.value(arguments.tensor("w_ih")?)?,
        of_state: emit.value(arguments.tensor("w_hh")?)?,
        biases,
        projection: None,
    };
    let states = states.iter().map(|state| emit.value(state)).collect::<Result<Vec<_>>>()?;
    let input = emit.value(x)?;
    let next = nn::recurrent_step(emit.graph(), input, cell, &weights, &states)?;
    Ok(next.into_iter().map(|state| emit.tensor(x.dtype, state)).collect())
}
