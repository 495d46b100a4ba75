//! Recurrent layers: their names, and how many operations their derivatives are.
#![allow(clippy::unwrap_used)]

use eigenscape_program::{
    Mode, Network, Operation, Program, Result, Traced, Value,
    nn::{self, RecurrentSettings},
    transforms::{gradient, linearize, seeds},
};

const HIDDEN: usize = 5;

fn lstm(length: usize) -> Network {
    let build = |scope: &mut eigenscape_program::Scope, x| {
        nn::lstm(scope, x, &RecurrentSettings { batch_first: true, ..RecurrentSettings::new(HIDDEN) })
    };
    Network::new(&[length, 3], build).unwrap()
}

/// The program of the Hessian's products for sequences of this length, of Σ outputs².
fn products(length: usize) -> Result<Program> {
    let Traced { mut graph, x, outputs, parameters, .. } = lstm(length).trace(2)?;
    let squares = graph.mul(outputs, outputs)?;
    let loss = graph.sum_all(squares)?;
    let slopes = gradient(&mut graph, loss, &parameters)?;
    let seeds = seeds(&mut graph, &parameters);
    let products = linearize(&mut graph, &slopes, &seeds)?;
    let products: Vec<Value> = products.into_iter().map(Option::unwrap).collect();
    let inputs: Vec<Value> =
        parameters.into_iter().chain([x]).chain(seeds.into_iter().map(|(_, v)| v)).collect();
    Program::new(&graph, &inputs, &products)
}

#[test]
fn products_with_the_hessian_are_as_many_operations_for_any_length() -> Result<()> {
    let weights = 4 * HIDDEN * HIDDEN;
    let count = products(7)?.steps().len();
    for length in [7, 40] {
        let program = products(length)?;
        assert_eq!(program.steps().len(), count);
        // The states, their tangents, and the cotangents of both.
        let scans = program.steps().iter().filter(|step| matches!(step.operation, Operation::Scan(_)));
        assert_eq!(scans.count(), 4);
        // No time has a weight's gradient of its own.
        let largest = program.shapes().iter().map(|shape| shape.iter().product::<usize>()).max();
        assert!(largest.is_some_and(|largest| largest < length * weights), "{largest:?}");
    }
    Ok(())
}

#[test]
fn names_and_shapes_are_those_of_pytorch() -> Result<()> {
    let settings = RecurrentSettings { num_layers: 2, bidirectional: true, ..RecurrentSettings::new(4) };
    let network = Network::with_mode(&[3, 2], Mode::Eval, move |scope, x| {
        let first = nn::gru(&mut scope.at("gru"), x, &settings)?;
        let one = RecurrentSettings { bias: false, bidirectional: false, num_layers: 1, ..settings };
        nn::rnn(&mut scope.at("rnn"), first, &one, nn::Nonlinearity::Relu)
    })?;
    let declared: Vec<(&str, &[usize])> =
        network.parameters().iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    assert_eq!(
        declared[..8],
        [
            ("gru.weight_ih_l0", &[12, 2][..]),
            ("gru.weight_hh_l0", &[12, 4]),
            ("gru.bias_ih_l0", &[12]),
            ("gru.bias_hh_l0", &[12]),
            ("gru.weight_ih_l0_reverse", &[12, 2]),
            ("gru.weight_hh_l0_reverse", &[12, 4]),
            ("gru.bias_ih_l0_reverse", &[12]),
            ("gru.bias_hh_l0_reverse", &[12]),
        ]
    );
    assert_eq!((declared[8], declared.len()), (("gru.weight_ih_l1", &[12, 8][..]), 18));
    assert_eq!(declared[16..], [("rnn.weight_ih_l0", &[4, 8][..]), ("rnn.weight_hh_l0", &[4, 4])]);
    assert_eq!(network.output_shape(), [3, 4]);
    Ok(())
}

#[test]
fn what_is_no_recurrent_layer_is_refused() {
    let refused = |shape: &[usize], settings: RecurrentSettings| {
        let network = Network::new(shape, move |scope, x| nn::lstm(scope, x, &settings));
        network.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let settings = RecurrentSettings::new(3);
    assert!(refused(&[4], settings).contains("three axes"));
    assert!(refused(&[0, 2], settings).contains("three axes"));
    assert!(refused(&[4, 2], RecurrentSettings::new(0)).contains("hidden size"));
    assert!(refused(&[4, 2], RecurrentSettings { num_layers: 0, ..settings }).contains("layers"));
    let many = RecurrentSettings { num_layers: usize::MAX, ..settings };
    assert!(refused(&[4, 2], many).contains("1000 layers"));
    assert!(refused(&[4, 2], RecurrentSettings::new(usize::MAX)).contains("too large"));
}
