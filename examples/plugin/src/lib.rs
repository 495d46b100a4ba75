//! Your own plugins, one per file. A plugin is a type that implements a trait, and an entry in the
//! registry. Its settings are a type, too, whose documentation `list` shows.

pub mod architecture;
pub mod distance;
pub mod estimator;
pub mod operation;

/// Adds all plugins to the registry.
pub fn register(registry: &mut eigenscape::Registry) {
    architecture::register(registry);
    distance::register(registry);
    estimator::register(registry);
    operation::register(registry);
}
