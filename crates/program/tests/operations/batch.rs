//! Compares the batching rule of each operation with separate evaluations.

use eigenscape_program::{Batched, Program, transforms::batch};

use crate::common::*;

const EVALUATIONS: usize = 3;

/// Batched and separate evaluations of the output of `build` agree, for each choice of operands
/// with the leading axis.
fn obeys(shapes: &[&[usize]], build: impl Fn(&mut Graph, &[Value]) -> eigenscape_program::Result<Value>) {
    let mut one = Graph::default();
    let inputs: Vec<Value> = shapes.iter().map(|shape| one.input("x", shape)).collect();
    let output = build(&mut one, &inputs).unwrap();
    let program = Program::new(&one, &inputs, &[output]).unwrap();
    for subset in 1_usize..1 << shapes.len() {
        let led = |i: usize| subset >> i & 1 == 1;
        let mut numbers = Numbers::new(subset as u64);
        let mut all = Graph::default();
        let (mut operands, mut at) = (Vec::new(), Vec::new());
        for (i, shape) in shapes.iter().enumerate() {
            let lead = led(i).then_some(EVALUATIONS);
            let shape: Vec<usize> = lead.into_iter().chain(shape.iter().copied()).collect();
            operands.push(Batched { value: all.input("x", &shape), led: led(i) });
            at.push(numbers.tensor(&shape));
        }
        let batched = batch(&mut all, &program, &operands).unwrap()[0];
        assert!(batched.led, "{subset:b}");
        assert_eq!(batched.declared(&all), one.shape(output), "{subset:b}");
        let operands: Vec<Value> = operands.iter().map(|operand| operand.value).collect();
        let together = evaluate(&all, &operands, &[batched.value], &at).unwrap().remove(0);
        for t in 0..EVALUATIONS {
            let own = |(i, x): (usize, &Tensor)| if led(i) { x.get(t).unwrap() } else { x.clone() };
            let own: Vec<Tensor> = at.iter().enumerate().map(own).collect();
            let alone = evaluate(&one, &inputs, &[output], &own).unwrap().remove(0);
            let together = together.get(t).unwrap().to_dtype(DType::F64).unwrap();
            let error = (together - alone.to_dtype(DType::F64).unwrap()).unwrap().abs().unwrap();
            let error = error.flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
            assert!(error < 1e-12, "operands {subset:b}, evaluation {t}: {error}");
        }
    }
}

/// 1 where x > 0, else 0.
fn index(graph: &mut Graph, x: Value) -> eigenscape_program::Result<Value> {
    graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, x)
}

#[test]
fn of_single_numbers_and_views() {
    obeys(&[&[2, 3], &[2, 3]], |g, x| g.add(x[0], x[1]));
    obeys(&[&[2, 3], &[2, 3]], |g, x| g.mul(x[0], x[1]));
    obeys(&[&[2, 3]], |g, x| g.scale(x[0], -0.5));
    obeys(&[&[2, 3]], |g, x| g.function(ElementwiseFunction::Tanh, x[0]));
    obeys(&[&[2, 3]], |g, x| g.detach(x[0]));
    obeys(&[&[2, 1]], |g, x| g.broadcast(x[0], &[2, 4]));
    obeys(&[&[2, 6]], |g, x| g.reshape(x[0], &[3, 4]));
    obeys(&[&[2, 3, 4]], |g, x| g.permute(x[0], &[2, 0, 1]));
    obeys(&[&[2, 5]], |g, x| g.slice(x[0], 1, 2, 2));
    obeys(&[&[2, 3]], |g, x| g.pad(x[0], 0, 1, 2));
    obeys(&[&[2, 3, 4]], |g, x| g.sum(x[0], &[0, 2]));
    obeys(&[&[2, 3], &[2, 1]], |g, x| g.concat(&[x[0], x[1]], 1));
    // A constant has no operands, and is the same in all evaluations.
    obeys(&[&[3, 3]], |g, x| {
        let identity = g.identity(3)?;
        g.add(x[0], identity)
    });
}

#[test]
fn of_products() {
    obeys(&[&[2, 4], &[3, 4]], |g, x| g.linear(x[0], x[1]));
    obeys(&[&[2, 2, 3, 2], &[4, 3, 2]], |g, x| {
        g.matmul(x[0], x[1], MatMul { batch: vec![[1, 2]], contract: vec![[2, 1]] })
    });
    obeys(&[&[3], &[3]], |g, x| g.matmul(x[0], x[1], MatMul { batch: vec![], contract: vec![[0, 0]] }));
}

#[test]
fn of_convolutions() -> Result<()> {
    let settings = ConvSettings { stride: 2, padding: 1, groups: 2, ..ConvSettings::default() };
    let shapes = ConvShapes::new(&[2, 4, 5, 4], &[6, 2, 3, 2], settings)?;
    for of in [ConvArgument::Y, ConvArgument::X, ConvArgument::W] {
        let operands = match of {
            ConvArgument::Y => [&shapes.x, &shapes.w],
            ConvArgument::X => [&shapes.y, &shapes.w],
            ConvArgument::W => [&shapes.x, &shapes.y],
        };
        let operation = Conv2d { of, shapes: shapes.clone() };
        obeys(&operands.map(|shape| shape.as_slice()), |g, x| g.emit(operation.clone(), x));
    }
    Ok(())
}

#[test]
fn of_choices_and_rows() {
    obeys(&[&[2, 3]], |g, x| g.argmax(x[0], 0.0));
    obeys(&[&[2, 4], &[2]], |g, x| {
        let index = index(g, x[1])?;
        g.differences(x[0], index)
    });
    obeys(&[&[2, 4], &[2]], |g, x| {
        let index = index(g, x[1])?;
        g.differences_transpose(x[0], index)
    });
    obeys(&[&[2, 4], &[2, 3]], |g, x| {
        let index = index(g, x[1])?;
        g.emit(Gather, &[x[0], index])
    });
    obeys(&[&[2, 3], &[2, 3]], |g, x| {
        let index = index(g, x[1])?;
        g.emit(ScatterAdd { size: 4 }, &[x[0], index])
    });
    obeys(&[&[3, 2], &[2, 2]], |g, x| {
        let index = index(g, x[1])?;
        g.take(x[0], index)
    });
    obeys(&[&[2, 2, 3], &[2, 2]], |g, x| {
        let index = index(g, x[1])?;
        g.emit(PutRows { rows: 3 }, &[x[0], index])
    });
    obeys(&[&[2, 3]], |g, x| g.one_hot_max(x[0]));
}

#[test]
fn of_windows() {
    let settings = PoolSettings { kernel: 2, stride: 1, padding: 1 };
    obeys(&[&[2, 2, 3, 4]], |g, x| g.max_pool2d(x[0], settings));
    obeys(&[&[2, 2, 3, 4]], |g, x| g.avg_pool2d(x[0], settings));
    obeys(&[&[1, 2, 4, 5]], |g, x| {
        let pooled = g.avg_pool2d(x[0], settings)?;
        let node = g.operation(g.args(pooled)[0]).unwrap();
        node.operation.rules().transpose(g, &node, 0, pooled)
    });
}

#[test]
fn of_recurrences() {
    for direction in [Direction::Forward, Direction::Reverse] {
        obeys(&[&[2], &[3, 2], &[2, 2]], |g, x| {
            g.scan(x[0], &x[1..2], &x[2..], direction, |g, state, x, w| {
                let own = g.linear(state, w[0])?;
                let sum = g.add(own, x[0])?;
                g.function(ElementwiseFunction::Tanh, sum)
            })
        });
        // The body returns a constant, which may lack the leading axis that the states have.
        obeys(&[&[2], &[3, 2], &[2]], |g, x| {
            g.scan(x[0], &x[1..2], &x[2..], direction, |_, _, _, w| Ok(w[0]))
        });
    }
}

#[test]
fn a_plugins_operation_without_a_rule_is_named() {
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Own;
    impl eigenscape_program::Primitive for Own {
        fn name(&self) -> &'static str {
            "own"
        }

        fn shape(&self, args: &[&[usize]]) -> eigenscape_program::Result<Vec<usize>> {
            Ok(args[0].to_vec())
        }

        fn linearity(&self) -> eigenscape_program::Linearity {
            eigenscape_program::Linearity::Linear
        }
    }
    let mut graph = Graph::default();
    let x = graph.input("x", &[2]);
    let own: std::sync::Arc<dyn eigenscape_program::Primitive> = std::sync::Arc::new(Own);
    let y = graph.emit(own, &[x]).unwrap();
    let program = Program::new(&graph, &[x], &[y]).unwrap();
    let all = graph.input("all", &[3, 2]);
    let refused = batch(&mut graph, &program, &[Batched::led(all)]).unwrap_err().to_string();
    assert!(refused.contains("own has no rule for many evaluations at once"), "{refused}");
}
