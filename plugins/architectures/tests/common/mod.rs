//! Builds networks from names and settings as in an experiment's file.

use eigenscape_core::{Architecture, Registry, registry::Environment};
use eigenscape_program::{Mode, Network};

/// Every architecture of the crate.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    eigenscape_architectures::register(&mut registry);
    registry
}

/// The architecture `name` with `settings` written as TOML.
pub fn architecture(name: &str, settings: &str) -> Box<dyn Architecture> {
    let settings = toml::from_str(settings).unwrap();
    let built = registry().architectures.build(name, settings, &Environment::default());
    built.map_err(|error| format!("{name}: {error:?}")).unwrap().plugin
}

/// The network for samples of this shape.
pub fn network(name: &str, settings: &str, sample: &[usize], outputs: usize, mode: Mode) -> Network {
    let architecture = architecture(name, settings);
    Network::with_mode(sample, mode, move |scope, x| architecture.build(scope, x, outputs)).unwrap()
}
