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

/// How an integer label becomes a row of targets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClassCoding<'a> {
    /// ε in \[0, 1\]: a label counts 1 − ε for its class and ε/C for every class (Szegedy et al.
    /// 2016).
    pub smoothing: f64,
    /// The label whose row is zeros and counts nothing.
    pub ignore_index: Option<i64>,
    /// w: what each of the C classes counts, not negative; 1 without it.
    pub weight: Option<&'a [f64]>,
}
