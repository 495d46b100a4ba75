//! Plugins of one's own, one a file. A plugin is a type with a trait and an entry in the registry;
//! its settings are a type, too, whose documentation `list` shows.

pub mod architecture;
pub mod distance;
pub mod estimator;
pub mod operation;

/// Adds all of them.
pub fn register(registry: &mut eigenscape::Registry) {
    architecture::register(registry);
    distance::register(registry);
    estimator::register(registry);
    operation::register(registry);
}
