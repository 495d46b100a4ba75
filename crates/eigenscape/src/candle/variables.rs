//! The variables of a Candle module as one vector, and moving and restoring them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::VarMap;
use eigenscape_core::{Error, Result};

/// Serialises products. Modules share their variables with every holder of the `VarMap`: while a
/// product moves some of them, no other product may read them. Which operators share variables is
/// unknown, so all of them wait for one another. (Within a product, Candle's operations use all
/// threads.)
static MOVING: Mutex<()> = Mutex::new(());

/// Named variables, in the order of the vector θ.
pub struct Variables {
    names: Vec<String>,
    variables: Vec<Var>,
    dtype: DType,
    device: Device,
}

impl Variables {
    /// The variables of a map, in the order of their names.
    pub fn of_map(map: &VarMap) -> Result<Self> {
        // Another thread may have panicked while it held the map; the variables are valid
        // nevertheless.
        let named = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        let mut named: Vec<(String, Var)> =
            named.iter().map(|(name, variable)| (name.clone(), variable.clone())).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        Self::new(named)
    }

    /// These variables, in this order.
    pub fn new(named: Vec<(String, Var)>) -> Result<Self> {
        let (names, variables): (Vec<String>, Vec<Var>) = named.into_iter().unzip();
        let Some(first) = variables.first() else {
            return Err(Error::input(
                "Candle module",
                "it has no variables",
                "build it with a VarBuilder::from_varmap",
            ));
        };
        let (dtype, device) = (first.dtype(), first.device().clone());
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::input(
                &names[0],
                format!("it is of type {dtype:?}, in which differences of gradients are rounding alone"),
                "use variables in f64, or in f32",
            ));
        }
        if let Some(other) = variables.iter().position(|variable| variable.dtype() != dtype) {
            return Err(Error::input(
                &names[other],
                format!("it is of type {:?}, and {} of type {dtype:?}", variables[other].dtype(), names[0]),
                "use variables of one type",
            ));
        }
        Ok(Self { names, variables, dtype, device })
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn dimension(&self) -> usize {
        self.variables.iter().map(|variable| variable.elem_count()).sum()
    }

    /// A vector with the elements of `of` for one variable, and zeros for all others.
    pub fn only(&self, index: usize, of: &Tensor) -> Result<Tensor> {
        let before: usize = self.variables[..index].iter().map(|variable| variable.elem_count()).sum();
        let count = self.variables[index].elem_count();
        let part = of.narrow(0, before, count)?;
        Ok(part.pad_with_zeros(0, before, self.dimension() - before - count)?)
    }

    /// The gradient as one vector; zero for variables that the loss does not depend on.
    pub fn gather(&self, gradients: &GradStore) -> Result<Tensor> {
        let parts = self.variables.iter().map(|variable| match gradients.get(variable) {
            Some(gradient) => gradient.flatten_all(),
            None => Tensor::zeros(variable.elem_count(), self.dtype, &self.device),
        });
        Ok(Tensor::cat(&parts.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    }

    /// Takes exclusive access to the variables.
    pub fn hold(&self) -> Result<Held<'_>> {
        // A product that panicked has restored the variables.
        let lock = MOVING.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = self.variables.iter().map(|variable| variable.as_tensor().copy());
        Ok(Held { variables: self, origin: origin.collect::<candle_core::Result<_>>()?, _lock: lock })
    }
}

/// Exclusive access to the variables. Dropping it restores them bit for bit, whatever has happened.
pub struct Held<'a> {
    variables: &'a Variables,
    /// Copies that share no memory with the variables.
    origin: Vec<Tensor>,
    _lock: MutexGuard<'static, ()>,
}

impl Held<'_> {
    /// ‖θ‖.
    pub fn norm(&self) -> Result<f64> {
        let squares = self.origin.iter().map(squared_norm);
        Ok(squares.sum::<Result<f64>>()?.sqrt())
    }

    /// Sets the variables to θ + factor·vector.
    pub fn move_by(&self, vector: &Tensor, factor: f64) -> Result<()> {
        let mut first = 0;
        for (variable, origin) in self.variables.variables.iter().zip(&self.origin) {
            let part = vector.narrow(0, first, origin.elem_count())?.reshape(origin.shape())?;
            variable.set(&(origin + (part * factor)?)?)?;
            first += origin.elem_count();
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for (variable, origin) in self.variables.variables.iter().zip(&self.origin) {
            // Shapes and types are the variable's own, so this cannot fail.
            let restored = variable.set(origin);
            debug_assert!(restored.is_ok(), "{restored:?}");
        }
    }
}

/// ‖x‖² in f64.
pub fn squared_norm(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()?)
}
