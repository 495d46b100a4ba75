//! The transpose of a recurrence that is linear: a recurrence in the other direction.

use super::{
    Scan,
    body::{Body, for_all, previous},
    linear::LinearRecurrence,
};
use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::NodeRef,
    transforms::transpose,
};

/// The cotangent of the first state or of a sequence, from the states' c̄.
///
/// With f = A_t c_{t−1} + D_t x_t, what of a state's cotangent passes to the one before it is
/// μ_t = A_tᵀ(c̄_t + μ_{t+1}). That is a recurrence from the last t to the first, with the
/// coefficients of the same t. Then c̄₀ = μ₁ and x̄_t = D_tᵀ(c̄_t + μ_{t+1}).
pub(super) fn cotangent(
    scan: &Scan,
    graph: &mut Graph,
    node: &NodeRef,
    wrt: usize,
    cotangent: Value,
) -> Result<Value> {
    if wrt > scan.sequences {
        let problem = "a scan is transposed in its first state and its sequences, not in its constants";
        return Err(Error::Unsupported(problem.to_owned()));
    }
    let mut body = Body::new(scan)?;
    let known = body.operands(scan, &node.args);
    let zero = graph.fill(0.0, scan.state())?;
    let passed = passed_back(scan, graph, &mut body, &known, (cotangent, zero))?;
    let opposite = scan.direction.opposite();
    match (wrt, passed) {
        (0, None) => Ok(zero),
        (0, Some(passed)) => graph.last_state(passed, opposite),
        (_, None) => of_sequence(scan, graph, &mut body, known, wrt, cotangent),
        (_, Some(passed)) => {
            let later = previous(graph, zero, passed, opposite)?;
            let total = graph.add(cotangent, later)?;
            of_sequence(scan, graph, &mut body, known, wrt, total)
        }
    }
}

/// μ \[T, ...\]; `None` where no state depends on the one before it.
fn passed_back(
    scan: &Scan,
    graph: &mut Graph,
    body: &mut Body,
    known: &[(Value, Batched)],
    (cotangent, zero): (Value, Value),
) -> Result<Option<Value>> {
    let later = body.like_state("passed back");
    let direct = body.like_state("cotangent");
    let total = body.graph.add(direct, later)?;
    let pulled = transpose(&mut body.graph, &[(body.next, total)], &[body.state])?[0];
    let Some(next) = pulled else { return Ok(None) };
    body.check_linear(next, &[body.state])?;
    let recurrence = LinearRecurrence {
        body: &body.graph,
        known,
        state: (later, zero),
        driven_by: Some((direct, cotangent)),
        next,
        length: scan.length,
        direction: scan.direction.opposite(),
    };
    recurrence.emit(graph).map(Some)
}

/// D_tᵀ λ_t for all t, from the states' whole cotangents λ.
fn of_sequence(
    scan: &Scan,
    graph: &mut Graph,
    body: &mut Body,
    mut known: Vec<(Value, Batched)>,
    wrt: usize,
    total: Value,
) -> Result<Value> {
    let own = body.like_state("cotangent of the state");
    known.push((own, Batched::led(total)));
    let element = body.others[wrt - 1];
    let Some(pulled) = transpose(&mut body.graph, &[(body.next, own)], &[element])?[0] else {
        return graph.fill(0.0, &scan.operand(wrt));
    };
    body.check_linear(pulled, &[body.state, element])?;
    let found = for_all(graph, &body.graph, &known, &[pulled])?;
    found[0].repeated(graph, scan.length)
}
