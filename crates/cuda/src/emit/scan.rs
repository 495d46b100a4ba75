//! Recurrences: emits the commands of the body once for each element of the sequences.

use candle_core::DType;
use eigenscape_runtime::{LoweredScan, Plan};

use crate::{Result, buffer::stored_as, builder::View, command::Place, compile::Compiler};

/// Emits the computation of all states; each application of the body reads the previous state from
/// the result.
pub(crate) fn emit<'a>(
    compiler: &mut Compiler<'a>,
    scan: &LoweredScan,
    body: &'a Plan,
    args: &[View],
    out: &View,
) -> Result<()> {
    let arena = compiler.builder.scratch(body.arena(), DType::U8);
    let operand = |index: usize, position: usize| {
        let arg = &args[index];
        let layout = scan.operand(body, index, &arg.layout, position);
        View { led: body.is_led(index), ..arg.by(layout) }
    };
    let constants = 1 + scan.scan.sequences..args.len();
    let constants = constants.map(|i| compiler.builder.in_order(&operand(i, 0), stored_as(body.dtype(i))));
    let constants: Vec<Place> = constants.collect::<Result<_>>()?;
    let mut state = operand(0, 0);
    for position in scan.scan.positions() {
        let next = out.by(scan.state(body, &out.layout, position));
        compiler.scoped(|compiler| {
            let mut inputs = vec![compiler.builder.in_order(&state, stored_as(body.dtype(0)))?];
            for i in 1..=scan.scan.sequences {
                inputs.push(compiler.builder.in_order(&operand(i, position), stored_as(body.dtype(i)))?);
            }
            inputs.extend(&constants);
            compiler.within(body, &inputs, arena, &next)
        })?;
        state = next;
    }
    Ok(())
}
