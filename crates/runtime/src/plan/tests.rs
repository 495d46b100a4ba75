use eigenscape_program::{ElementwiseFunction, Graph, Operation, Program, Value, operations::Direction};

use super::*;
use crate::{
    backend::{Fusion, Planning},
    placement::aligned,
    workspace::{Operand, Workspace},
};

/// Workspaces as on the CPU for few numbers: a partial sum, and copies of factors out of order.
const PLANNING: Planning = Planning::of_host(Fusion::ALL, Workspace::new("test", workspace));

fn workspace(kernel: &Kernel, args: &[Operand], _: Operand, _: DType) -> usize {
    let copy = |arg: &Operand| match arg.layout.is_in_order() {
        true => 0,
        false => aligned(bytes(arg.layout.elements(), arg.dtype)),
    };
    match kernel {
        Kernel::Operation(Operation::Sum(_)) => aligned(8),
        Kernel::Chain(chain) if chain.sum.is_some() => aligned(8),
        Kernel::Operation(Operation::MatMul(_)) => args.iter().map(copy).sum(),
        _ => 0,
    }
}

/// The plan for one input, which may have a leading axis.
fn plan(graph: &Graph, input: Value, outputs: &[Value], change: impl Fn(&mut Signature)) -> Result<Plan> {
    let program = Program::new(graph, &[input], outputs)?;
    let mut signature = Signature::plain(1, DType::F32);
    change(&mut signature);
    Ok(Plan::new(&Lowered::new(&program, PLANNING), signature))
}

fn in_f64(signature: &mut Signature) {
    signature.compute = DType::F64;
}

#[test]
fn outputs_that_are_rounded_take_less_as_soon_as_they_are_finished() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[10]);
    let mut chain = vec![x];
    for i in 0..4 {
        chain.push(graph.function(ElementwiseFunction::Exp, chain[i])?);
    }
    let whole = plan(&graph, x, &chain[1..], |_| ())?;
    assert_eq!(whole.footprint(), Footprint { arena: 0, outputs: 4 * 40 });
    let rounded = plan(&graph, x, &chain[1..], in_f64)?;
    // Two values in f64 at a time, each of 80 bytes rounded up to 128.
    assert_eq!(rounded.footprint(), Footprint { arena: 2 * 128, outputs: 4 * 40 });
    Ok(())
}

#[test]
fn inputs_that_are_converted_are_so_by_each_step_that_uses_them() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[10, 2]);
    let rows = graph.permute(x, &[1, 0])?;
    let exp = graph.function(ElementwiseFunction::Exp, rows)?;
    let sum = graph.sum_all(exp)?;
    // The exponentials, 80 bytes rounded up to 128, and a partial sum.
    assert_eq!(plan(&graph, x, &[sum], |_| ())?.footprint(), Footprint { arena: 128 + 64, outputs: 4 });
    // The exponentials in f64, and their converted operand, which is a view of the input.
    let exact = plan(&graph, x, &[sum], in_f64)?;
    assert_eq!(exact.footprint(), Footprint { arena: 2 * 192, outputs: 4 });
    assert_eq!((exact.stored(1), exact.dtype(1)), (DType::F32, DType::F64));
    let converts = Conversion { operand: 0, numbers: 0..20, offset: 0 };
    assert_eq!(exact.steps()[1].converts, [converts]);
    Ok(())
}

#[test]
fn counts_each_memory_once_and_frees_it_with_its_last_view() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[10]);
    let exp = graph.function(ElementwiseFunction::Exp, x)?; // 10 numbers
    let view = graph.reshape(exp, &[2, 5])?; // none
    let rows = graph.permute(view, &[1, 0])?; // none
    let copy = graph.reshape(rows, &[10])?; // 10: a view out of order cannot be reshaped in place
    let both = graph.mul(copy, copy)?; // none: summed as it is computed
    let sum = graph.sum_all(both)?; // 1
    // exp and its copy, then the copy and the partial sum.
    assert_eq!(plan(&graph, x, &[sum], |_| ())?.footprint(), Footprint { arena: 2 * 64, outputs: 4 });
    // A leading axis of 3 on the input is inherited by everything that depends on it.
    let led = |signature: &mut Signature| (signature.lead, signature.inputs[0].led) = (3, true);
    assert_eq!(plan(&graph, x, &[sum], led)?.footprint(), Footprint { arena: 2 * 128, outputs: 12 });
    let kept = plan(&graph, x, &[rows, sum], |_| ())?;
    assert_eq!(kept.footprint(), Footprint { arena: 2 * 64, outputs: 44 });
    Ok(())
}

#[test]
fn says_where_slots_lie_before_outputs_are_rounded() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[4, 6]);
    let exp = graph.function(ElementwiseFunction::Exp, x)?;
    let below = graph.slice(exp, 0, 2, 2)?;
    let turned = graph.permute(below, &[1, 0])?;
    let flat = graph.reshape(below, &[12])?;
    let tanh = graph.function(ElementwiseFunction::Tanh, flat)?;
    let change = |signature: &mut Signature| {
        in_f64(signature);
        (signature.lead, signature.inputs[0].led) = (3, true);
    };
    let planned = plan(&graph, x, &[turned, tanh], change)?;
    let at = |start: usize, dims: &[usize], strides: &[usize]| Layout {
        start,
        dims: dims.to_vec(),
        strides: strides.to_vec(),
    };
    let expected = [
        at(0, &[3, 4, 6], &[24, 6, 1]),
        at(0, &[3, 4, 6], &[24, 6, 1]),
        at(12, &[3, 2, 6], &[24, 6, 1]),
        at(12, &[3, 6, 2], &[24, 1, 6]),
        // A copy, since the slice has gaps between elements of the leading axis.
        at(0, &[3, 12], &[12, 1]),
        at(0, &[3, 12], &[12, 1]),
    ];
    for (slot, expected) in expected.iter().enumerate() {
        assert_eq!((planned.layout(slot), planned.dtype(slot)), (expected, DType::F64), "{slot}");
    }
    let rounded: Vec<usize> = planned.steps().iter().flat_map(|step| &step.settles).copied().collect();
    assert_eq!(rounded, [3, 5]);
    Ok(())
}

#[test]
fn a_sum_over_a_slice_lies_where_the_slice_does() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[4, 4]);
    let square = graph.linear(x, x)?;
    let below = graph.slice(square, 0, 2, 2)?;
    let above = graph.slice(x, 0, 0, 2)?;
    let sum = graph.add(below, above)?;
    let last = graph.linear(sum, x)?;
    let planned = plan(&graph, x, &[last], |_| ())?;
    let added = planned.steps().iter().position(|step| step.over.is_some());
    let added = added.map(|step| planned.layout(step + 1));
    assert_eq!(added, Some(&Layout { start: 8, ..Layout::in_order(&[2, 4]) }));
    Ok(())
}

#[test]
fn a_sum_takes_the_memory_of_an_operand_that_dies_in_it() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[10, 10]);
    let square = graph.linear(x, x)?;
    let cube = graph.linear(square, x)?;
    let sum = graph.add(square, cube)?;
    let last = graph.linear(sum, x)?;
    let planned = plan(&graph, x, &[last], |_| ())?;
    assert_eq!(planned.steps()[2].over, Some(0));
    // The arena holds the square and the cube.
    assert_eq!(planned.footprint(), Footprint { arena: 2 * 448, outputs: 400 });
    // An operand that another step needs is not written over.
    let beside = graph.linear(square, sum)?;
    assert_eq!(plan(&graph, x, &[last, beside], |_| ())?.steps()[2].over, Some(1));
    Ok(())
}

#[test]
fn bytes_are_those_of_operands_and_results_and_not_of_views() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[4, 5]);
    let turned = graph.permute(x, &[1, 0])?;
    let exp = graph.function(ElementwiseFunction::Exp, turned)?; // 20 + 20
    let row = graph.slice(exp, 0, 0, 1)?;
    let wide = graph.broadcast(row, &[6, 4])?;
    let tanh = graph.function(ElementwiseFunction::Tanh, wide)?; // 4 + 24
    assert_eq!(plan(&graph, x, &[tanh], |_| ())?.bytes_moved(), 4 * 68);
    Ok(())
}

#[test]
fn an_output_is_computed_in_its_own_memory_where_it_is_all_of_a_result() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[4, 5]);
    let exp = graph.function(ElementwiseFunction::Exp, x)?;
    let flat = graph.reshape(exp, &[20])?;
    let part = graph.slice(flat, 0, 5, 10)?;
    let ones = graph.fill(1.0, &[3])?;
    let planned = plan(&graph, x, &[part, x, flat, ones, flat], |_| ())?;
    assert_eq!(planned.results(), [3, 2, 4]);
    // The exponentials lie in the memory of the second output, in another shape; the first output
    // is a part of it.
    assert_eq!([1, 2, 3].map(|slot| planned.home(slot)), [Home::Result(1); 3]);
    let settled = planned.steps().iter().map(|step| step.settles.clone());
    assert_eq!(settled.collect::<Vec<_>>(), [vec![], vec![], vec![3], vec![4]]);
    assert_eq!(planned.footprint(), Footprint { arena: 64, outputs: 80 + 40 + 12 });
    // An output that is rounded is not computed in its own memory.
    let rounded = plan(&graph, x, &[part, flat], in_f64)?;
    assert!(matches!(rounded.home(2), Home::Arena(_)) && rounded.steps()[2].settles == [2, 3]);
    Ok(())
}

/// The range of bytes of the arena in which a slot lies.
fn range(plan: &Plan, slot: usize) -> Option<Range<usize>> {
    let Home::Arena(start) = plan.home(slot) else { return None };
    let size = plan.dtype(slot).size_in_bytes();
    let reach = plan.layout(slot).reach();
    Some(start + reach.start * size..start + reach.end * size)
}

#[test]
fn what_a_step_writes_is_nowhere_that_is_needed() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[40, 30]);
    let mut last = x;
    let mut outputs = Vec::new();
    for i in 0..6 {
        let square = graph.linear(last, last)?; // [40, 40]
        let wide = graph.linear(square, square)?;
        let sum = graph.add(square, wide)?;
        let turned = graph.permute(sum, &[1, 0])?;
        let flat = graph.reshape(turned, &[1600])?;
        let part = graph.slice(flat, 0, 100 * i, 1000)?;
        let exp = graph.function(ElementwiseFunction::Exp, part)?;
        outputs.push(graph.sum_all(exp)?);
        outputs.push(turned);
        let top = graph.slice(sum, 0, 0, 30)?;
        last = graph.permute(top, &[1, 0])?;
    }
    let as_it_is: fn(&mut Signature) = |_| ();
    for change in [as_it_is, in_f64, |signature| (signature.lead, signature.inputs[0].led) = (3, true)] {
        let plan = plan(&graph, x, &outputs, change)?;
        let mut needed: Vec<usize> = Vec::new();
        for (index, step) in plan.steps().iter().enumerate() {
            let slot = index + 1;
            let over = step.over.map(|operand| step.args[operand]);
            let later = plan.steps()[index..].iter().flat_map(|step| step.args.iter().chain(&step.settles));
            let later: Vec<usize> = later.copied().collect();
            needed.retain(|slot| later.contains(slot) && Some(*slot) != over);
            let written = if step.view { None } else { range(&plan, slot) };
            for written in [written, Some(step.own.clone())].into_iter().flatten() {
                assert!(written.end <= plan.arena());
                for needed in needed.iter().filter_map(|slot| range(&plan, *slot)) {
                    let apart = written.end <= needed.start || needed.end <= written.start;
                    assert!(apart || written.is_empty(), "step {index}: {written:?} {needed:?}");
                }
            }
            needed.push(slot);
        }
    }
    Ok(())
}

#[test]
fn a_recurrence_holds_the_arena_of_its_body_and_what_does_not_lie_in_order() -> Result<()> {
    let mut graph = Graph::default();
    let x = graph.input("x", &[16, 3]);
    let sequence = graph.permute(x, &[1, 0])?;
    let start = graph.fill(1.0, &[16])?;
    let states = graph.scan(start, &[sequence], &[], Direction::Forward, |graph, state, x, _| {
        let product = graph.mul(state, x[0])?;
        graph.function(ElementwiseFunction::Exp, product)
    })?;
    // The number that the start repeats, a product, and copies of the start and of an element.
    assert_eq!(plan(&graph, x, &[states], |_| ())?.footprint(), Footprint { arena: 4 * 64, outputs: 192 });
    // With a leading axis two states in the place of the start.
    let led = |signature: &mut Signature| (signature.lead, signature.inputs[0].led) = (2, true);
    let arena = 64 + 128 + 128 + 2 * 128;
    let led = plan(&graph, x, &[states], led)?;
    assert_eq!(led.footprint(), Footprint { arena, outputs: 384 });
    let step = led.steps().last().and_then(|step| step.body.as_deref());
    assert_eq!(step.map(|body| (body.footprint().peak(), body.is_led(0))), Some((128 + 128, true)));
    Ok(())
}
