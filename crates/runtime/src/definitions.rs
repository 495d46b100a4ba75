//! Definitions of plugins' operations, which backends evaluate.

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

/// The definitions of operations that are not built in, by type. A definition computes the result
/// from operands in f64 without a leading axis. A backend without a kernel for an operation
/// evaluates its definition once for each element of the leading axis.
#[derive(Clone, Default)]
pub struct Definitions(HashMap<TypeId, Arc<Definition>>);

impl Definitions {
    /// Adds the definition of the operation `P`, a function that fills the result, in row-major
    /// order, from the operation and its operands.
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
            // Never `None`: the table is keyed by type.
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

    /// Whether no operation has a definition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Evaluates an operation.
    ///
    /// # Errors
    /// When the operation has no definition.
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
