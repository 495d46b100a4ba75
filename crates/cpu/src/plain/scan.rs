//! The reference implementation of recurrences: applies the body once for each element of the
//! sequences.

use eigenscape_program::{Program, operations::Scan};
use eigenscape_runtime::{Array, Definitions};

use super::operations;
use crate::Result;

/// Fills `out` with all states.
pub(super) fn evaluate(
    scan: &Scan,
    definitions: &Definitions,
    args: &[Array],
    out: &mut [f64],
) -> Result<()> {
    let size: usize = scan.state().iter().product();
    let mut state = args[0].numbers.to_vec();
    for t in scan.positions() {
        let mut inputs = vec![state];
        for (i, arg) in args.iter().enumerate().skip(1) {
            let len: usize = scan.body.shapes()[i].iter().product();
            let start = if scan.is_sequence(i) { t * len } else { 0 };
            inputs.push(arg.numbers[start..start + len].to_vec());
        }
        state = apply(&scan.body, definitions, inputs)?;
        out[t * size..][..size].copy_from_slice(&state);
    }
    Ok(())
}

/// Evaluates a program with one output.
fn apply(program: &Program, definitions: &Definitions, inputs: Vec<Vec<f64>>) -> Result<Vec<f64>> {
    let mut slots = inputs;
    for step in program.steps() {
        let shapes = program.shapes();
        let arg = |&slot: &usize| Array { dims: &shapes[slot], numbers: &slots[slot] };
        let args: Vec<Array> = step.args.iter().map(arg).collect();
        let mut result = vec![0.0; shapes[slots.len()].iter().product()];
        operations::evaluate(&step.operation, definitions, &args, &mut result)?;
        slots.push(result);
    }
    Ok(slots.swap_remove(program.outputs()[0]))
}
