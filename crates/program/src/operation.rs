//! Operations as data: the built-in ones, and those of plugins.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    operations::{
        Add, Argmax, ArgmaxPool, Broadcast, Concat, Conv2d, Detach, Differences, DifferencesTranspose, Fill,
        Function, Gather, Literal, MatMul, Matrix, Mul, Pad, Permute, PutRows, Reshape, Scale, Scan,
        ScatterAdd, Slice, Sum, SumPool, SumPoolTranspose, Take,
    },
    primitive::Primitive,
};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// An operation of a program. Equality and hash serve to eliminate common subexpressions.
        ///
        /// Its [rules](Self::rules) define its shape and derivatives. How it is evaluated, fused,
        /// stored and counted is defined in the crates that do so, each of which matches on this
        /// enum.
        #[derive(Debug, Clone)]
        pub enum Operation {
            $($(#[$doc])* $name($name),)*
            /// An operation of a plugin.
            Custom(Arc<dyn Primitive>),
        }

        impl Operation {
            /// The rules for its shape, derivatives and affinity.
            #[must_use]
            pub fn rules(&self) -> &dyn Primitive {
                match self {
                    $(Self::$name(operation) => operation,)*
                    Self::Custom(operation) => &**operation,
                }
            }
        }

        $(impl From<$name> for Operation {
            fn from(operation: $name) -> Self {
                Self::$name(operation)
            }
        })*
    };
}

operations! {
    /// x + y.
    Add,
    /// The position of each row's largest element.
    Argmax,
    /// The position of each window's largest element.
    ArgmaxPool,
    /// Repetition along axes of size 1.
    Broadcast,
    /// Concatenation along an axis.
    Concat,
    /// A convolution or one of its transposes.
    Conv2d,
    /// x, treated as a constant by derivatives.
    Detach,
    /// Each row minus one of its elements.
    Differences,
    /// The transpose of [`Self::Differences`].
    DifferencesTranspose,
    /// A tensor filled with one number.
    Fill,
    /// An element-wise function.
    Function,
    /// Elements of each row by index.
    Gather,
    /// A constant tensor of given numbers.
    Literal,
    /// A general product of two arrays: batch, free and contracted axes.
    MatMul,
    /// A constant matrix given by a formula.
    Matrix,
    /// x ∘ y.
    Mul,
    /// Zero-padding along an axis.
    Pad,
    /// A permutation of axes.
    Permute,
    /// Rows added to a table by index: the transpose of [`Self::Take`].
    PutRows,
    /// The same elements under another shape.
    Reshape,
    /// c·x.
    Scale,
    /// All states of a recurrence.
    Scan,
    /// Elements added to each row by index: the transpose of [`Self::Gather`].
    ScatterAdd,
    /// A range of an axis.
    Slice,
    /// The sum over axes.
    Sum,
    /// The sum over each window.
    SumPool,
    /// The transpose of [`Self::SumPool`].
    SumPoolTranspose,
    /// Rows of a table by index.
    Take,
}

impl From<Arc<dyn Primitive>> for Operation {
    fn from(operation: Arc<dyn Primitive>) -> Self {
        Self::Custom(operation)
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.rules() == other.rules()
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rules().hash(state);
    }
}
