//! One file a command.

pub mod check;
pub mod data;
pub mod list;
pub mod reproduce;
