//! The tangent of a recurrence: another recurrence, linear in its states.

use super::{
    Scan,
    body::{Body, for_all, previous},
    linear::LinearRecurrence,
};
use crate::{
    Batched, Graph, Value,
    error::Result,
    primitive::NodeRef,
    transforms::{linearize, or_zero},
};

/// Emits the tangent ċ_t = ∂f/∂c ċ_{t−1} + b_t of the states. The direct part b_t = ∂f/∂x ẋ_t +
/// ∂f/∂w ẇ is computed for all t at once.
pub(super) fn tangent(
    scan: &Scan,
    graph: &mut Graph,
    node: &NodeRef,
    tangents: &[Option<Value>],
) -> Result<Option<Value>> {
    let mut body = Body::new(scan)?;
    let before = previous(graph, node.args[0], node.output, scan.direction)?;
    // The next state is also known: it is the scan's output. If the body returns an input
    // unchanged, that input's later entry in `known` replaces this one.
    let mut known = vec![(body.next, Batched::led(node.output)), (body.state, Batched::led(before))];
    known.extend(body.operands(scan, &node.args));
    let driven_by = direct_part(scan, graph, &mut body, &mut known, tangents)?;
    let own = body.like_state("tangent of the state");
    let through = linearize(&mut body.graph, &[body.next], &[(body.state, own)])?[0];
    let Some(mut next) = through.filter(|_| driven_by.is_some() || tangents[0].is_some()) else {
        return Ok(driven_by);
    };
    let mut driven = None;
    if let Some(sequence) = driven_by {
        let element = body.like_state("direct part");
        next = body.graph.add(next, element)?;
        driven = Some((element, sequence));
    }
    let start = or_zero(graph, tangents[0], scan.state())?;
    let recurrence = LinearRecurrence {
        body: &body.graph,
        known: &known,
        state: (own, start),
        driven_by: driven,
        next,
        length: scan.length,
        direction: scan.direction,
    };
    recurrence.emit(graph).map(Some)
}

/// Emits b \[T, ...\]; `None` if it is zero because no sequence or constant with a tangent affects
/// the next state.
fn direct_part(
    scan: &Scan,
    graph: &mut Graph,
    body: &mut Body,
    known: &mut Vec<(Value, Batched)>,
    tangents: &[Option<Value>],
) -> Result<Option<Value>> {
    let mut seeds = Vec::new();
    for (i, (&input, tangent)) in body.others.iter().zip(&tangents[1..]).enumerate() {
        let Some(value) = *tangent else { continue };
        let shape = body.graph.shape(input).to_vec();
        let own = body.graph.input("tangent", &shape);
        seeds.push((input, own));
        known.push((own, Batched { value, led: scan.is_sequence(i + 1) }));
    }
    let Some(direct) = linearize(&mut body.graph, &[body.next], &seeds)?[0] else { return Ok(None) };
    let found = for_all(graph, &body.graph, known, &[direct])?;
    found[0].repeated(graph, scan.length).map(Some)
}
