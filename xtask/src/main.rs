//! The command line of Eigenscape: every plugin of this repository, and nothing else.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::set_up();
    xtask::run(&xtask::plugins())
}
