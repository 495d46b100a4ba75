//! How a loss reads a data set.

/// The kind of targets that a loss needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// One row of targets for each row of outputs: integer labels are coded as rows, and the
    /// largest output is the predicted class; real targets are rows already.
    Rows,
    /// Real targets only: there are no classes, and no accuracy.
    Values,
    /// No targets: the loss ignores them.
    Nothing,
}

/// How an integer label becomes a row of targets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClassCoding<'a> {
    /// ε in \[0, 1\]: a label counts 1 − ε for its class and ε/C for every class (Szegedy et al.
    /// 2016).
    pub smoothing: f64,
    /// The label to ignore: its row of targets is zero.
    pub ignore_index: Option<i64>,
    /// w: the weight of each of the C classes, at least 0; `None`: 1 for all.
    pub weight: Option<&'a [f64]>,
}
