//! Under which names the inputs of examples stand in a file.

use candle_core::{DType, Tensor};
use eigenscape_core::Result;

use crate::{tensor_file::TensorFile, tensors::tokens};

/// The names of one or several tensors that an example consists of.
pub(crate) struct InputNames {
    names: Vec<String>,
    /// Whether they are the network's own, of which integers may have any shape.
    own: bool,
}

impl InputNames {
    /// Those in a file for a network with these names: `x`, where there is one and no need of
    /// several.
    pub fn of(file: &TensorFile<'_>, names: &[String]) -> Self {
        let own = !(names.is_empty() || (names.len() == 1 && file.has("x")));
        let names = if own { names.to_vec() } else { vec!["x".to_owned()] };
        Self { names, own }
    }

    /// Those of the test examples.
    pub fn of_test(&self) -> Self {
        Self { names: self.names.iter().map(|name| format!("{name}_test")).collect(), own: self.own }
    }

    /// The first one.
    pub fn first(&self) -> &str {
        self.names.first().map_or("x", String::as_str)
    }

    /// The tensor, or several as one \[N, D\]: the elements of all of an example one after the
    /// other.
    ///
    /// # Errors
    /// When one is missing or cannot be used, or they are not of the same number of examples.
    pub fn read(&self, file: &TensorFile<'_>) -> Result<Tensor> {
        let read = |name: &String| {
            if file.is_integer(name)? { tokens(file, name, self.own) } else { file.floats(name) }
        };
        let parts = self.names.iter().map(read).collect::<Result<Vec<_>>>()?;
        if let [only] = parts.as_slice() {
            return Ok(only.clone());
        }
        let count = |part: &Tensor| part.dims().first().copied();
        if let Some(place) = parts.iter().position(|part| count(part) != count(&parts[0])) {
            let problem = format!(
                "its shape is {:?}, and that of `{}` {:?}",
                parts[place].dims(),
                self.first(),
                parts[0].dims()
            );
            let remedy = "save all inputs of the same samples, [N, ...]";
            return Err(file.error(&self.names[place], problem, remedy));
        }
        let double = parts.iter().any(|part| part.dtype() == DType::F64);
        let dtype = if double { DType::F64 } else { DType::F32 };
        let rows = parts.iter().map(|part| {
            let part = if part.rank() == 1 { part.unsqueeze(1)? } else { part.flatten_from(1)? };
            part.to_dtype(dtype)
        });
        Ok(Tensor::cat(&rows.collect::<candle_core::Result<Vec<_>>>()?, 1)?)
    }
}
