//! Many evaluations of a program as one, with a leading axis on some of its inputs.

use crate::{Batched, Graph, Program, error::Result};

/// Emits `program` on operands of which some have one more leading axis, all of the same size. An
/// output that depends on such an operand also has the leading axis: its t-th element is the output
/// of the t-th evaluation. The other outputs are emitted once and shared by all evaluations.
///
/// # Errors
/// When the operands do not fit the inputs, or an operation has no batching rule
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
