//! The command line of Eigenscape: every plugin of this repository, and nothing else.

use std::process::ExitCode;

/// Networks allocate and free large buffers all the time; the system's allocator gives each back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xtask::run(&xtask::plugins())
}
