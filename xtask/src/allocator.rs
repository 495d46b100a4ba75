//! The allocator of the binary.
//!
//! Training allocates and frees large buffers of the same sizes all the time. The system's
//! allocator returns each of them to the system, and fresh pages cost more than most operations on
//! them. An allocator that keeps everything holds up to a third more than an experiment's memory
//! account says.

use std::ffi::c_int;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, which the bindings do not define: the delay in milliseconds after which
/// freed memory is returned to the system.
const PURGE_DELAY: c_int = 15;
/// Longer than the time between steps of training or of Lanczos, and shorter than the work that
/// follows these.
const MILLISECONDS: i64 = 200;

/// Sets the delay after which freed memory is returned to the system, unless MIMALLOC_PURGE_DELAY
/// is set.
pub fn set_up() {
    // SAFETY: the option exists (mimalloc.h), any number is a valid delay, and no other thread runs
    // yet; the function has no other requirements.
    #[expect(unsafe_code, reason = "the allocator has no other interface")]
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, MILLISECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only this option has a default of one second, so the test fails if a version of the
    /// allocator numbers its options differently.
    #[test]
    fn the_option_is_the_delay_of_purges() {
        // SAFETY: as above; no other test of this binary reads or sets options.
        #[expect(unsafe_code, reason = "the allocator has no other interface")]
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        let before = get();
        set_up();
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!((before, get()), (1000, MILLISECONDS));
        }
    }
}
