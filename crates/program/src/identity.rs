//! Equality of operations: the same type and equal settings.

use std::{
    any::{Any, TypeId},
    hash::{Hash, Hasher},
};

use crate::primitive::Primitive;

/// Equality and hash of an operation behind `dyn Primitive`. Implemented for every type with [`Eq`]
/// and [`Hash`].
pub trait Identity: Any {
    /// Whether `other` is of this type and equal.
    fn equals(&self, other: &dyn Any) -> bool;

    /// Hashes the type and the value into `state`.
    fn hash_into(&self, state: &mut dyn Hasher);
}

impl<T: Eq + Hash + 'static> Identity for T {
    fn equals(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn hash_into(&self, mut state: &mut dyn Hasher) {
        TypeId::of::<T>().hash(&mut state);
        self.hash(&mut state);
    }
}

impl PartialEq for dyn Primitive {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}

impl Eq for dyn Primitive {}

impl Hash for dyn Primitive {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_into(state);
    }
}

/// A floating-point setting of an operation, compared by its bits: 0 and −0 differ, because an
/// operation may give different results for them.
#[derive(Debug, Clone, Copy)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Real {}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Graph, Linearity, Result};

    /// A plugin's operation with the name, the settings and the `Debug` text of a built-in one.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Mul;

    impl Primitive for Mul {
        fn name(&self) -> &'static str {
            "mul"
        }

        fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
            Ok(args[0].to_vec())
        }

        fn linearity(&self) -> Linearity {
            Linearity::Linear
        }
    }

    fn custom() -> Arc<dyn Primitive> {
        Arc::new(Mul)
    }

    #[test]
    fn operations_of_two_types_differ_whatever_their_text() -> Result<()> {
        let mut graph = Graph::default();
        let (x, y) = (graph.input("x", &[2]), graph.input("y", &[2]));
        let (built_in, own) = (graph.mul(x, y)?, graph.emit(custom(), &[x, y])?);
        assert_ne!(built_in, own);
        assert_eq!(built_in, graph.mul(x, y)?);
        assert_eq!(own, graph.emit(custom(), &[x, y])?);
        Ok(())
    }

    #[test]
    fn settings_are_equal_to_the_last_bit() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[2]);
        let third = graph.scale(x, 1.0 / 3.0)?;
        assert_eq!(third, graph.scale(x, 1.0 / 3.0)?);
        assert_ne!(third, graph.scale(x, (1.0_f64 / 3.0).next_up())?);
        assert_ne!(graph.scale(x, 0.0)?, graph.scale(x, -0.0)?);
        let undefined = graph.fill(f64::NAN, &[2])?;
        assert_eq!(undefined, graph.fill(f64::NAN, &[2])?);
        Ok(())
    }
}
