//! The native part of the Python package `eigenscape`: experiments (`run`), spectra of operators
//! that Python gives by their products (`matvec`), and densities of spectra (`density`). All of
//! the interface, its types and its documentation are Python (`python/eigenscape`).
//!
//! Results come as the JSON of `results.json`: a spectrum has the same fields everywhere. The
//! interpreter lock is released while Rust computes.

mod arrays;
mod density;
mod document;
mod error;
mod matvec;
mod observer;
mod run;

use pyo3::prelude::*;

/// The module `eigenscape._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("build", eigenscape_version::VERSION)?;
    module.add("EigenscapeError", module.py().get_type::<error::EigenscapeError>())?;
    module.add("ConfigurationError", module.py().get_type::<error::ConfigurationError>())?;
    module.add_function(wrap_pyfunction!(run::run, module)?)?;
    module.add_function(wrap_pyfunction!(matvec::spectrum_of, module)?)?;
    module.add_function(wrap_pyfunction!(density::density, module)?)
}
