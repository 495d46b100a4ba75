"""Spectra of PyTorch modules."""

from __future__ import annotations

import inspect
import json
import os
import pathlib
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from ._arrays import as_numpy, safetensors
from ._errors import unusable
from ._native import EigenscapeError
from ._progress import Progress
from ._run import execute
from ._spectrum import Spectra

Named = Union[str, Mapping[str, Any]]

#: torch.export is not made for several threads at once.
_EXPORTING = threading.Lock()


def spectra(
    module: Any,
    x: Any,
    y: Any = None,
    loss: Named | None = None,
    groups: str | Sequence[str] = ("full", "layers"),
    curvature: str | Sequence[str] = "hessian",
    estimator: Named = {"name": "lanczos", "steps": 64},  # noqa: B006, it is not changed
    samples: int | None = None,
    dtype: str = "f32",
    device: str = "cpu",
    seed: int = 0,
    *,
    eigenvectors: int | None = None,
    batch_norm: str = "eval",
    output: None | str | int = None,
    classes: int | None = None,
    memory: str | None = None,
    progress: Progress = None,
) -> Spectra:
    """The spectra of the curvature of a module's mean loss on (x, y), one for each group and each
    curvature.

    - `module`: a `torch.nn.Module`, or the path of what `torch.export.save` wrote (`.pt2`), for which
      torch is not needed. A module is exported as it is; it is not changed.
    - `x`: the inputs, with the samples along the first axis, as NumPy's arrays or torch's tensors; a
      tuple or a dictionary by the names of `forward`'s arguments where there are several.
    - `y`: class labels (integers) or real targets; none for `loss="output"`.
    - `loss`: "cross-entropy" (of class labels; mean squared error of real targets by default),
      `{"name": "huber", "delta": 0.5}`, "output" (the module's output is each sample's loss), ...
    - `groups`: "full", "layers" (the weights of each convolution and linear layer), "parameters",
      "modules", "stages", names with `*`, rows of a tensor ("h.0.attn.c_attn.weight[0:768]").
    - `curvature`: "hessian", "gauss-newton", "residual", or several.
    - `estimator`: `{"name": "lanczos", "steps": 64, "probes": 4}`, "gram" (every eigenvalue, where the
      loss is proved to have an exact factor), "dense", "hutchinson", "trace".
    - `samples`: how many samples, drawn by the seed; all by default.
    - `dtype`: "f32" or "f64"; `device`: "cpu", "cuda:0", "cuda" or "auto".
    - `eigenvectors`: how many eigenvectors to find beside each spectrum, by "lanczos", "gram" or "dense":
      `spectra[0].eigenpairs[0].vector["fc.weight"]`.
    - `batch_norm`: "eval" (running statistics, no dropout) or "train".
    - `output`: which of several outputs, by name or number. `classes`: their number, where it is more
      than the largest label plus one. `memory`: what may be held, as "8GiB".
    - `progress`: `None` shows a bar on a terminal and in a notebook, `False` nothing; or a function.

    Raises `ConfigurationError` if an argument cannot be used, and `EigenscapeError` if something failed
    (`partial` then has what was measured).
    """
    probe = {
        "samples": "all" if samples is None else _count(samples, "samples"),
        "groups": _list(groups, "groups"),
        "curvature": _list(curvature, "curvature"),
        "estimator": _plain(estimator, "estimator"),
        "dtype": _dtype(dtype),
        **_given(eigenvectors=None if eigenvectors is None else _count(eigenvectors, "eigenvectors")),
    }
    model = {"name": "exported", "batch_norm": batch_norm, **_given(output=output)}
    experiment: dict[str, Any] = {
        "name": "spectra",
        "seed": _count(seed, "seed"),
        "device": device,
        "data": {"name": "arrays", **_given(classes=classes)},
        "model": model,
        "probe": [probe],
        **_given(loss=None if loss is None else _plain(loss, "loss"), memory=memory),
    }
    with tempfile.TemporaryDirectory(prefix="eigenscape-") as folder:
        if isinstance(module, (str, os.PathLike)):
            path, inputs = os.path.abspath(module), _inputs(x, None)
        else:
            path, inputs = os.path.join(folder, "module.pt2"), _inputs(x, module)
            program = _exported(module, x)
            _save(program, path)
            if classes is None and y is not None:
                experiment["data"].update(_given(classes=_classes(program, output, as_numpy(y, "y"))))
        model["path"] = path
        data = _data(inputs, y, loss)
        try:
            text = json.dumps(experiment)
            results = execute(
                experiment=text, data=data, out=folder, fresh=True, draw=False, progress=progress
            )
            return _with_vectors(results.spectra)
        except EigenscapeError as error:
            found: Spectra = getattr(getattr(error, "partial", None), "spectra", Spectra())
            error.partial = _with_vectors(found)
            raise


def _with_vectors(spectra: Spectra) -> Spectra:
    """The spectra with their eigenvectors in memory, before the files are removed."""
    for spectrum in spectra:
        for pair in spectrum.eigenpairs:
            pair.keep(pair.vector)
    return spectra


def export(module: Any, x: Any, path: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a module as `torch.export.save` does, for any number of samples, and returns the path.

    `x` is as in `spectra`. Where the module's code holds for some numbers of samples alone, it is
    exported for that of `x`.
    """
    _save(_exported(module, x), path)
    return pathlib.Path(path)


def _exported(module: Any, x: Any) -> Any:
    """The module as a program of `torch.export`."""
    import torch

    module = _unwrapped(module)
    given = _arguments(x, module)
    tensors = {name: _as_torch(value, torch) for name, value in given.items()}
    # One sample would be taken for a constant.
    two = {name: torch.cat([value[:1], value[-1:]]) for name, value in tensors.items()}
    with _EXPORTING:
        return _program(module, tensors, two, torch)


def _program(module: Any, tensors: dict[str, Any], two: dict[str, Any], torch: Any) -> Any:
    """The program for any number of samples or, where there is none, for that of `tensors`."""
    try:
        shapes = {name: {0: torch.export.Dim("batch")} for name in two}
        return torch.export.export(module, (), dict(two), dynamic_shapes=shapes)
    except Exception as why:  # noqa: BLE001, torch raises many kinds
        try:
            return torch.export.export(module, (), dict(tensors))
        except Exception:  # noqa: BLE001
            problem = f"torch.export does not take this module with this x: {why}"
            remedy = "see https://docs.pytorch.org/docs/stable/export.html for what it takes"
            raise unusable(problem, remedy) from why


def _unwrapped(module: Any) -> Any:
    """The module inside of `torch.compile`'s and of `DataParallel`."""
    if type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
        module = module.module
    return getattr(module, "_orig_mod", module)


def _save(program: Any, path: str | os.PathLike[str]) -> None:
    import torch

    torch.export.save(program, os.fspath(path))


def _classes(program: Any, output: str | int | None, y: np.ndarray) -> int | None:
    """The number of classes, where the module has outputs for more than the labels `y` show."""
    if y.dtype.kind not in "iu" or not y.size or output is not None:
        return None
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    shape = getattr(values.get(next(iter(program.graph_signature.user_outputs), None)), "shape", ())
    if len(shape) != y.ndim + 1:
        return None
    places = [1, len(shape) - 1]
    sizes = [shape[place] for place in places if [*shape[1:place], *shape[place + 1 :]] == list(y.shape[1:])]
    return next((int(size) for size in sizes if isinstance(size, int) and size > int(y.max()) + 1), None)


def _arguments(x: Any, module: Any) -> dict[str, Any]:
    """The inputs by the names of `forward`'s arguments."""
    if not hasattr(module, "forward"):
        raise unusable(
            f"`module` is of type {type(module).__name__}",
            "give a torch.nn.Module, or the path of a .pt2 file",
        )
    if isinstance(x, Mapping):
        return dict(x)
    several = list(x) if isinstance(x, (tuple, list)) else [x]
    names = [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(several) > len(names):
        problem = f"there are {len(several)} inputs, and forward takes {len(names)}: {', '.join(names)}"
        raise unusable(problem, "give x as forward takes it")
    return dict(zip(names, several))


def _inputs(x: Any, module: Any) -> dict[str, np.ndarray]:
    """The inputs by the keys of a data file."""
    if module is not None:
        given = _arguments(x, _unwrapped(module))
        return {name: _numbers(value, name) for name, value in given.items()}
    if isinstance(x, Mapping):
        return {name: _numbers(value, name) for name, value in x.items()}
    if isinstance(x, (tuple, list)) and len(x) > 1:
        raise unusable(
            "there are several inputs without names",
            "give them as a dictionary by the names of forward's arguments",
        )
    return {"x": _numbers(x[0] if isinstance(x, (tuple, list)) else x, "x")}


def _numbers(value: Any, name: str) -> np.ndarray:
    """The input as numbers, a mask as 0 and 1."""
    array = as_numpy(value, name)
    if array.ndim == 0:
        raise unusable(f"`{name}` has no axis", "give the samples along the first axis")
    return array.astype(np.int64) if array.dtype == bool else array


def _data(inputs: Mapping[str, np.ndarray], y: Any, loss: Any) -> bytes:
    if y is not None:
        return safetensors({**inputs, "y": as_numpy(y, "y")})
    if (loss.get("name") if isinstance(loss, Mapping) else loss) != "output":
        raise unusable(
            "`y` is missing", 'give the targets, or loss="output" where the module\'s output is the loss'
        )
    return safetensors(inputs)


def _as_torch(value: Any, torch: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    array = np.ascontiguousarray(value)
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("=")))


def _list(value: str | Sequence[str], what: str) -> list[str]:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, (list, tuple)) or not all(
        isinstance(word, (str, Mapping)) for word in several
    ):
        raise unusable(f"`{what}` is {value!r}", "give a word, or a list of words")
    return list(several)


def _count(value: Any, what: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise unusable(f"`{what}` is {value!r}", "give a whole number")
    return int(value)


def _dtype(dtype: Any) -> str:
    """The type's name here, also of NumPy's and torch's types."""
    word = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype)).split(".")[-1]
    return {"float32": "f32", "float64": "f64", "float": "f64"}.get(word, word)


def _plain(named: Named, what: str) -> Any:
    if isinstance(named, (str, Mapping)):
        return named if isinstance(named, str) else dict(named)
    raise unusable(
        f"`{what}` is of type {type(named).__name__}",
        'name one of Eigenscape\'s, as in estimator="gram"'
        if what == "estimator"
        else 'name it: loss="cross-entropy", "mse", ... or {"name": "huber", "delta": 0.5}; for a loss of your own let '
        'the module return the loss of each sample, and set loss="output" (docs/pytorch.md)',
    )


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not `None`."""
    return {name: value for name, value in values.items() if value is not None}
