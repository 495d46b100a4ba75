//! Many evaluations of a program as one: a leading axis on some of its inputs.

use crate::{Batched, Graph, Program, error::Result};

/// Emits `program` on operands of which some have one more leading axis, of one size. An output that
/// depends on one of these has that axis, too: its t-th element is the output on the t-th elements.
/// The others are emitted once for all.
///
/// # Errors
/// When the operands do not fit the inputs, or an operation has no rule for it
/// ([`Primitive::batch`](crate::Primitive::batch)).
pub fn batch(graph: &mut Graph, program: &Program, operands: &[Batched]) -> Result<Vec<Batched>> {
    let declared: Vec<&[usize]> = operands.iter().map(|operand| operand.declared(graph)).collect();
    program.check_inputs(&declared)?;
    let mut slots = operands.to_vec();
    for step in program.steps() {
        let args: Vec<Batched> = step.args.iter().map(|&slot| slots[slot]).collect();
        slots.push(if args.iter().any(|arg| arg.led) {
            Batched::led(step.operation.rules().batch(graph, &args)?)
        } else {
            let args: Vec<_> = args.iter().map(|arg| arg.value).collect();
            Batched::shared(graph.emit(step.operation.clone(), &args)?)
        });
    }
    Ok(program.outputs().iter().map(|&slot| slots[slot]).collect())
}
