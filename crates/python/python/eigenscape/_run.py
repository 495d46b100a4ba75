"""Experiments."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from . import _errors as errors
from . import _fork, _native
from ._progress import Bar, Progress
from ._results import Results
from ._settings import plain, shown


def run(
    experiment: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str] | None = None,
    set: Mapping[str, Any] | Sequence[str] = (),
    *,
    only: str | Sequence[str] = (),
    profile: str = "small",
    fresh: bool = False,
    progress: Progress = None,
) -> Results:
    """Runs an experiment and returns its results: the same numbers as `cargo xtask reproduce`.

    `experiment` is the path of a TOML file, or a dictionary with the same keys. `out` is the folder
    in which that of the results is made ("runs" by default). `set` changes keys:
    `{"train.epochs": 3}`, or `["train.epochs=3"]`. `only` chooses a case of a file that has several,
    `profile` is "small" or "full". An experiment that has finished with the same settings is not run
    again, unless `fresh`. Ctrl-C stops at a point where nothing is lost: the same call goes on from
    there.

    Raises `ConfigurationError` before anything is run if the experiment cannot be used, and
    `EigenscapeError` if something failed; its `partial` then has the results without what failed.
    """
    path = os.fspath(experiment) if isinstance(experiment, (str, os.PathLike)) else None
    if path is None and not isinstance(experiment, Mapping):
        problem = f"`experiment` is of type {type(experiment).__name__}"
        raise errors.unusable(problem, "give the path of a TOML file, or a dictionary with the same keys")
    if out is not None and not isinstance(out, (str, os.PathLike)):
        raise errors.unusable(f"`out` is {shown(out)}", "give the path of a folder")
    return execute(
        path=path,
        experiment=json.dumps(plain(experiment, "experiment")) if path is None else None,
        set=[f"{key}={_toml(value)}" for key, value in plain(set, "set").items()]
        if isinstance(set, Mapping)
        else _words(set, "set"),
        out=None if out is None else os.fspath(out),
        only=_words(only, "only"),
        profile=profile,
        fresh=fresh,
        progress=progress,
    )


def execute(
    progress: Progress, words: Callable[[str], str] = str, unsaid: str = "", **arguments: Any
) -> Results:
    """Runs an experiment as `_native.run` takes it. `words` is applied to lines that are shown, without the warnings
    that `unsaid` matches."""
    _fork.check()
    bar = Bar(progress, words, unsaid)
    try:
        folder, text, failed = _native.run(report=bar.report, **arguments)
    finally:
        bar.close()
    results = Results.from_json(text, folder)
    if failed is not None:
        problem, remedy = failed
        error = errors.failed(problem, remedy)
        error.partial = results
        raise error
    return results


def _words(value: Any, what: str) -> list[str]:
    """A word, or several."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise errors.unusable(f"`{what}` is {shown(value)}", "give a string, or a list of strings")
    return list(words)


def _toml(value: Any) -> str:
    """A value as on the command line; strings, lists and numbers are the same in JSON."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return "{ " + inner + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
