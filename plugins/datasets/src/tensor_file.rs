//! Reads a safetensors file; errors name the file, the tensor, the element and the remedy.

use candle_core::{DType, Tensor};
use eigenscape_core::{Error, Result, registry::nearest};
use eigenscape_formats::{Stored, safetensors::Tensors};
use safetensors::Dtype;

/// Names with a meaning, which are never suggested as misspellings of one another.
const NAMES: [&str; 4] = ["x", "y", "x_test", "y_test"];

/// The tensors of a file, and the file's name for errors.
pub(crate) struct TensorFile<'a> {
    name: &'a str,
    tensors: Tensors<'a>,
}

/// Integers of any type with their shape.
pub(crate) struct Integers {
    pub(crate) shape: Vec<usize>,
    /// The type's name.
    pub(crate) name: String,
    pub(crate) values: Vec<i128>,
}

impl<'a> TensorFile<'a> {
    /// Checks the header against the contents: types, shapes and offsets must cover the data
    /// exactly.
    pub(crate) fn parse(name: &'a str, contents: &'a [u8]) -> Result<Self> {
        let tensors = Tensors::parse(contents).map_err(|error| {
            // A zip archive or a pickle.
            if contents.starts_with(b"PK\x03\x04")
                || contents.starts_with(b"\x80") && contents.get(8) != Some(&b'{')
            {
                return Error::input(
                    name,
                    "this is a file of torch.save, and data is read from safetensors files",
                    "write it in Python by `safetensors.torch.save_file({\"x\": x, \"y\": y}, path)`",
                );
            }
            Error::input(
                name,
                format!("not a whole safetensors file, it is truncated or damaged ({error})"),
                "write it again, in Python by `safetensors.torch.save_file({\"x\": x, \"y\": y}, path)`",
            )
        })?;
        Ok(Self { name, tensors })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.tensors.get(key).is_some()
    }

    /// Whether a tensor holds integers.
    pub(crate) fn is_integer(&self, key: &str) -> Result<bool> {
        use Dtype::{I8, I16, I32, I64, U8, U16, U32, U64};
        Ok(matches!(self.view(key)?.dtype(), I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64))
    }

    /// Whether a tensor holds booleans.
    pub(crate) fn is_boolean(&self, key: &str) -> Result<bool> {
        Ok(self.view(key)?.dtype() == Dtype::BOOL)
    }

    /// A tensor of finite numbers: `f32` and `f64` as they are, half precision widened to `f32`.
    pub(crate) fn floats(&self, key: &str) -> Result<Tensor> {
        let view = self.view(key)?;
        let Some(stored) = view.candle_dtype().filter(DType::is_float) else {
            let problem = format!("its elements are {:?}, not floats", view.dtype());
            let remedy = "save it as float32 or float64, normalised as the network is to see it";
            return Err(self.error(key, problem, remedy));
        };
        let wanted = if stored == DType::F64 { DType::F64 } else { DType::F32 };
        let tensor = view.to_tensor(stored, wanted)?;
        self.require_finite(key, &tensor)?;
        Ok(tensor)
    }

    /// A tensor of integers of any type.
    pub(crate) fn integers(&self, key: &str) -> Result<Integers> {
        let view = self.view(key)?;
        let data = &*view.elements();
        let values = match view.dtype() {
            Dtype::I8 => decode(data, i8::from_le_bytes),
            Dtype::I16 => decode(data, i16::from_le_bytes),
            Dtype::I32 => decode(data, i32::from_le_bytes),
            Dtype::I64 => decode(data, i64::from_le_bytes),
            Dtype::U8 => decode(data, u8::from_le_bytes),
            Dtype::U16 => decode(data, u16::from_le_bytes),
            Dtype::U32 => decode(data, u32::from_le_bytes),
            Dtype::U64 => decode(data, u64::from_le_bytes),
            other => {
                return Err(self.error(
                    key,
                    format!("its elements are {other:?}, not integers"),
                    "save it as int64",
                ));
            }
        };
        Ok(Integers { shape: view.shape().to_vec(), name: format!("{:?}", view.dtype()), values })
    }

    /// An error about one tensor.
    pub(crate) fn error(&self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::input(format!("{}, tensor `{key}`", self.name), problem, remedy)
    }

    fn view(&self, key: &str) -> Result<Stored<'_>> {
        self.tensors.get(key).ok_or_else(|| {
            let others = self.tensors.iter().map(|(name, _)| name).filter(|name| !NAMES.contains(name));
            let remedy = match nearest(key, others) {
                Some(name) => format!("did you mean `{name}`? rename it to `{key}`"),
                None => format!("save the file with `{key}`"),
            };
            self.error(key, "the file has no such tensor", remedy)
        })
    }

    fn require_finite(&self, key: &str, tensor: &Tensor) -> Result<()> {
        let flat = tensor.flatten_all()?;
        let bad = match tensor.dtype() {
            DType::F64 => first_not_finite(&flat.to_vec1::<f64>()?),
            _ => first_not_finite(&flat.to_vec1::<f32>()?),
        };
        match bad {
            None => Ok(()),
            Some((index, value)) => {
                let index = multi_index(index, tensor.dims());
                let problem = format!("the element {index} is {value}");
                Err(self.error(
                    key,
                    problem,
                    "remove the sample or repair its value: every number must be finite",
                ))
            }
        }
    }
}

/// Little-endian elements; the length is a multiple of the element's size because the header was
/// checked.
fn decode<T: Into<i128>, const SIZE: usize>(data: &[u8], from: impl Fn([u8; SIZE]) -> T) -> Vec<i128> {
    let (elements, _) = data.as_chunks::<SIZE>();
    elements.iter().map(|bytes| from(*bytes).into()).collect()
}

fn first_not_finite<T: Into<f64> + Copy>(values: &[T]) -> Option<(usize, f64)> {
    values.iter().map(|value| (*value).into()).enumerate().find(|(_, value)| !value.is_finite())
}

/// A row-major position as an index along each dimension, `[3, 0, 5]`.
pub(crate) fn multi_index(mut position: usize, shape: &[usize]) -> String {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|d| {
            let along = position % d;
            position /= d;
            along
        })
        .collect();
    index.reverse();
    format!("{index:?}")
}

#[cfg(test)]
mod tests {
    use super::multi_index;

    #[test]
    fn positions_count_the_last_dimension_fastest() {
        assert_eq!(multi_index(0, &[2, 3, 4]), "[0, 0, 0]");
        assert_eq!(multi_index(23, &[2, 3, 4]), "[1, 2, 3]");
        assert_eq!(multi_index(7, &[2, 3, 4]), "[0, 1, 3]");
    }
}
