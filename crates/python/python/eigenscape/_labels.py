"""Labels beside a module's outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._errors import unusable

#: The label of pixels that belong to no class, in many data sets.
VOID = 255


def outputs_of(program: Any, output: str | int | None) -> tuple[Any, ...]:
    """The shape of an output of an exported program; () where it is unknown."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    names = list(program.graph_signature.user_outputs)
    name = None
    with contextlib.suppress(Exception):  # an output that there is not is refused later
        name = names[output or 0] if not isinstance(output, str) else _by_name(program, names)[output]
    return tuple(getattr(values.get(name), "shape", ()))


def _by_name(program: Any, names: list[Any]) -> Mapping[str, Any]:
    """The outputs' nodes by the keys of what `forward` returns."""
    from torch.utils import _pytree

    return dict(_pytree.tree_unflatten(names, program.call_spec.out_spec))


def class_count(y: np.ndarray, outputs: tuple[Any, ...]) -> int | None:
    """The number of classes, where the module has outputs for more than the labels `y` show."""
    count = _classes(y, outputs)
    return count if count is not None and count > int(y.max()) + 1 else None


def check_labels(y: np.ndarray, outputs: tuple[Any, ...], loss: Any) -> None:
    """Refuses labels that a cross-entropy of these outputs cannot take."""
    settings = loss if isinstance(loss, Mapping) else {"name": loss}
    if y.dtype.kind not in "iu" or not y.size or settings.get("name") not in (None, "cross-entropy"):
        return
    if y.ndim > 1 and y.shape[-1] == 1 and len(outputs) == y.ndim and outputs[-1] != 1:
        raise unusable(
            f"`y` has the shape {list(y.shape)}, and there is one label per sample", "give y.squeeze(-1)"
        )
    count, ignored = _classes(y, outputs), settings.get("ignore_index", -100)
    labels = y[y != ignored]
    smallest, largest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if count is not None and smallest >= 0 and largest >= count and largest != VOID:
        raise unusable(
            f"`y` has the label {largest}, and the module has outputs for the classes 0 to {count - 1}",
            "let labels start at 0 (y - 1 if they start at 1), or give the module more outputs",
        )


def _classes(y: np.ndarray, outputs: tuple[Any, ...]) -> int | None:
    """The size of the outputs' axis of classes, if they have one more axis than `y`."""
    if y.dtype.kind not in "iu" or not y.size or len(outputs) != y.ndim + 1:
        return None
    places = [1, len(outputs) - 1]
    sizes = [outputs[at] for at in places if [*outputs[1:at], *outputs[at + 1 :]] == list(y.shape[1:])]
    return next((int(size) for size in sizes if isinstance(size, int)), None)
