//! How much an experiment may ask for where no array says what is too much: numbers of runs, of
//! epochs, of entries in a list. All are far beyond what anybody runs, and small enough that a slip
//! of the keyboard is a message at once and not a process that never ends.

/// Bytes of a file.
pub const TEXT: usize = 4 << 20;
/// Values of a document, tables and lists included.
pub const VALUES: usize = 100_000;
/// Keys of a table.
pub const KEYS: usize = 5_000;
/// Tables and lists within one another, and steps of a path to a value.
pub const DEPTH: usize = 64;
/// Files that are read for one experiment, each as often as `extends` names it.
pub const FILES: usize = 64;
/// Runs of one experiment.
pub const RUNS: usize = 1_000;
/// Values of the documents of all runs together.
pub const VALUES_OF_RUNS: usize = 1_000_000;
/// Epochs of a training.
pub const EPOCHS: usize = 1_000_000;
/// Moments at which the probes of all runs measure.
pub const MOMENTS: usize = 50_000_000;
/// Entries of a list of tables: probes, distances, regularizers.
pub const ENTRIES: usize = 100;
/// Entries of the list of expectations.
pub const EXPECTATIONS: usize = 1_000;
/// Bytes of an experiment's name: file systems have room for 255, and something is added.
pub const NAME: usize = 200;
/// The largest size that an architecture's keys may state: products of two are numbers yet.
pub const SIZE: i64 = 1 << 31;
