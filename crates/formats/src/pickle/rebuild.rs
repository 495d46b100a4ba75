//! The calls and classes by which `torch.save` describes tensors, and NumPy arrays. No other is
//! understood.

use safetensors::Dtype;

use super::{
    document::Document,
    machine::Known,
    value::{Span, Storage, TensorRecord, Value},
};

/// The functions whose results are known without calling them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// A dictionary that keeps its order.
    OrderedDict,
    /// A dictionary with a default, given by its one argument.
    DefaultDict,
    /// (storage, first element, shape, strides, ...): a tensor.
    Tensor,
    /// (tensor, ...): the same tensor.
    Parameter,
    /// (function, class, arguments, attributes): the function's result, with attributes.
    FromType,
    /// (class, ...): an array that is described later.
    Array,
    /// (bytes, element type, shape, order): an array.
    FromBuffer,
    /// (name, ...): the type of an array's elements.
    ElementType,
    /// (text, encoding): bytes.
    Encode,
}

impl Function {
    pub(super) fn of(known: Known, module: &str, name: &str) -> Option<Self> {
        match known {
            Known::Torch => Self::of_torch(module, name),
            Known::Numpy => Self::of_numpy(module, name),
        }
    }

    fn of_numpy(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Some(Self::Array),
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Some(Self::FromBuffer),
            ("numpy", "dtype") => Some(Self::ElementType),
            ("_codecs", "encode") => Some(Self::Encode),
            _ => None,
        }
    }

    fn of_torch(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("collections", "defaultdict") => Self::DefaultDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::FromType,
            _ => return None,
        })
    }
}

/// The element type of a storage's class.
fn element(module: &str, name: &str) -> Option<Dtype> {
    if !matches!(module, "torch" | "torch.cuda") {
        return None;
    }
    Some(match name {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}

/// Whether a class or function is one that this file knows.
pub(super) fn is_known(known: Known, module: &str, name: &str) -> bool {
    Function::of(known, module, name).is_some() || element(module, name).is_some()
}

/// A storage from its description ("storage", class, entry, device, number of elements); `entry`
/// gives an entry's bytes. A storage of a class that is not known is an object of that class.
pub(super) fn storage<'a>(
    document: &mut Document<'a>,
    description: &[Value],
    entry: impl FnOnce(&str) -> Option<&'a [u8]>,
) -> Result<Value, &'static str> {
    let &[Value::Text(kind), Value::Global(class), Value::Text(key), _, Value::Int(count)] = description
    else {
        return Err("a storage is not described as torch.save does it");
    };
    if kind.of(document.pickle) != b"storage" {
        return Err("it refers to something outside that is no storage");
    }
    let [module, name] = document.global(class);
    let Some(dtype) = element(module, name) else { return Ok(Value::Object(class)) };
    let bytes = entry(document.text(key)).ok_or("a storage has no entry in the archive")?;
    let size = usize::try_from(count).ok().and_then(|count| count.checked_mul(dtype.bitsize() / 8));
    if size != Some(bytes.len()) {
        return Err("a storage and its entry in the archive differ in size");
    }
    document.storages.push(Storage { dtype, bytes });
    Ok(Value::Storage(document.storages.len() as u32 - 1))
}

/// A tensor from the arguments of `_rebuild_tensor_v2`. One of a storage that is not known is an
/// object of its class.
pub(super) fn tensor(document: &mut Document, arguments: Span) -> Result<Value, &'static str> {
    let (storage, offset, shape, strides) = match *arguments.of(&document.parts) {
        [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..] => {
            (storage, offset, shape, strides)
        }
        [Value::Object(class), ..] => return Ok(Value::Object(class)),
        _ => return Err("a tensor is not described as torch.save does it"),
    };
    if shape.length != strides.length {
        return Err("a tensor's shape and strides differ in number");
    }
    let start = document.axes.len();
    for span in [shape, strides] {
        for axis in span.of(&document.parts) {
            let Value::Int(axis) = *axis else { return Err("a tensor's shape is no shape") };
            document
                .axes
                .push(usize::try_from(axis).map_err(|_| "a tensor has a negative length or stride")?);
        }
    }
    let offset = usize::try_from(offset).map_err(|_| "a tensor begins before its storage")?;
    document.tensors.push(TensorRecord { storage, rank: shape.length, axes: start, offset });
    let tensor = Value::Tensor(document.tensors.len() as u32 - 1);
    document.tensor(tensor).map(|_| tensor).ok_or("a tensor reaches beyond its storage")
}
