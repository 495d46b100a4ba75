//! The laws of each operation, on every backend.
#![allow(clippy::unwrap_used)]

mod add;
mod argmax;
mod batch;
mod broadcast;
mod common;
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
