//! Products of the rows of one variable, in whichever form they come.

use eigenscape_core::{Error, Result};
use eigenscape_curvature::Rows;

use super::{explicit, outer::Outer, tiles::Destination};

/// Adds ΦΨᵀ for the rows of one variable, where Ψ comes with its rows per sample; `None` where Ψ is
/// Φ. About `slab` numbers of explicit rows are held in f64 at a time, and all of others in the
/// `buffers`, which are reused for one variable after another.
pub(super) fn add(
    place: &mut Destination,
    phi: &Rows,
    psi: Option<(&Rows, usize)>,
    slab: usize,
    [buffer, other]: &mut [Vec<f64>; 2],
) -> Result<()> {
    match (phi, psi) {
        (Rows::Explicit(phi), None) => explicit::add(place, phi, None, slab),
        (Rows::Explicit(phi), Some((Rows::Explicit(psi), rank))) => {
            explicit::add(place, phi, Some((psi, rank)), slab)
        }
        (Rows::Outer { left, right }, None) => {
            let phi = Outer::new(buffer, left, right)?;
            Outer::add(place, phi, phi)
        }
        (Rows::Outer { left, right }, Some((Rows::Outer { left: others, right: seen }, _))) => {
            Outer::add(place, Outer::new(buffer, left, right)?, Outer::new(other, others, seen)?)
        }
        _ => Err(two_forms()),
    }
}

/// Adds the squared norm of each row of one variable to that of its place, sample by sample.
pub(super) fn add_squared_norms(
    rows: &Rows,
    rank: usize,
    buffer: &mut Vec<f64>,
    sums: &mut [f64],
) -> Result<()> {
    match rows {
        Rows::Explicit(rows) => explicit::add_squared_norms(rows, rank, sums),
        Rows::Outer { left, right } => {
            Outer::new(buffer, left, right)?.add_squared_norms(sums);
            Ok(())
        }
    }
}

/// The error for rows of one variable in two forms.
pub(super) fn two_forms() -> Error {
    candle_core::Error::Msg("one variable's rows come in two forms".to_owned()).into()
}
