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
/// cannot be emitted takes none; running it says why.
pub(crate) fn workspace(kernel: &Kernel, args: &[Operand], result: Operand, compute: DType) -> usize {
    let somewhere = Home::At(Place::start(Base::Input(0)));
    let view = |operand: &Operand| View {
        home: somewhere,
        layout: operand.layout.clone(),
        dtype: stored_as(operand.dtype),
        led: operand.led,
    };
    let lead = args.iter().find(|arg| arg.led).map_or(1, |arg| arg.layout.dims[0]);
    let mut builder = Builder::new(None, compute, lead);
    let args: Vec<View> = args.iter().map(view).collect();
    match emit::step(&mut builder, kernel, &args, &view(&result)) {
        Ok(()) => builder.arena,
        Err(_) => 0,
    }
}
