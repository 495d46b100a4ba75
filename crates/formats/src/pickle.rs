//! Python's pickles as `torch.save` and NumPy write them, read without executing anything.
//!
//! A pickle is a program for a small stack machine, and Python's machine calls whatever the program
//! names. The one here calls nothing: it knows how `torch.save` describes dictionaries and tensors,
//! or how NumPy describes arrays ([`Known`]), and turns everything else into [`Value::Object`],
//! which is good for no more than to say its class's name.
//!
//! Candle's reader (`candle_core::pickle`) is not used. It panics on tuples that are too short and
//! on long integers, allocates what a length in the file asks for, copies whole objects at every
//! reference (a few hundred bytes that refer to themselves fill the memory), loses what is added to
//! a dictionary after it was referred to, skips what it does not understand, and refuses tensors
//! that are not contiguous.
//!
//! Here every value is 16 bytes, parts of others are named by place, nothing is nested in memory,
//! so that nothing recurses, and memory is bounded by the file's size ([`Limits`]).

mod array;
mod cursor;
mod document;
mod machine;
mod opcode;
mod rebuild;
mod value;

pub use array::Array;
pub use document::{Document, Row};
pub use machine::{Known, Limits, Trouble, run};
pub use value::{Span, Value};
