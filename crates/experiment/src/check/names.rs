//! Optimizers and schedules by name, and the keys that each has.

/// The optimizers.
pub(crate) const OPTIMIZERS: [&str; 3] = ["adam", "adamw", "sgd"];
/// The schedules.
pub(crate) const SCHEDULES: [&str; 3] = ["constant", "cosine", "multi-step"];

/// The keys of an optimizer.
pub(crate) fn optimizer_keys(name: &str) -> Vec<&'static str> {
    let own: &[&str] = if name == "sgd" { &["momentum", "dampening", "nesterov"] } else { &["betas", "eps"] };
    [&["name", "lr", "weight_decay"], own].concat()
}

/// The keys of a schedule.
pub(crate) fn schedule_keys(name: &str) -> Vec<&'static str> {
    let own: &[&str] = match name {
        "multi-step" => &["milestones", "gamma"],
        "cosine" => &["min_lr"],
        _ => &[],
    };
    [&["name", "warmup_steps", "warmup_epochs"], own].concat()
}
