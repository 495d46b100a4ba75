"""Spectra of PyTorch modules."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from ._arrays import as_numpy, is_torch, safetensors
from ._errors import unusable
from ._export import arguments, exported, save
from ._labels import check_labels, class_count, outputs_of
from ._native import EigenscapeError
from ._progress import Progress
from ._run import execute
from ._settings import count, given, named, plain, shown, text
from ._spectrum import Spectra
from ._words import of_arguments
from ._words import plain as plain_words

Named = Union[str, Mapping[str, Any]]

_ESTIMATOR = 'name one of Eigenscape\'s: estimator="gram", or {"name": "lanczos", "steps": 64}'


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
    - `groups`: "full", "layers" (each weight of two or more dimensions: convolutions, linear layers,
      embeddings, attention, recurrent layers), "parameters",
      "modules", "stages", names with `*`, rows of a tensor ("h.0.attn.c_attn.weight[0:768]").
    - `curvature`: "hessian", "gauss-newton", "residual", or several.
    - `estimator`: `{"name": "lanczos", "steps": 64, "probes": 4}` (two random vectors, `probes`, or
      more give standard errors), "gram" (every eigenvalue, exactly: of the Gauss-Newton matrix, and of a
      Hessian that is proved to be equal to it; it needs a square matrix of samples x classes rows, times
      the tokens or pixels that have a label), "dense", "hutchinson", "trace".
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
        "samples": "all" if samples is None else count(samples, "samples"),
        "groups": _list(groups, "groups"),
        "curvature": _list(curvature, "curvature"),
        "estimator": named(estimator, "estimator", _ESTIMATOR),
        "dtype": _dtype(dtype),
        **given(eigenvectors=None if eigenvectors is None else count(eigenvectors, "eigenvectors")),
    }
    batch_norm = text(batch_norm, "batch_norm", '"eval" or "train"')
    model = {"name": "exported", "batch_norm": batch_norm, **given(output=_output(output))}
    classes = None if classes is None else count(classes, "classes")
    experiment: dict[str, Any] = {
        "name": "spectra",
        "seed": count(seed, "seed"),
        "device": _device(device),
        "data": {"name": "arrays", **given(classes=classes)},
        "model": model,
        "probe": [probe],
        **given(loss=_loss(loss), memory=_memory(memory)),
    }
    with tempfile.TemporaryDirectory(prefix="eigenscape-") as folder:
        if isinstance(module, (str, os.PathLike)):
            path, inputs = os.path.abspath(module), _inputs(x, None)
        else:
            path, inputs = os.path.join(folder, "module.pt2"), _inputs(x, module)
            program = exported(module, x)
            save(program, path)
            if classes is None and y is not None:
                labels, outputs = as_numpy(y, "y"), outputs_of(program, output)
                if labels.shape[:1] == next(iter(inputs.values())).shape[:1]:
                    check_labels(labels, outputs, loss)
                experiment["data"].update(given(classes=class_count(labels, outputs)))
        model["path"] = path
        data = _data(inputs, y, loss)
        try:
            results = execute(
                experiment=json.dumps(experiment),
                data=data,
                out=folder,
                fresh=True,
                draw=False,
                progress=progress,
                words=plain_words,
                # The classes are those of the module, and a few samples have a few of them.
                unsaid=r"of the \d+ classes no training sample",
            )
            return _with_vectors(results.spectra)
        except EigenscapeError as error:
            said = of_arguments(error)
            partial = getattr(said.partial, "spectra", None)
            said.partial = Spectra() if partial is None else _with_vectors(partial)
            # The first error is of a file that the caller has not written.
            raise said from None


def _with_vectors(spectra: Spectra) -> Spectra:
    """The spectra with their eigenvectors in memory, before the files are removed."""
    for spectrum in spectra:
        for pair in spectrum.eigenpairs:
            pair.keep(pair.vector)
    return spectra


def _inputs(x: Any, module: Any) -> dict[str, np.ndarray]:
    """The inputs by the keys of a data file."""
    if module is not None:
        return {name: _numbers(value, name) for name, value in arguments(x, module).items()}
    if isinstance(x, Mapping):
        return {name: _numbers(value, name) for name, value in x.items()}
    if isinstance(x, (tuple, list)) and len(x) != 1:
        raise unusable(
            f"there are {len(x)} inputs without names",
            "give them as a dictionary by the names of forward's arguments",
        )
    return {"x": _numbers(x[0] if isinstance(x, (tuple, list)) else x, "x")}


def _numbers(value: Any, name: Any) -> np.ndarray:
    """The input as numbers, a mask as 0 and 1."""
    if not isinstance(name, str):
        raise unusable(f"`x` has the key {shown(name)}", "name the inputs as forward's arguments")
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


def _list(value: Any, what: str) -> list[Any]:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, (list, tuple)) or not all(
        isinstance(word, (str, Mapping)) for word in several
    ):
        raise unusable(f"`{what}` is {shown(value)}", "give a word, or a list of words")
    return [plain(word, what) for word in several]


def _dtype(dtype: Any) -> str:
    """The type's name here, also of NumPy's and torch's types."""
    word = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype)).split(".")[-1]
    word = {"float32": "f32", "float64": "f64", "float": "f64"}.get(word, word)
    if word in ("f32", "f64"):
        return word
    raise unusable(f"`dtype` is {shown(dtype)}", 'use "f32" or "f64"')


def _device(device: Any) -> str:
    """The device's name, also of torch's devices."""
    word = str(device) if is_torch(device) else text(device, "device", '"cpu", "cuda:0", "cuda" or "auto"')
    if word == "cpu" or word.startswith("cuda") or word == "auto":
        return word
    raise unusable(f"`device` is {shown(word)}", 'use "cpu", "cuda:0", "cuda" or "auto"')


def _output(output: Any) -> str | int | None:
    return output if output is None or isinstance(output, str) else count(output, "output")


def _loss(loss: Any) -> Any:
    remedy = (
        'name it: loss="cross-entropy", "mse", ... or {"name": "huber", "delta": 0.5}; for a loss of your own let '
        'the module return the loss of each sample, and set loss="output" (docs/pytorch.md)'
    )
    return None if loss is None else named(loss, "loss", remedy)


def _memory(memory: Any) -> str | None:
    return None if memory is None else text(memory, "memory", '"8GiB"')
