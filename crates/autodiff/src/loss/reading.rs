//! How a loss reads a data set.

/// What a loss needs of a data set's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A row for each row of outputs: integer labels become one, of which the largest output is the
    /// guess, and real targets are rows.
    Rows,
    /// Real targets alone: there are no classes, and no accuracy.
    Values,
    /// Nothing: what the targets are is not asked.
    Nothing,
}
