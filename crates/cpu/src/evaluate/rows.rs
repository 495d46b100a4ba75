//! Elements and rows by index.

use eigenscape_program::operations::{Argmax, PutRows};

use super::Operand;
use crate::{
    Result,
    kernels::{self, Element, InOrder, Picks, Table, Workspace},
};

/// Numbers and an index of them, both in row-major order.
type Indexed<'w, T> = (InOrder<'w, T>, InOrder<'w, u32>);

fn indexed<'s, T: Element>(args: &[Operand<'s>], work: &mut Workspace<'s>) -> Result<Indexed<'s, T>> {
    Ok((args[0].in_order(work)?, args[1].in_order(work)?))
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
