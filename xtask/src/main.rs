//! The command line of Eigenscape
fn main() {}
