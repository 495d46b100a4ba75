//! The allocator of the binary.
//!
//! Networks allocate and free large buffers of the same sizes all the time. The system's allocator
//! gives each back to the system, and fresh pages cost more than most operations on them; an
//! allocator that keeps everything holds up to a third more than an experiment's account says.

use std::ffi::c_int;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, which the bindings do not name: after how many milliseconds freed
/// memory goes back to the system.
const PURGE_DELAY: c_int = 15;
/// Longer than the steps of a training or of Lanczos are apart, and shorter than what follows on
/// these.
const MILLISECONDS: i64 = 200;

/// Sets when freed memory goes back to the system, unless MIMALLOC_PURGE_DELAY says it.
pub fn set_up() {
    // SAFETY: the option exists (mimalloc.h), any number is a valid delay, and no other thread runs
    // yet, which is all that the function asks for.
    #[expect(unsafe_code, reason = "the allocator has no other interface")]
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, MILLISECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second is the default of this option and of no other: a version of the allocator that
    /// numbers its options otherwise is noticed.
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
