//! How operations of plugins are evaluated.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

use eigenscape_program::Primitive;

use crate::error::{Error, Result};

/// An operand of an operation: numbers in row-major order.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    /// The size of each axis.
    pub dims: &'a [usize],
    /// The numbers.
    pub numbers: &'a [f64],
}

type Definition = dyn Fn(&dyn Any, &[Array], &mut [f64]) + Send + Sync;

/// The definitions of operations that are not built in, by their types: each from its operands
/// without a leading axis, in f64, to its result. Backends that have no kernel of their own for an
/// operation evaluate its definition, once for each element of a leading axis.
#[derive(Clone, Default)]
pub struct Definitions(HashMap<TypeId, Arc<Definition>>);

impl Definitions {
    /// With the definition of the operation `P`: from the operation and its operands to its result,
    /// in row-major order.
    #[must_use]
    pub fn with<P: Primitive>(
        mut self,
        definition: impl Fn(&P, &[Array], &mut [f64]) + Send + Sync + 'static,
    ) -> Self {
        self.add(definition);
        self
    }

    /// Adds the definition of the operation `P`, as [`Self::with`] does.
    pub fn add<P: Primitive>(
        &mut self,
        definition: impl Fn(&P, &[Array], &mut [f64]) + Send + Sync + 'static,
    ) {
        let of_any = move |operation: &dyn Any, args: &[Array], result: &mut [f64]| {
            // The table is by type: any other finds another definition.
            if let Some(operation) = operation.downcast_ref() {
                definition(operation, args, result);
            }
        };
        self.0.insert(TypeId::of::<P>(), Arc::new(of_any));
    }

    /// How many operations have a definition.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no operation has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Evaluates an operation.
    ///
    /// # Errors
    /// When it has no definition here.
    pub fn evaluate(&self, operation: &dyn Primitive, args: &[Array], result: &mut [f64]) -> Result<()> {
        let any: &dyn Any = operation;
        let Some(definition) = self.0.get(&any.type_id()) else {
            return Err(Error::unsupported(format!(
                "{} has no definition: whoever adds an operation says how it is evaluated (`Definitions::with`)",
                operation.name()
            )));
        };
        definition(any, args, result);
        Ok(())
    }
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} definitions", self.0.len())
    }
}
