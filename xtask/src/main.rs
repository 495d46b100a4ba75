//! The command line of Eigenscape with the plugins of this repository.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::set_up();
    xtask::run(&xtask::plugins())
}
