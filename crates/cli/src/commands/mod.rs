//! One file per command.

pub mod bench;
pub mod check;
pub mod data;
pub mod groups;
pub mod list;
pub mod new;
pub mod report;
pub mod reproduce;
pub mod verify;
