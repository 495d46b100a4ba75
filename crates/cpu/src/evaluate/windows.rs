//! Pooling.

use eigenscape_program::operations::PoolWindows;

use super::Operand;
use crate::{
    Result,
    kernels::{self, Element, PoolGeometry, Workspace},
};

fn geometry(windows: &PoolWindows) -> PoolGeometry {
    let [_, _, height, width] = windows.image;
    PoolGeometry { height, width, rows: windows.rows.clone(), columns: windows.columns.clone() }
}

pub(super) fn argmax<'s, T: Element>(
    windows: &PoolWindows,
    x: &Operand<'s>,
    out: &mut [u32],
    work: &mut Workspace<'s>,
) -> Result<()> {
    kernels::argmax_pool::<T>(&x.in_order(work)?, &geometry(windows), out);
    Ok(())
}

pub(super) fn sum<'s, T: Element>(
    windows: &PoolWindows,
    x: &Operand<'s>,
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    kernels::sum_pool(&x.in_order(work)?, &geometry(windows), out);
    Ok(())
}

pub(super) fn sum_transpose<'s, T: Element>(
    windows: &PoolWindows,
    x: &Operand<'s>,
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    kernels::sum_pool_transpose(&x.in_order(work)?, &geometry(windows), out);
    Ok(())
}
