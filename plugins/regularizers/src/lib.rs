//! Regularizers: penalties that training adds to the loss, each written as a value in the program
//! of the objective. Their gradients are derived.
//!
//! | name | penalty | random draws | derivatives in its gradient |
//! | --- | --- | --- | --- |
//! | [`hessian_trace`] | tr H of a group | probes | third; second in output space |
//! | [`fisher_trace`] | tr F of a group | labels from the model | second |
//! | [`gradient_norm`] | ‖∇L‖² | none | second |
//! | [`jacobian`] | the mean of ‖∂f/∂x‖²_F | probes of the outputs | second |
//! | [`l2`] | ‖θ‖² | none | first |
//! | [`sam`] | L(θ + ρ g/‖g‖) − L(θ) | none | first, at two points |
//!
//! `docs/training.md` has the formulas, the keys and advice on the choice.

pub mod fisher_trace;
pub mod gradient_norm;
pub mod groups;
pub mod hessian_trace;
pub mod jacobian;
pub mod l2;
pub mod probe;
pub mod sam;

use eigenscape_core::Registry;

/// Adds all regularizers to the registry.
pub fn register(registry: &mut Registry) {
    fisher_trace::register(registry);
    gradient_norm::register(registry);
    hessian_trace::register(registry);
    jacobian::register(registry);
    l2::register(registry);
    sam::register(registry);
}
