//! Recurrences: emits the commands of the body once for each element of the sequences.

use candle_core::DType;
use eigenscape_runtime::{LoweredScan, Plan};

use crate::{
    Result,
    buffer::stored_as,
    command::Place,
    compile::{Builder, View},
};

/// Emits the computation of all states; each application of the body reads the previous state from
/// the result.
pub(crate) fn emit<'a>(
    builder: &mut Builder<'a>,
    scan: &LoweredScan,
    body: &'a Plan,
    args: &[View],
    out: &View,
) -> Result<()> {
    let arena = builder.scratch(body.arena(), DType::U8);
    let operand = |index: usize, position: usize| {
        let arg = &args[index];
        let layout = scan.operand(body, index, &arg.layout, position);
        View { led: body.is_led(index), ..arg.by(layout) }
    };
    let constants = 1 + scan.scan.sequences..args.len();
    let constants = constants.map(|i| builder.in_order(&operand(i, 0), stored_as(body.dtype(i))));
    let constants: Vec<Place> = constants.collect::<Result<_>>()?;
    let mut state = operand(0, 0);
    for position in scan.scan.positions() {
        let next = out.by(scan.state(body, &out.layout, position));
        builder.scoped(|builder| {
            let mut inputs = vec![builder.in_order(&state, stored_as(body.dtype(0)))?];
            for i in 1..=scan.scan.sequences {
                inputs.push(builder.in_order(&operand(i, position), stored_as(body.dtype(i)))?);
            }
            inputs.extend(&constants);
            builder.within(body, &inputs, arena, &next)
        })?;
        state = next;
    }
    Ok(())
}
