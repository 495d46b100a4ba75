//! Element types, by their numbers in PyTorch's schema.

use safetensors::Dtype;
use serde::{Deserialize, Deserializer};

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    /// `torch.float64`.
    Double,
    /// `torch.float32`.
    Float,
    /// `torch.float16`.
    Half,
    /// `torch.bfloat16`.
    BFloat16,
    /// Integers.
    Integer {
        /// The bytes of one integer.
        bytes: u8,
        /// Whether the integers are signed.
        signed: bool,
    },
    /// `torch.bool`.
    Bool,
    /// Complex, 8-bit floating-point and other types, by their number in the schema.
    Other(u32),
}

impl ScalarType {
    /// `torch.int64`.
    pub const LONG: Self = Self::Integer { bytes: 8, signed: true };

    /// The type with this number in the schema's table `ScalarType`.
    #[must_use]
    pub fn of(code: u32) -> Self {
        let integer = |bytes, signed| Self::Integer { bytes, signed };
        match code {
            1 => integer(1, false),
            2 => integer(1, true),
            3 => integer(2, true),
            4 => integer(4, true),
            5 => Self::LONG,
            6 => Self::Half,
            7 => Self::Float,
            8 => Self::Double,
            12 => Self::Bool,
            13 => Self::BFloat16,
            other => Self::Other(other),
        }
    }

    /// Whether elements are floating-point numbers.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::Double | Self::Float | Self::Half | Self::BFloat16)
    }

    /// The storage type of the elements; `None` for types that cannot be read.
    #[must_use]
    pub fn stored(self) -> Option<Dtype> {
        Some(match self {
            Self::Double => Dtype::F64,
            Self::Float => Dtype::F32,
            Self::Half => Dtype::F16,
            Self::BFloat16 => Dtype::BF16,
            Self::Bool => Dtype::BOOL,
            Self::Integer { bytes: 1, signed: false } => Dtype::U8,
            Self::Integer { bytes: 1, signed: true } => Dtype::I8,
            Self::Integer { bytes: 2, signed: true } => Dtype::I16,
            Self::Integer { bytes: 4, signed: true } => Dtype::I32,
            Self::Integer { bytes: 8, signed: true } => Dtype::I64,
            Self::Integer { .. } | Self::Other(_) => return None,
        })
    }

    /// The element type for a storage type; `None` if the schema has none.
    #[must_use]
    pub fn from_stored(stored: Dtype) -> Option<Self> {
        let integer = |bytes, signed| Self::Integer { bytes, signed };
        Some(match stored {
            Dtype::F64 => Self::Double,
            Dtype::F32 => Self::Float,
            Dtype::F16 => Self::Half,
            Dtype::BF16 => Self::BFloat16,
            Dtype::BOOL => Self::Bool,
            Dtype::U8 => integer(1, false),
            Dtype::I8 => integer(1, true),
            Dtype::I16 => integer(2, true),
            Dtype::I32 => integer(4, true),
            Dtype::I64 => Self::LONG,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for ScalarType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self::of)
    }
}
