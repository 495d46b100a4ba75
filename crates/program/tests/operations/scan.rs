//! Laws of `operations/scan.rs`.

use eigenscape_program::transforms::{gradient, transpose};

use crate::common::*;

type Body = fn(&mut Graph, Value, &[Value], &[Value]) -> eigenscape_program::Result<Value>;

/// tanh(W h + x), also where a bias is a constant.
fn tanh_cell(graph: &mut Graph, h: Value, x: &[Value], w: &[Value]) -> eigenscape_program::Result<Value> {
    let own = graph.linear(h, w[0])?;
    let mut sum = graph.add(own, x[0])?;
    if let Some(bias) = w.get(1) {
        let shape = graph.shape(sum).to_vec();
        let bias = graph.broadcast_along(*bias, 1, &shape)?;
        sum = graph.add(sum, bias)?;
    }
    graph.function(ElementwiseFunction::Tanh, sum)
}

/// As an LSTM, of states \[2, N, H\].
fn packed_cell(graph: &mut Graph, s: Value, x: &[Value], w: &[Value]) -> eigenscape_program::Result<Value> {
    let &[_, samples, hidden] = graph.shape(s) else { unreachable!() };
    let part = |graph: &mut Graph, index: usize| {
        let part = graph.slice(s, 0, index, 1)?;
        graph.reshape(part, &[samples, hidden])
    };
    let (h, c) = (part(graph, 0)?, part(graph, 1)?);
    let own = graph.linear(h, w[0])?;
    let gates = graph.add(own, x[0])?;
    let gate = |graph: &mut Graph, index: usize, function: ElementwiseFunction| {
        let gate = graph.slice(gates, 1, index * hidden, hidden)?;
        graph.function(function, gate)
    };
    let (f, g) = (gate(graph, 0, ElementwiseFunction::Sigmoid)?, gate(graph, 1, ElementwiseFunction::Tanh)?);
    let (kept, new) = (graph.mul(f, c)?, graph.mul(f, g)?);
    let c = graph.add(kept, new)?;
    let squashed = graph.function(ElementwiseFunction::Tanh, c)?;
    let h = graph.mul(f, squashed)?;
    let (h, c) = (graph.reshape(h, &[1, samples, hidden])?, graph.reshape(c, &[1, samples, hidden])?);
    graph.concat(&[h, c], 0)
}

/// a ∘ s + b, in both of which it is linear, with a ∘ b of two sequences.
fn linear_cell(graph: &mut Graph, s: Value, x: &[Value], _: &[Value]) -> eigenscape_program::Result<Value> {
    let decayed = graph.mul(s, x[0])?;
    graph.add(decayed, x[1])
}

fn scan(
    graph: &mut Graph,
    x: &[Value],
    sequences: usize,
    direction: Direction,
    body: Body,
) -> eigenscape_program::Result<Value> {
    graph.scan(x[0], &x[1..=sequences], &x[1 + sequences..], direction, body)
}

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Reverse];

#[test]
fn laws_of_a_tanh_cell() {
    for (direction, length) in BOTH.into_iter().flat_map(|direction| [(direction, 4), (direction, 1)]) {
        let shapes: [&[usize]; 3] = [&[2, 3], &[length, 2, 3], &[3, 3]];
        Subject::new(1, &shapes, |g, x| scan(g, x, 1, direction, tanh_cell)).obeys_all();
    }
    let shapes: [&[usize]; 4] = [&[2, 3], &[3, 2, 3], &[3, 3], &[3]];
    Subject::new(2, &shapes, |g, x| scan(g, x, 1, Direction::Forward, tanh_cell)).obeys_all();
}

#[test]
fn laws_of_a_cell_of_two_states() {
    for direction in BOTH {
        let shapes: [&[usize]; 3] = [&[2, 2, 2], &[3, 2, 4], &[4, 2]];
        Subject::new(3, &shapes, |g, x| scan(g, x, 1, direction, packed_cell)).obeys_all();
    }
}

#[test]
fn laws_of_a_linear_cell() {
    for direction in BOTH {
        let shapes: [&[usize]; 3] = [&[2, 3], &[4, 2, 3], &[4, 2, 3]];
        Subject::new(4, &shapes, |g, x| scan(g, x, 2, direction, linear_cell)).obeys_all();
    }
}

#[test]
fn laws_of_bodies_that_hand_on_what_they_are_given() {
    let shapes: [&[usize]; 2] = [&[3], &[4, 3]];
    let summed = |g: &mut Graph, states: Value, x: &[Value]| {
        let all = g.sum(x[1], &[0])?;
        let all = g.add(all, states)?;
        let start = g.reshape(x[0], &[1, 3])?;
        g.add(all, start)
    };
    let bodies: [Body; 3] = [
        |_, state, _, _| Ok(state),
        |_, _, x, _| Ok(x[0]),
        |g, state, _, _| g.function(ElementwiseFunction::Relu, state),
    ];
    for body in bodies {
        Subject::new(5, &shapes, |g, x| {
            let states = scan(g, x, 1, Direction::Forward, body)?;
            let last = g.last_state(states, Direction::Forward)?;
            let last = g.reshape(last, &[1, 3])?;
            summed(g, last, x)
        })
        .obeys_all();
    }
}

/// Σ states² and its gradient are recurrences again: second and third derivatives.
#[test]
fn laws_of_its_derivatives() {
    let squares = |graph: &mut Graph, states: Value| {
        let squares = graph.mul(states, states)?;
        graph.sum_all(squares)
    };
    for direction in BOTH {
        let shapes: [&[usize]; 3] = [&[2, 2], &[3, 2, 2], &[2, 2]];
        Subject::new(6, &shapes, |g, x| {
            let states = scan(g, x, 1, direction, tanh_cell)?;
            let loss = squares(g, states)?;
            Ok(gradient(g, loss, &x[2..])?[0])
        })
        .obeys_all();
    }
    // vᵀ H v of the weights, whose gradient is a third derivative.
    let shapes: [&[usize]; 4] = [&[2, 1, 2], &[3, 1, 4], &[4, 2], &[4, 2]];
    Subject::new(7, &shapes, |g, x| {
        let states = scan(g, &x[..3], 1, Direction::Forward, packed_cell)?;
        let loss = squares(g, states)?;
        let slope = gradient(g, loss, &x[2..3])?[0];
        Ok(linearize(g, &[slope], &[(x[2], x[3])])?[0].unwrap())
    })
    .obeys_all();
}

/// One state after the other, by hand.
#[test]
fn goes_through_its_sequence_in_order() -> Result<()> {
    let mut graph = Graph::default();
    let [start, a, b] = [("s", &[1][..]), ("a", &[3, 1]), ("b", &[3, 1])].map(|(n, s)| graph.input(n, s));
    let forward = graph.scan(start, &[a, b], &[], Direction::Forward, linear_cell)?;
    let reverse = graph.scan(start, &[a, b], &[], Direction::Reverse, linear_cell)?;
    let column = |values: [f64; 3]| Tensor::new(&values, &Device::Cpu).unwrap().reshape((3, 1)).unwrap();
    let at = [Tensor::new(&[1.0], &Device::Cpu)?, column([2.0, 3.0, 4.0]), column([1.0, 10.0, 100.0])];
    let found = evaluate(&graph, &[start, a, b], &[forward, reverse], &at)?;
    assert_eq!(found[0].flatten_all()?.to_vec1::<f64>()?, [3.0, 19.0, 176.0]);
    assert_eq!(found[1].flatten_all()?.to_vec1::<f64>()?, [645.0, 322.0, 104.0]);
    Ok(())
}

#[test]
fn a_recurrence_within_a_recurrence_obeys_the_laws() {
    let shapes: [&[usize]; 3] = [&[2], &[3, 4, 2], &[2]];
    Subject::new(8, &shapes, |g, x| {
        g.scan(x[0], &[x[1]], &[x[2]], Direction::Forward, |g, state, x, w| {
            let states = g.scan(state, &[x[0]], w, Direction::Reverse, |g, state, x, w| {
                let decayed = g.mul(state, w[0])?;
                let sum = g.add(decayed, x[0])?;
                g.function(ElementwiseFunction::Tanh, sum)
            })?;
            g.last_state(states, Direction::Reverse)
        })
    })
    .obeys_all();
}

#[test]
fn what_is_not_linear_is_not_transposed() -> Result<()> {
    let mut graph = Graph::default();
    let [start, x, w, u] =
        [("s", &[2][..]), ("x", &[3, 2]), ("w", &[2]), ("u", &[3, 2])].map(|(n, s)| graph.input(n, s));
    let mut refused = |body: Body, sequences: &[Value], constants: &[Value], wrt: Value| {
        let states = graph.scan(start, sequences, constants, Direction::Forward, body).unwrap();
        transpose(&mut graph, &[(states, u)], &[wrt]).unwrap_err().to_string()
    };
    let product: Body = |g, state, x, _| g.mul(state, x[0]);
    let square: Body = |g, state, _, _| g.mul(state, state);
    let curved: Body = |g, state, _, _| g.function(ElementwiseFunction::Exp, state);
    let constant: Body = |g, state, _, w| g.add(state, w[0]);
    assert!(refused(product, &[x], &[], x).contains("multiplies what it should be linear in"));
    assert!(refused(square, &[x], &[], start).contains("multiplies what it should be linear in"));
    assert!(refused(curved, &[x], &[], start).contains("exp is not linear"));
    assert!(refused(constant, &[x], &[w], w).contains("not in its constants"));
    Ok(())
}

#[test]
fn what_is_no_recurrence_is_refused() {
    let mut graph = Graph::default();
    let [start, x, y] = [("s", &[2][..]), ("x", &[3, 2]), ("y", &[4, 2])].map(|(n, s)| graph.input(n, s));
    let empty = graph.input("empty", &[0, 2]);
    let mut refused = |sequences: &[Value], body: Body| {
        graph.scan(start, sequences, &[], Direction::Forward, body).unwrap_err().to_string()
    };
    let identity: Body = |_, state, _, _| Ok(state);
    assert!(refused(&[], identity).contains("needs a sequence"));
    assert!(refused(&[empty], identity).contains("nothing to go through"));
    assert!(refused(&[x, y], identity).contains("operands"));
    assert!(refused(&[x], |g, state, _, _| g.sum(state, &[0])).contains("a state of shape [1]"));
}
