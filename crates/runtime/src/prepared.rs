//! What backends have prepared for a plan (kernels, addresses).

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::error::Result;

/// Prepared objects of any types, shared by clones.
#[derive(Clone, Default)]
pub(crate) struct Prepared(Arc<Mutex<Vec<Arc<dyn Any + Send + Sync>>>>);

impl Prepared {
    /// The first object of type `T` that `fits`; if there is none, the result of `prepare`, which
    /// is stored.
    pub fn get<T: Any + Send + Sync>(
        &self,
        fits: impl Fn(&T) -> bool,
        prepare: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().filter_map(|one| Arc::clone(one).downcast::<T>().ok());
        if let Some(known) = known.into_iter().find(|one| fits(one)) {
            return Ok(known);
        }
        let new = Arc::new(prepare()?);
        all.push(Arc::clone(&new) as Arc<dyn Any + Send + Sync>);
        Ok(new)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "{count} prepared")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_for_each_that_fits() -> Result<()> {
        let prepared = Prepared::default();
        for number in [1, 2, 1, 2] {
            assert_eq!(*prepared.get(|known: &i32| *known == number, || Ok(number))?, number);
            assert_eq!(*prepared.get(|_: &String| true, || Ok("text".to_owned()))?, "text");
        }
        assert_eq!(format!("{prepared:?}"), "3 prepared");
        Ok(())
    }
}
