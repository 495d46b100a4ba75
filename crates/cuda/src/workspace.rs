//! The workspaces of steps, as long as no device is at hand.

use candle_core::DType;
use eigenscape_runtime::{Kernel, Operand};

use crate::{
    buffer::stored_as,
    builder::{Builder, Home, View},
    command::{Base, Place},
    emit,
};

/// Bytes of scratch memory of a step: what its commands take when they are emitted. A step that
/// cannot be emitted takes none; running it says why. It depends on whether products may round
/// their factors to TF32.
pub(crate) fn workspace<const TF32: bool>(
    kernel: &Kernel,
    args: &[Operand],
    result: Operand,
    compute: DType,
) -> usize {
    let view = |operand: &Operand| View {
        // Nothing says whether it is one repeated number: only then it may need a copy.
        home: match operand.layout.strides.iter().all(|stride| *stride == 0) {
            true => Home::Repeated(0.0),
            false => Home::At(Place::start(Base::Input(0))),
        },
        layout: operand.layout.clone(),
        dtype: stored_as(operand.dtype),
        led: operand.led,
    };
    let lead = args.iter().find(|arg| arg.led).map_or(1, |arg| arg.layout.dims[0]);
    let mut builder = Builder::new(None, TF32, compute, lead);
    let args: Vec<View> = args.iter().map(view).collect();
    let out = View { home: Home::At(Place::start(Base::Output(0))), ..view(&result) };
    match emit::step(&mut builder, kernel, &args, &out) {
        Ok(()) => builder.arena,
        Err(_) => 0,
    }
}
