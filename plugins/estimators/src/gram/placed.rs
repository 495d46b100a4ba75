//! Products of rows that a backend holds and multiplies: only the products are on the host.

use std::ops::Range;

use candle_core::Tensor;
use eigenscape_core::{Interrupt, Result};
use eigenscape_curvature::{PlacedProduct, PlacedRows};
use faer::{MatMut, reborrow::ReborrowMut};

use super::{
    tiles::{Destination, Rectangle, Tile},
    values::{Reader, read},
};
use crate::float::Float;

/// Adds ΦΨᵀ for the rows of one variable; `None` where Ψ is Φ.
pub(super) fn add_rows(
    place: &mut Destination,
    phi: &PlacedRows,
    psi: Option<&PlacedRows>,
    variable: usize,
) -> Result<()> {
    let Rectangle { rows: down, columns: across } = place.rectangle.clone();
    let (rank, interrupt) = (place.rank, place.interrupt);
    phi.products(variable, psi, |PlacedProduct { rows, columns, values }| {
        let rectangle = Rectangle { rows: moved(&rows, down.start), columns: moved(&columns, across.start) };
        let matrices = place.matrices.iter_mut().map(|matrix| matrix.rb_mut()).collect();
        add(&mut Destination { matrices, rectangle, symmetric: true, rank, interrupt }, &values)
    })
}

/// Adds ΦᵀΦ for the columns of some variables together.
pub(super) fn add_columns(
    mut matrix: MatMut<f64>,
    phi: &PlacedRows,
    variables: &[usize],
    interrupt: &Interrupt,
) -> Result<()> {
    phi.squares(variables, |PlacedProduct { rows, columns, values }| {
        let (matrices, rectangle) = (vec![matrix.rb_mut()], Rectangle { rows, columns });
        add(&mut Destination { matrices, rectangle, symmetric: true, rank: 1, interrupt }, &values)
    })
}

fn moved(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn add(place: &mut Destination, values: &Tensor) -> Result<()> {
    let interrupt = place.interrupt;
    read(values, Adding { place, columns: values.dims()[1] })?;
    Ok(interrupt.check()?)
}

/// Adds a product in row-major order.
struct Adding<'a, 'b> {
    place: &'a mut Destination<'b>,
    columns: usize,
}

impl Reader for Adding<'_, '_> {
    fn read<T: Float>(self, values: &[T]) {
        let Self { place, columns: width } = self;
        // The caller sees whether it was interrupted.
        let _ = place.add(|Tile { rows, columns, mut product }| {
            for (i, row) in rows.enumerate() {
                let values = &values[row * width..][columns.clone()];
                values.iter().enumerate().for_each(|(j, value)| product[(i, j)] = value.widen());
            }
        });
    }
}
