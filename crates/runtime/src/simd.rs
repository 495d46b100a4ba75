//! The vector instructions that kernels on the host use.

use std::{env, sync::OnceLock};

use pulp::Arch;

use crate::error::{Error, Result};

/// The environment variable that limits the vector instructions: "scalar", "avx2" or "avx512".
/// Without it, kernels use the best that the machine has.
pub const SIMD: &str = "EIGENSCAPE_SIMD";

/// The vector instructions of this process: the best of this machine that [`SIMD`] allows. An
/// invalid setting counts as none; [`check_simd`] reports it.
#[must_use]
pub fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| env::var(SIMD).ok().and_then(|level| named(&level)).unwrap_or_default())
}

/// The name of the vector instructions of this process.
#[must_use]
pub fn simd() -> &'static str {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "avx512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "avx2",
        Arch::Scalar => "scalar",
        #[allow(unreachable_patterns)]
        _ => "native",
    }
}

/// Checks the setting of [`SIMD`].
///
/// # Errors
/// When it names no instructions, or instructions that this machine does not have.
pub fn check_simd() -> Result<()> {
    match env::var(SIMD) {
        Ok(level) if named(&level).is_none() => {
            let known: Vec<&str> =
                ["scalar", "avx2", "avx512"].into_iter().filter(|level| named(level).is_some()).collect();
            let problem = format!("{SIMD} = {level:?}, where this machine has {}", known.join(", "));
            Err(Error::unsupported(problem))
        }
        _ => Ok(()),
    }
}

/// The instructions with this name, if the machine has them.
fn named(level: &str) -> Option<Arch> {
    match level {
        "scalar" => Some(Arch::Scalar),
        #[cfg(target_arch = "x86_64")]
        "avx2" => pulp::x86::V3::try_new().map(Arch::V3),
        #[cfg(target_arch = "x86_64")]
        "avx512" => pulp::x86::V4::try_new().map(Arch::V4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names() {
        assert!(matches!(named("scalar"), Some(Arch::Scalar)));
        assert!(named("AVX2").is_none() && named("").is_none());
        assert!(named(simd()).is_some() || simd() == "native");
    }
}
