"""Modules of PyTorch as programs of torch.export."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import logging
import os
import pathlib
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ._arrays import as_numpy, check_dense
from ._errors import unusable
from ._settings import shown

#: torch.export is not made for several threads at once.
_EXPORTING = threading.Lock()

#: Where torch's messages begin to be of what torch's developers may do.
_ADVICE = ("consider using", "Caused by", "For more", "For extended", "For C++", "If you suspect", "The error above",
           "The following call", "Suggested fixes", "from user code", "Set TORCH")  # fmt: skip

_OF_EXPORT = (
    "torch.export.export(module, (x,)) shows all that torch says of it; "
    "https://docs.pytorch.org/docs/stable/export.html says what it takes"
)

#: Words of torch's messages, and what to do.
_REMEDIES = [
    (
        ("DynamicCache", "EncoderDecoderCache"),
        "a model of transformers returns a cache: set module.config.use_cache = False (docs/pytorch.md)",
    ),
    (
        ("data-dependent", "DataDependent"),
        "forward branches on the numbers of tensors (if, while, .item()): use torch.where(condition, a, b)",
    ),
]

#: The most characters of torch's message that are shown.
_SHOWN = 400


def export(module: Any, x: Any, path: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a module as `torch.export.save` does, for any number of samples, and returns the path.

    `x` is as in `spectra`. Where the module's code holds for some numbers of samples alone, it is
    exported for that of `x`.
    """
    save(exported(module, x), path)
    return pathlib.Path(path)


def exported(module: Any, x: Any) -> Any:
    """The module as a program of `torch.export`."""
    import torch

    module = _unwrapped(module)
    given = arguments(x, module)
    # An export changes the module's tensors while it runs.
    with _EXPORTING:
        _check(module, torch)
        tensors = {name: _as_torch(value, name, torch) for name, value in given.items()}
        # One sample would be taken for a constant.
        two = {name: torch.cat([value[:1], value[-1:]]) for name, value in tensors.items()}
        with _quiet():
            return _program(module, tensors, two, torch)


def save(program: Any, path: str | os.PathLike[str]) -> None:
    import torch

    torch.export.save(program, os.fspath(path))


def arguments(x: Any, module: Any) -> dict[str, Any]:
    """The inputs by the names of `forward`'s arguments."""
    module = _unwrapped(module)
    if any(kind.__name__ == "ScriptModule" for kind in type(module).__mro__):
        raise unusable(
            "`module` is one of torch.jit", "give the module itself, before torch.jit.trace or script"
        )
    if not hasattr(module, "forward"):
        raise unusable(
            f"`module` is of type {type(module).__name__}",
            "give a torch.nn.Module, or the path of a .pt2 file",
        )
    parameters = inspect.signature(module.forward).parameters.values()
    if isinstance(x, Mapping):
        known = [parameter.name for parameter in parameters]
        takes_any = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
        words = [name for name in x if isinstance(name, str)]
        unknown = next((name for name in words if name not in known and not takes_any), None)
        if unknown is not None:
            problem = f"forward has no argument {shown(unknown)}; it takes {', '.join(known)}"
            raise unusable(problem, "name the inputs as forward's arguments")
        return dict(x)
    several = list(x) if isinstance(x, (tuple, list)) else [x]
    names = [
        parameter.name
        for parameter in parameters
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(several) > len(names):
        problem = f"there are {len(several)} inputs, and forward takes {len(names)}: {', '.join(names)}"
        raise unusable(problem, "give x as forward takes it")
    return dict(zip(names, several))


def _unwrapped(module: Any) -> Any:
    """The module inside of `torch.compile`'s and of `DataParallel`."""
    if type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
        module = module.module
    return getattr(module, "_orig_mod", module)


def _check(module: Any, torch: Any) -> None:
    """Refuses what torch.export would fail at later, or write without its numbers."""
    if not isinstance(module, torch.nn.Module):
        return
    for what in (module.named_parameters(), module.named_buffers()):
        for name, tensor in what:
            if torch.nn.parameter.is_lazy(tensor):
                remedy = "call the module once, so that its shape is known"
                raise unusable(f"the module's `{name}` has no shape yet", remedy)
            check_dense(tensor, f"the module's `{name}`")
    for name, part in module.named_modules():
        is_norm = isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
        if is_norm and part.training and part.momentum is None and part.track_running_stats:
            raise unusable(
                f"`{name or 'the module'}` averages over all batches (momentum=None), which torch.export does not "
                "take in training mode",
                'call module.eval() first: the mode of the spectra is that of `batch_norm`, "eval" or "train"',
            )


def _program(module: Any, tensors: dict[str, Any], two: dict[str, Any], torch: Any) -> Any:
    """The program for any number of samples or, where there is none, for that of `tensors`."""
    with contextlib.suppress(Exception):
        shapes = {name: {0: torch.export.Dim("batch")} for name in two}
        return torch.export.export(module, (), dict(two), dynamic_shapes=shapes)
    try:
        return torch.export.export(module, (), dict(tensors))
    except Exception as why:  # noqa: BLE001, torch raises many kinds
        _check_call(module, tensors, torch)
        said = _in_short(why, torch)
        remedies = (remedy for words, remedy in _REMEDIES if any(word in str(why) for word in words))
        # Without torch's own exception, whose trace is pages long.
        raise unusable(
            f"torch.export does not take this module with this x: {said}", next(remedies, _OF_EXPORT)
        ) from None


def _check_call(module: Any, tensors: dict[str, Any], torch: Any) -> None:
    """Refuses an x that the module itself does not take."""
    try:
        # A call may change buffers.
        again = copy.deepcopy(module)
    except Exception:  # noqa: BLE001, modules may hold anything
        return
    try:
        with torch.no_grad():
            again(**tensors)
    except Exception as why:  # noqa: BLE001
        problem = f"the module itself fails with this x: {_in_short(why, torch)}"
        remedy = (
            "give x in the shape and type that module(x) takes, as x.half() for a module in half precision"
        )
        raise unusable(problem, remedy) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what is printed to stderr, and drops it where our exception says what is wrong. Torch's loggers write
    to where stderr was before: what they say of attempts that fail is not said at all.
    """
    disabled = logging.root.manager.disable
    with io.StringIO() as held:
        try:
            logging.disable(logging.ERROR)
            with contextlib.redirect_stderr(held):
                yield
        except Exception:
            held.truncate(0)
            raise
        finally:
            logging.disable(disabled)
            sys.stderr.write(held.getvalue())


def _in_short(why: Exception, torch: Any) -> str:
    """What torch says, without its advice, and the line of the module's code that it was at."""
    lines = [line.strip() for line in str(why).splitlines()]
    end = next((place for place, line in enumerate(lines) if line.startswith(_ADVICE)), len(lines))
    text = " ".join(line for line in lines[:end] if line)
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."
    frames = reversed(traceback.extract_tb(why.__traceback__))
    place = next((frame for frame in frames if _is_callers(frame.filename, torch)), None)
    at = f" ({os.path.basename(place.filename)}, line {place.lineno})" if place else ""
    return f"{type(why).__name__}: {text}{at}"


def _is_callers(file: str, torch: Any) -> bool:
    """Whether a file of code is neither torch's, nor Python's, nor ours."""
    if file.startswith((os.path.dirname(torch.__file__), os.path.dirname(__file__))):
        return False
    if file.startswith("<"):
        return file.startswith(("<stdin", "<ipython"))
    return not file.startswith(os.path.dirname(os.__file__)) or "site-packages" in file


def _as_torch(value: Any, name: str, torch: Any) -> Any:
    if isinstance(value, torch.Tensor):
        check_dense(value, f"`{name}`")
        return value.detach()
    array = np.ascontiguousarray(as_numpy(value, name))
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("=")))
