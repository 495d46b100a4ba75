//! Transformations of programs: each walks a graph once and emits into it what it derives.

mod affinity;
mod linearize;
mod substitute;
mod transpose;

pub use affinity::{Breaker, affinity};
pub use linearize::linearize;
pub use substitute::substitute;
pub use transpose::transpose;
