//! The reference cases.
