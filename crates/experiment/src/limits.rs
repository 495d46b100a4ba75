//! Upper bounds on counts that no memory limit bounds: runs, epochs, entries of a list. They are
//! far beyond practical use, and small enough that a typing error gives an immediate message
//! instead of a process that never ends.

/// Bytes of an experiment's file.
pub const TEXT: usize = 4 << 20;
/// Values of a document, tables and lists included.
pub const VALUES: usize = 100_000;
/// Keys of a table.
pub const KEYS: usize = 5_000;
/// Nesting depth of tables and lists, and steps of a path to a value.
pub const DEPTH: usize = 64;
/// Files read for one experiment, each counted as often as `extends` names it.
pub const FILES: usize = 64;
/// Runs of one experiment.
pub const RUNS: usize = 1_000;
/// Values of the documents of all runs together.
pub const VALUES_OF_RUNS: usize = 1_000_000;
/// Epochs of a training.
pub const EPOCHS: usize = 1_000_000;
/// Measurements by the probes of all runs.
pub const MEASUREMENTS: usize = 50_000_000;
/// Entries of a list of tables: probes, distances, regularizers.
pub const ENTRIES: usize = 100;
/// Entries of the list of expectations.
pub const EXPECTATIONS: usize = 1_000;
/// Eigenvectors of a matrix.
pub const EIGENVECTORS: usize = 1_000;
/// Bytes of an experiment's name: file systems allow 255, and suffixes are added.
pub const NAME: usize = 200;
/// The largest size in an architecture's keys: a product of two sizes does not overflow.
pub const SIZE: i64 = 1 << 31;
