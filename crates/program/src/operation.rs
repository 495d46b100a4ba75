//! Operations as data: a closed set of built-in ones, and those of plugins.

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
        /// An operation of a program: a value with equality and hash, so that one that was emitted
        /// before on the same operands is found again.
        ///
        /// What it means is in its [rules](Self::rules). How it is evaluated, fused, stored and
        /// counted is not known here: that is in the crates that do so, each of which goes through
        /// all of these.
        #[derive(Debug, Clone)]
        pub enum Operation {
            $($(#[$doc])* $name($name),)*
            /// A plugin's.
            Custom(Arc<dyn Primitive>),
        }

        impl Operation {
            /// Its shape, derivatives and affinity.
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
    /// Where a row is largest.
    Argmax,
    /// Where each window is largest.
    ArgmaxPool,
    /// Repetition along axes of size 1.
    Broadcast,
    /// One after the other along an axis.
    Concat,
    /// A convolution or one of its transposes.
    Conv2d,
    /// x, which counts as a constant.
    Detach,
    /// Differences of a row's elements from one of them.
    Differences,
    /// Their transpose.
    DifferencesTranspose,
    /// A general product of two arrays.
    MatMul,
    /// One repeated number.
    Fill,
    /// A function of each element.
    Function,
    /// Elements of each row by index.
    Gather,
    /// Given numbers.
    Literal,
    /// A matrix by a formula.
    Matrix,
    /// x ∘ y.
    Mul,
    /// Zeros around an axis.
    Pad,
    /// Axes in another order.
    Permute,
    /// Rows added up by index.
    PutRows,
    /// The same elements under another shape.
    Reshape,
    /// c·x.
    Scale,
    /// All states of a recurrence.
    Scan,
    /// Elements of each row added up by index.
    ScatterAdd,
    /// A part of an axis.
    Slice,
    /// The sum over axes.
    Sum,
    /// The sum over each window.
    SumPool,
    /// Its transpose.
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
