//! The version of this build.
//!
//! Two builds with the same [`VERSION`] compute the same numbers: it contains a hash of the sources
//! and of the versions of all dependencies (`Cargo.lock`). It needs no git. If a source file
//! changes, only its crate, this crate and those that use them are compiled again.

/// The version, as in "0.1.0, sources 5f3a9c0d1b2e4f67".
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), ", sources ", env!("EIGENSCAPE_SOURCES"));

#[cfg(test)]
mod tests {
    #[test]
    fn a_version_names_its_sources() {
        let (number, sources) = super::VERSION.split_once(", sources ").unwrap();
        assert_eq!(number, env!("CARGO_PKG_VERSION"));
        assert!(sources.len() == 16 && sources.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sources}");
    }
}
