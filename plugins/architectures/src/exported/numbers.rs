//! Numbers of a file's tensors, read where they lie: nothing is held beside the file and the
//! result.

use candle_core::{DType, Device, Tensor as CandleTensor};
use eigenscape_core::{Error, Result};
use eigenscape_formats::pt2::Tensor as Stored;
use safetensors::Dtype;

/// Whether elements of this type are read.
pub(super) fn are_read(dtype: Dtype) -> bool {
    use Dtype::{BF16, BOOL, F16, F32, F64, I8, I16, I32, I64, U8};
    matches!(dtype, F64 | F32 | F16 | BF16 | I64 | I32 | I16 | I8 | U8 | BOOL)
}

/// The refusal of a tensor of another type.
pub(super) fn unread(file: &str, name: &str, tensor: &Stored) -> Error {
    let problem = format!("the tensor {name} is of the type {:?}, which is not read", tensor.dtype);
    Error::input(file, problem, "export the network with weights in float32")
}

/// The element in these bytes. Integers of more than 53 bits are rounded.
fn number(dtype: Dtype, bytes: &[u8]) -> f64 {
    fn of<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.try_into().unwrap_or([0; N])
    }
    match dtype {
        Dtype::F64 => f64::from_le_bytes(of(bytes)),
        Dtype::F32 => f64::from(f32::from_le_bytes(of(bytes))),
        Dtype::F16 => half(u16::from_le_bytes(of(bytes))),
        // The upper half of a float32.
        Dtype::BF16 => f64::from(f32::from_bits(u32::from(u16::from_le_bytes(of(bytes))) << 16)),
        Dtype::I64 => i64::from_le_bytes(of(bytes)) as f64,
        Dtype::I32 => f64::from(i32::from_le_bytes(of(bytes))),
        Dtype::I16 => f64::from(i16::from_le_bytes(of(bytes))),
        Dtype::I8 => f64::from(i8::from_le_bytes(of(bytes))),
        _ => f64::from(u8::from_le_bytes(of(bytes))),
    }
}

/// The number of an IEEE 754 half-precision pattern: a sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    sign * size
}

/// All elements of a type in these bytes.
pub(super) fn all(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact((dtype.bitsize() / 8).max(1)).map(|bytes| number(dtype, bytes)).collect()
}

/// The values of a parameter or of running statistics in the type `wanted`; they must be finite
/// floating-point numbers.
pub(super) fn weight(file: &str, name: &str, tensor: &Stored, wanted: DType) -> Result<CandleTensor> {
    let stored = tensor.stored().filter(|stored| are_read(stored.dtype()));
    let stored = stored.ok_or_else(|| unread(file, name, tensor))?;
    if !tensor.dtype.is_float() {
        let problem =
            format!("the tensor {name} is of the type {:?}, not of floating-point numbers", tensor.dtype);
        return Err(Error::input(file, problem, "export the network with weights in float32"));
    }
    let count = tensor.shape.iter().product();
    let (mut place, mut wrong) = (0, None);
    let mut checked = |bytes: &[u8]| {
        let number = number(stored.dtype(), bytes);
        if !number.is_finite() && wrong.is_none() {
            wrong = Some((place, number));
        }
        place += 1;
        number
    };
    let shape = tensor.shape.as_slice();
    let result = if wanted == DType::F64 {
        let mut numbers = Vec::with_capacity(count);
        stored.each(|bytes| numbers.push(checked(bytes)));
        CandleTensor::from_vec(numbers, shape, &Device::Cpu)?
    } else {
        let mut numbers: Vec<f32> = Vec::with_capacity(count);
        stored.each(|bytes| numbers.push(checked(bytes) as f32));
        CandleTensor::from_vec(numbers, shape, &Device::Cpu)?
    };
    match wrong {
        None => Ok(result),
        Some((place, number)) => {
            let problem = format!("the tensor {name} holds {number} (element {place})");
            Err(Error::input(file, problem, "export the network from before its training diverged"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_of_ieee_754() {
        let known = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x03ff, 6.097_555_160_522_461e-5),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
        ];
        for (bits, number) in known {
            assert_eq!(half(bits), number, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn elements_of_every_type_are_read() {
        assert_eq!(all(Dtype::I16, &[1, 0, 255, 255]), [1.0, -1.0]);
        assert_eq!(all(Dtype::BF16, &[0x80, 0x3f]), [1.0]);
        assert_eq!(all(Dtype::I64, &(-3_i64).to_le_bytes()), [-3.0]);
        assert_eq!(all(Dtype::BOOL, &[1, 0]), [1.0, 0.0]);
        assert_eq!(all(Dtype::I8, &[255]), [-1.0]);
    }
}
