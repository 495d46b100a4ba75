//! Laws of `operations/scan`.

use eigenscape_program::transforms::{gradient, transpose};

use crate::common::*;

type Body = fn(&mut Graph, Value, &[Value], &[Value]) -> eigenscape_program::Result<Value>;

/// tanh(W h + x + b); without b if `w` has no second element.
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

/// A cell like that of an LSTM, with h and c in one state \[2, N, H\].
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

/// a ∘ s + b with elements a and b of two sequences: linear in s and b.
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

/// Operands that are not in row-major order: a broadcast initial state, a permuted sequence and a
/// transposed weight.
#[test]
fn laws_of_operands_that_do_not_lie_in_order() {
    for direction in BOTH {
        let shapes: [&[usize]; 3] = [&[1, 3], &[2, 4, 3], &[3, 3]];
        Subject::new(9, &shapes, |g, x| {
            let start = g.broadcast(x[0], &[2, 3])?;
            let (sequence, weight) = (g.permute(x[1], &[1, 0, 2])?, g.permute(x[2], &[1, 0])?);
            scan(g, &[start, sequence, weight], 1, direction, tanh_cell)
        })
        .obeys_all();
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

/// The gradient of Σ states² is a recurrence again; its laws cover second and third derivatives.
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
    // H v for the weights; its derivatives are third derivatives.
    let shapes: [&[usize]; 4] = [&[2, 1, 2], &[3, 1, 4], &[4, 2], &[4, 2]];
    Subject::new(7, &shapes, |g, x| {
        let states = scan(g, &x[..3], 1, Direction::Forward, packed_cell)?;
        let loss = squares(g, states)?;
        let slope = gradient(g, loss, &x[2..3])?[0];
        Ok(linearize(g, &[slope], &[(x[2], x[3])])?[0].unwrap())
    })
    .obeys_all();
}

/// The expected states are computed by hand.
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

/// A scan that looks up rows of a table by index agrees with the unrolled recurrence, both in its
/// states and in the gradient with respect to the table.
#[test]
fn elements_may_be_indices() -> Result<()> {
    const LENGTH: usize = 4;
    let mut graph = Graph::default();
    let [start, index, table] =
        [("s", &[2, 3][..]), ("i", &[LENGTH, 2]), ("t", &[5, 3])].map(|(n, s)| graph.input(n, s));
    let states = graph.scan(start, &[index], &[table], Direction::Forward, |g, state, x, w| {
        let rows = g.take(w[0], x[0])?;
        let sum = g.add(state, rows)?;
        g.function(ElementwiseFunction::Tanh, sum)
    })?;
    let (mut state, mut each) = (start, Vec::new());
    for t in 0..LENGTH {
        let element = graph.slice(index, 0, t, 1)?;
        let element = graph.reshape(element, &[2])?;
        let rows = graph.take(table, element)?;
        let sum = graph.add(state, rows)?;
        state = graph.function(ElementwiseFunction::Tanh, sum)?;
        each.push(graph.reshape(state, &[1, 2, 3])?);
    }
    let by_one = graph.concat(&each, 0)?;
    let slope = |graph: &mut Graph, states: Value| {
        let squares = graph.mul(states, states)?;
        let sum = graph.sum_all(squares)?;
        Ok::<_, eigenscape_program::Error>(gradient(graph, sum, &[table])?[0])
    };
    let outputs = [states, by_one, slope(&mut graph, states)?, slope(&mut graph, by_one)?];
    let mut numbers = Numbers::new(9);
    let indices = Tensor::new(&[[0_u32, 4], [1, 1], [3, 0], [4, 2]], &Device::Cpu)?;
    let at = [numbers.tensor(&[2, 3]), indices, numbers.tensor(&[5, 3])];
    let found = evaluate(&graph, &[start, index, table], &outputs, &at)?;
    for pair in found.chunks(2) {
        let error = (&pair[0] - &pair[1])?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
        assert!(error < 1e-12, "{error}");
    }
    Ok(())
}

/// As in the evaluation of residuals: the inputs have another type than that of the computation,
/// and one has a leading axis.
#[test]
fn operands_of_another_type_are_converted() -> Result<()> {
    let mut graph = Graph::default();
    let inputs = [("s", &[2, 3][..]), ("x", &[4, 2, 3]), ("w", &[3, 3])].map(|(n, s)| graph.input(n, s));
    let states = scan(&mut graph, &inputs, 1, Direction::Reverse, tanh_cell)?;
    let program = Executable::new(&graph, &inputs, &[states])?;
    let mut numbers = Numbers::new(10);
    let at = [numbers.tensor(&[2, 3]), numbers.tensor(&[5, 4, 2, 3]), numbers.tensor(&[3, 3])];
    let at: Vec<Tensor> = at.iter().map(|x| x.to_dtype(DType::F32)).collect::<candle_core::Result<_>>()?;
    let run = |backend: &dyn eigenscape_runtime::Backend| {
        let found = program.run_rounded(backend, at.clone(), DType::F64, DType::F32)?.remove(0);
        Ok::<_, eigenscape_runtime::Error>(found.flatten_all()?.to_vec1::<f32>()?)
    };
    let defined = run(&eigenscape_cpu::Plain::default())?;
    for backend in eigenscape_laws::backends() {
        let found = run(&*backend)?;
        let error = found.iter().zip(&defined).fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()));
        assert!(error < 1e-6, "{}: {error}", backend.name());
    }
    Ok(())
}
