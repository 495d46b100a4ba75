//! Operations on rows, and on elements and rows by index.

use candle_core::DType;
use eigenscape_program::operations::{Argmax, PutRows};
use pulp::bytemuck;

use super::Operand;
use crate::{
    Result,
    kernels::{self, Element, InOrder, Picks, Table, Workspace},
};

/// Numbers and the indices into them, both in row-major order.
type Indexed<'w, T> = (InOrder<'w, T>, InOrder<'w, u32>);

fn indexed<'s, T: Element>(args: &[Operand<'s>], work: &mut Workspace<'s>) -> Result<Indexed<'s, T>> {
    Ok((args[0].in_order(work)?, positions(&args[1], work)?))
}

/// An index operand as `u32`; it may be stored in floating point.
fn positions<'s>(index: &Operand<'s>, work: &mut Workspace<'s>) -> Result<InOrder<'s, u32>> {
    if index.numbers.dtype == DType::U32 {
        return index.in_order(work);
    }
    let mut positions = work.take::<u32>(index.numbers.layout.elements());
    index.numbers.copy_to(bytemuck::cast_slice_mut(&mut positions), DType::U32)?;
    Ok(InOrder::Copied(positions))
}

pub(super) fn argmax<'s, T: Element>(
    argmax: &Argmax,
    x: &Operand<'s>,
    out: &mut [u32],
    work: &mut Workspace<'s>,
) -> Result<()> {
    kernels::argmax::<T>(&x.in_order(work)?, x.width(), argmax.slack.0, out);
    Ok(())
}

pub(super) fn differences<'s, T: Element>(
    args: &[Operand<'s>],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (x, index) = indexed(args, work)?;
    kernels::differences(&x, args[0].width(), &index, out)
}

pub(super) fn differences_transpose<'s, T: Element>(
    args: &[Operand<'s>],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (x, index) = indexed(args, work)?;
    kernels::differences_transpose(&x, args[0].width(), &index, out)
}

pub(super) fn gather<'s, T: Element>(
    args: &[Operand<'s>],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (x, index) = indexed(args, work)?;
    kernels::gather(&x, &index, Picks { size: args[0].width(), picks: args[1].width() }, out);
    Ok(())
}

pub(super) fn scatter_add<'s, T: Element>(
    args: &[Operand<'s>],
    dims: &[usize],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (x, index) = indexed(args, work)?;
    let size = dims.last().copied().unwrap_or(1);
    kernels::scatter_add(&x, &index, Picks { size, picks: args[1].width() }, out);
    Ok(())
}

pub(super) fn take<'s, T: Element>(
    args: &[Operand<'s>],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (x, index) = indexed(args, work)?;
    let (width, picks) = (args[0].width(), args[1].dims().iter().product());
    let rows = args[0].dims().iter().product::<usize>() / width.max(1);
    kernels::take_rows(Table { rows, width, picks }, &x, &index, out)
}

pub(super) fn put<'s, T: Element>(
    put: &PutRows,
    args: &[Operand<'s>],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let (x, index) = indexed(args, work)?;
    let (width, picks) = (args[0].width(), args[1].dims().iter().product());
    kernels::put_rows(Table { rows: put.rows, width, picks }, &x, &index, out)
}
