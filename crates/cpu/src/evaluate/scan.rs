//! Recurrences: the plan of the body, run for one element of the sequences after the other.

use candle_core::{Device, Tensor};
use eigenscape_program::operations::Scan;
use eigenscape_runtime::{Backend, Buffer, Plan};

use super::{Operand, behind, common_lead};
use crate::{Cpu, Result, kernels};

/// All states, in the type in which the plan of the body computes.
pub(crate) fn scan(cpu: &Cpu, scan: &Scan, body: &Plan, args: &[Operand]) -> Result<Tensor> {
    let lead = common_lead(args);
    let (along, shape) = (usize::from(lead.is_some()), behind(lead, scan.state()));
    let dims = behind(lead, &[&[scan.length], scan.state()].concat());
    let dtype = body.signature().compute;
    kernels::make_room(dims.iter().product::<usize>() * dtype.size_in_bytes());
    let states = Tensor::zeros(dims, dtype, &Device::Cpu)?;
    // A state has the leading axis in every application of the body, if any operand has it.
    let in_shape = |state: &Tensor| state.broadcast_as(shape.as_slice())?.contiguous();
    let constants = args.iter().skip(1 + scan.sequences).map(|arg| arg.tensor.contiguous());
    let constants: Vec<Tensor> = constants.collect::<candle_core::Result<_>>()?;
    let mut state = match lead {
        Some(_) if !args[0].led => in_shape(&args[0].tensor.unsqueeze(0)?)?,
        _ => in_shape(args[0].tensor)?,
    };
    for t in scan.positions() {
        let mut inputs: Vec<Buffer> = vec![state.into()];
        for sequence in &args[1..=scan.sequences] {
            let axis = sequence.shift();
            inputs.push(sequence.tensor.narrow(axis, t, 1)?.squeeze(axis)?.contiguous()?.into());
        }
        inputs.extend(constants.iter().cloned().map(Buffer::from));
        let next = Buffer::all_to_host(cpu.run(body, inputs)?)?.remove(0);
        state = in_shape(&next)?;
        states.slice_set(&state.unsqueeze(along)?, along, t)?;
    }
    Ok(states)
}
