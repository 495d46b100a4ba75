//! From an experiment's TOML file to a checked plan, to results
