"""Runs `xtask verify` on what PyTorch wrote, and reads what it says."""

import json
import re

from limits import command

LIMIT = 1e-9

# `verify` needs the architecture alone; `check` names all unknown operations, and needs a whole
# experiment.
EXPERIMENT = """name = "net"
[data]
name = "tensors"
path = "net.safetensors"
[model]
name = "exported"
path = "net.pt2"
[[probe]]
samples = "all"
groups = "full"
curvature = "hessian"
estimator = "lanczos"
"""


def verify(xtask, folder, seconds, gib):
    """What became of it: relative errors, unknown operations, a refusal or a timeout."""
    (folder / "net.toml").write_text(EXPERIMENT)
    report = folder / "errors.json"
    arguments = [xtask, "verify", "net.safetensors", "--model", "net.toml", "--dtype", "f64", "--json", str(report)]
    code, said = command(arguments + ["--tolerance", str(LIMIT)], folder, seconds, gib)
    if code is None:
        return {"verify": "timeout"}
    if report.exists() and report.stat().st_size:
        # JSON has no infinity and no NaN: they are null.
        errors = json.loads(report.read_text())
        return {"errors": {name: float("inf") if e is None else e for name, e in errors.items()}}
    if "are not known" in unwrapped(said):
        _, said = command([xtask, "check", "net.toml"], folder, seconds, gib)
        unknown = re.findall(r"^\W*((?:torch\.ops|torch\.\w+|_operator|math|builtins)[\w.]*): ", said, re.M)
        counts = {name: sum(map(int, re.findall(r"(\d+) in ", line))) for name, line in zip(unknown, _lines(said, unknown))}
        return {"unknown": counts}
    return {"refused": unwrapped(said)[:400] or f"exit code {code}"}


def _lines(said, names):
    text = unwrapped(said)
    starts = [text.index(f"{name}: ") for name in names] + [text.find(" help:") if " help:" in text else len(text)]
    return [text[a:b] for a, b in zip(starts, starts[1:])]


def unwrapped(said):
    """A message in one line, without its frame and paths."""
    text = " ".join(re.sub(r"^[\s│×╭╰─·|]+", "", line) for line in said.splitlines())
    return re.sub(r"(?<![\w.])(/[\w.+-]+){2,}/", "", re.sub(r"\s+", " ", text)).strip()
