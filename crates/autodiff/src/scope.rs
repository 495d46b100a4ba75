//! stub
/// How a parameter starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform on [-bound, bound].
    Uniform {
        /// The bound.
        bound: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
}
/// A named parameter tensor of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// PyTorch's name, `features.0.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}
/// stub
pub struct Scope;
