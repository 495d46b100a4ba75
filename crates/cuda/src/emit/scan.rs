//! Recurrences: the commands of the body once for each element of the sequences.

use eigenscape_program::operations::Scan;
use eigenscape_runtime::{Layout, Plan};

use crate::{
    Result,
    buffer::stored_as,
    command::Place,
    compile::{Builder, View},
};

/// Emits all states, of which each is where the next application of the body finds it.
pub(crate) fn emit<'a>(
    builder: &mut Builder<'a>,
    scan: &Scan,
    body: &'a Plan,
    args: &[View],
    out: &View,
) -> Result<()> {
    let mut constants = Vec::new();
    for (i, arg) in args.iter().enumerate().skip(1 + scan.sequences) {
        constants.push(builder.in_order(arg, stored_as(body.dtype(i)))?);
    }
    let mut state = match out.lead() {
        Some(lead) if !args[0].led => repeated(&args[0], lead),
        _ => args[0].clone(),
    };
    for t in scan.positions() {
        let next = at(out, t);
        builder.scoped(|builder| {
            let mut inputs: Vec<Place> = vec![builder.in_order(&state, stored_as(body.dtype(0)))?];
            for (i, arg) in args.iter().enumerate().skip(1).take(scan.sequences) {
                inputs.push(builder.in_order(&at(arg, t), stored_as(body.dtype(i)))?);
            }
            inputs.extend(&constants);
            builder.within(body, &inputs, &next)
        })?;
        state = next;
    }
    Ok(())
}

/// Element t of a sequence, which has the leading axis if the sequence has.
fn at(sequence: &View, t: usize) -> View {
    let axis = usize::from(sequence.led);
    let mut layout = sequence.layout.narrow(axis, t, 1);
    layout.dims.remove(axis);
    layout.strides.remove(axis);
    sequence.by(layout)
}

/// The same numbers for each element of the leading axis.
pub(crate) fn repeated(view: &View, lead: usize) -> View {
    let Layout { start, dims, strides } = &view.layout;
    let layout = Layout {
        start: *start,
        dims: [&[lead], dims.as_slice()].concat(),
        strides: [&[0], strides.as_slice()].concat(),
    };
    View { led: true, ..view.by(layout) }
}
