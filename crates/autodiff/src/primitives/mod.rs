//! The primitives, one file each, and the methods of [`Graph`](crate::Graph) that emit them.
//!
//! The set is closed under transposition: sums and broadcasts, slices and pads, gather and scatter-add, the three
//! convolutions, and products transpose into each other.

mod add;
mod broadcast;
mod concat;
mod constant;
mod conv2d;
mod detach;
mod difference;
mod dot;
mod function;
mod gather;
mod max;
mod mul;
mod permute;
mod pool;
mod reshape;
mod scale;
mod slice;
mod sum;
mod take;

pub use conv2d::ConvSettings;
pub(crate) use dot::Dot;
pub use function::Function;
pub use pool::PoolSettings;

/// `dims` with the size of the extra leading axis put in front, if there is one.
fn with_batch(batch: Option<usize>, dims: &[usize]) -> Vec<usize> {
    batch.into_iter().chain(dims.iter().copied()).collect()
}
