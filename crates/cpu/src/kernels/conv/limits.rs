//! What decides how much memory convolutions take beside operands and results: read by the kernels,
//! which take it, and by the bounds, which count it beforehand.

/// The most tasks that share a sum. Their number depends on the sizes alone, so that rounding is
/// the same for any number of threads.
pub(crate) const TASKS: usize = 8;

/// The fewest samples that are interleaved, below which they do not fill the vectors well enough,
/// and the most at a time.
pub(crate) const INTERLEAVED: [usize; 2] = [16, 144];

/// The most bytes of interleaved images and outputs, unless the fewest samples need more.
pub(crate) const INTERLEAVED_BYTES: usize = 64 << 20;

/// The most numbers in the sums of all tasks, unless two tasks need more.
pub(crate) const SUMS: usize = 1 << 24;

/// Points of a tile that Winograd's transforms take to 2x2 outputs.
pub(crate) const POINTS: usize = 16;

/// The intended size of a task's sums at these points, in bytes.
pub(crate) const TRANSFORMED_SUMS: usize = 4 << 20;

/// The most numbers in filters that are transformed at a time, unless one filter has more.
pub(crate) const TRANSFORMED_FILTERS: usize = 1 << 24;
