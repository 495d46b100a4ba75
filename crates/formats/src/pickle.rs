//! Python's pickles as `torch.save` and NumPy write them, read without executing anything.
//!
//! A pickle is a program for a small stack machine, and Python's machine calls whatever the program
//! names. The machine here calls nothing: it supports the descriptions of dictionaries and tensors
//! by `torch.save`, or of arrays by NumPy ([`Known`]), and turns everything else into
//! [`Value::Object`], of which only the class's name is known.
//!
//! Candle's reader (`candle_core::pickle`) is not used. It panics on tuples that are too short and
//! on long integers, allocates whatever a length in the file states, copies whole objects at every
//! reference (a few hundred bytes that refer to themselves fill the memory), loses entries that are
//! added to a dictionary after a reference to it, skips unknown instructions, and refuses tensors
//! that are not contiguous.
//!
//! Here every value takes 16 bytes and refers to its parts by position. Values are not nested in
//! memory, so that nothing recurses, and memory is bounded by the file's size ([`Limits`]).

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
