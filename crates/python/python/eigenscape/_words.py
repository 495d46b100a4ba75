"""What is said of an experiment's file, in the words of the arguments of `spectra`."""

from __future__ import annotations

import re

from ._errors import failed, unusable
from ._native import ConfigurationError, EigenscapeError

#: The argument that is written to a key of the experiment.
ARGUMENTS = {
    "probe.groups": "groups", "probe.curvature": "curvature", "probe.estimator": "estimator",
    "probe.samples": "samples", "probe.dtype": "dtype", "model.batch_norm": "batch_norm",
    "model.output": "output", "model": "module", "data.classes": "classes", "data": "x",
    "probe.eigenvectors": "eigenvectors", "loss": "loss", "memory": "memory", "device": "device",
    "seed": "seed",
}  # fmt: skip

#: Phrases of messages that name places in a file, and what they mean here.
_PHRASES = [
    (r"\[\[probe\]\] number 1: ", ""),
    (r" \(\[\[probe\]\] number 1\)", ""),
    (r"`memory` \(the experiment's key\)", "`memory`"),
    (r"(\w+) = (\S+) in \[data\]", r"\1=\2"),
    (r"(\w+) = (\S+) in \[loss\]", r'loss={"name": ..., "\1": \2}'),
    (r"(\w+) = (\S+) in \[model\]", r"\1=\2"),
    (r"set `output` in \[model\] to", "give as `output`"),
    (r"correct the settings in \[model\], choose another architecture, or", "correct the module, or"),
    (r"the settings in \[model\]", "the module"),
    (r"in \[(model|data)\]", "in the call"),
    (r"the data, tensor `(\w+)`: ", r"`\1`: "),
    (r"\S*/eigenscape-\w+/module\.pt2:? ", "the module "),
    (r"`exported` gives", "the module gives"),
    (r"choose an architecture", "choose a module"),
    (r"^save one", "give one"),
    (r"\bsave them", "give them"),
    (r"`probe\[\d+\]\.(\w+)`", r"`\1`"),
    (r"`probe\.estimator\.(\w+)`", r'`estimator["\1"]`'),
    (r"`(?:probe|model|data)\.(\w+)`", r"`\1`"),
]


def of_arguments(error: EigenscapeError) -> EigenscapeError:
    """The same error, of the arguments of `spectra`."""
    problem, key = getattr(error, "_parts", (str(error).partition("\n  help: ")[0], None))
    remedy = getattr(error, "remedy", None)
    problem, remedy = plain(problem), None if remedy is None else plain(remedy)
    argument = _argument(key or "")
    # Settings of an estimator or a loss are no arguments; other names in front are.
    is_named = (
        problem.startswith("`") if argument not in ("estimator", "loss") else f"`{argument}`" in problem
    )
    if argument is not None and not is_named:
        problem = f"`{argument}`: {problem}"
    make = unusable if isinstance(error, ConfigurationError) else failed
    said = make(problem, remedy)
    said.partial = getattr(error, "partial", None)
    return said


def _argument(key: str) -> str | None:
    """The argument that a dotted key belongs to."""
    parts = key.split(".")
    starts = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((ARGUMENTS[start] for start in starts if start in ARGUMENTS), None)


def plain(text: str) -> str:
    """A text without places in a file."""
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text)
    return text
