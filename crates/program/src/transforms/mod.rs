//! Transformations of programs: each walks a graph once and emits into it what it derives.

mod affinity;
mod batch;
mod gradient;
mod linearize;
mod substitute;
mod transpose;

pub use affinity::{Breaker, affinity};
pub use batch::batch;
pub use gradient::{Seed, gradient, or_zero, pull_back, seeds, zeros_where_none};
pub use linearize::linearize;
pub use substitute::substitute;
pub use transpose::transpose;
