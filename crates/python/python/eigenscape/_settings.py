"""Arguments of calls, checked before they are passed on."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._errors import unusable


def count(value: Any, what: str) -> int:
    """A whole number from 0 to 2^63 - 1."""
    if is_count(value) and 0 <= value < 2**63:
        return int(value)
    raise unusable(f"`{what}` is {shown(value)}", "give a whole number from 0 to 2^63 - 1")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def text(value: Any, what: str, example: str) -> str:
    """A string."""
    if isinstance(value, str):
        return value
    raise unusable(f"`{what}` is {shown(value)}", f"give a string, as {what}={example}")


def named(value: Any, what: str, remedy: str) -> Any:
    """A name, or a dictionary with one and settings."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise unusable(f"`{what}` is of type {type(value).__name__}", remedy)
    if not isinstance(value.get("name"), str):
        raise unusable(f"`{what}` has no name: {shown(value)}", remedy)
    return plain(value, what)


def plain(value: Any, what: str) -> Any:
    """A value of strings, numbers, truth values, lists and dictionaries; NumPy's numbers as Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise unusable(f"`{what}` has the key {shown(key)}", "name its settings by strings")
        return {key: plain(item, f"{what}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, what) for item in value]
    fits = (
        -(2**63) <= value < 2**63
        if isinstance(value, int)
        else not isinstance(value, float) or math.isfinite(value)
    )
    if isinstance(value, (str, bool, int, float)) and fits:
        return value
    remedy = "give strings, finite numbers, truth values, lists or dictionaries"
    raise unusable(f"`{what}` is {shown(value)}", "leave out what is None" if value is None else remedy)


def given(**values: Any) -> dict[str, Any]:
    """The values that are not `None`."""
    return {name: value for name, value in values.items() if value is not None}


def shown(value: Any) -> str:
    """A value in a message, of a bounded length."""
    word = repr(value)
    return word if len(word) <= 80 else f"{word[:80]}..."
