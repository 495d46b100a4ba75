//! The operations, one file each: their rules, and the methods of [`Graph`](crate::Graph) that emit
//! them.
//!
//! The set is closed under transposition: sums and broadcasts, slices and pads, gather and
//! scatter-add, the three convolutions, and products transpose into each other.

mod add;
mod argmax;
mod broadcast;
mod concat;
mod constant;
mod conv2d;
mod detach;
mod difference;
mod function;
mod gather;
mod literal;
mod matmul;
mod mul;
mod permute;
mod pool;
mod reshape;
mod scale;
mod scan;
mod slice;
mod sum;
mod take;

pub(crate) use self::pool::covering;
pub use self::{
    add::Add,
    argmax::Argmax,
    broadcast::Broadcast,
    concat::Concat,
    constant::{Fill, Formula, Matrix},
    conv2d::{Conv2d, ConvArgument, ConvSettings, ConvShapes},
    detach::Detach,
    difference::{Differences, DifferencesTranspose},
    function::Function,
    gather::{Gather, ScatterAdd},
    literal::Literal,
    matmul::MatMul,
    mul::Mul,
    permute::Permute,
    pool::{ArgmaxPool, PoolSettings, PoolWindows, SumPool, SumPoolTranspose},
    reshape::Reshape,
    scale::Scale,
    scan::{Direction, Scan},
    slice::{Pad, Slice},
    sum::Sum,
    take::{PutRows, Take},
};
