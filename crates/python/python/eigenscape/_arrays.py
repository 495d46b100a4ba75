"""Tensors of NumPy or torch as the bytes of a safetensors file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._errors import unusable

TYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip

_ARRAY = "give an array of NumPy or a tensor of torch, of real numbers"


def is_torch(value: Any) -> bool:
    """Whether a value is torch's, found without importing torch."""
    return type(value).__module__.split(".")[0] == "torch" or any(
        base.__module__.split(".")[0] == "torch" for base in type(value).__mro__
    )


def check_dense(tensor: Any, what: str) -> None:
    """Refuses a tensor of torch that has no numbers, or is not stored as a plain array."""
    if tensor.device.type == "meta":
        raise unusable(
            f'{what} is on the device "meta", which has no numbers', 'make it on "cpu", or load its numbers'
        )
    if tensor.is_nested:
        raise unusable(f"{what} is a nested tensor", "give a plain one: tensor.to_padded_tensor(0.0)")
    if str(tensor.layout) != "torch.strided":
        kind = str(tensor.layout).split(".")[-1]
        raise unusable(f"{what} is stored as {kind}", "give a plain tensor: tensor.to_dense()")


def as_numpy(value: Any, name: str) -> np.ndarray:
    """The array of a value, with the memory of the value where that is possible."""
    given = value
    try:
        if is_torch(value) and hasattr(value, "layout"):
            check_dense(value, f"`{name}`")
            value = value.detach().cpu().resolve_neg()
            value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as why:
        line = next(iter(str(why).splitlines()), "")
        raise unusable(f"`{name}` cannot be read as an array: {line}", _ARRAY) from None
    if array.dtype.name not in TYPES:
        of = "" if array.dtype == object else f" of {array.dtype.name}"
        raise unusable(f"`{name}` is of type {type(given).__name__}{of}", _ARRAY)
    return array


def safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a safetensors file with these tensors."""
    header, parts, end = {}, [], 0
    for name, array in tensors.items():
        array = np.ascontiguousarray(array)
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        parts.append(little.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def from_safetensors(contents: bytes) -> dict[str, np.ndarray]:
    """The tensors in the bytes of a safetensors file that Eigenscape wrote."""
    start = 8 + int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8:start])
    names = {code: name for name, code in TYPES.items()}
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        first, end = about["data_offsets"]
        dtype = np.dtype(names[about["dtype"]])
        values = np.frombuffer(contents[start + first : start + end], dtype.newbyteorder("<"))
        tensors[name] = values.astype(dtype).reshape(about["shape"])
    return tensors
