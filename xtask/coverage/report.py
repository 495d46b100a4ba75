"""Writes docs/coverage.md from the results."""

import platform
from collections import Counter
from importlib.metadata import version

LIBRARIES = {"torchvision": 95, "timm": 80, "transformers": 100}

INTRODUCTION = """# Coverage

Which networks of popular libraries give the same numbers here as in PyTorch.

Each network is made by its library's own constructor, with random weights, few channels and small images. It is
exported by `torch.export` with a symbol for the number of samples, and compared with PyTorch in f64 on a batch of three
samples: the loss, the outputs, the gradient, Hv and Gv (products with the Hessian and the Gauss-Newton matrix) of the
cross-entropy. *Verified* means that each of these five differs from PyTorch's by at most 1e-9, relative to its norm
over all parameters. The tables list the number of parameters, the number of operations in the graph, and the largest of
the five differences.

If PyTorch's own Hv is NaN, there is nothing to compare with. The windows of torchvision's swin_v2 are therefore chosen
such that none is padded with zeros, because swin_v2 divides by the norm of the padding. [pytorch.md](pytorch.md)
explains how to export a network of your own.
"""

COMMAND = """Made by [`xtask/coverage`](../xtask/coverage/coverage.py):

```console
$ cd xtask/coverage
$ pip install -r requirements.txt
$ python coverage.py --xtask ../../target/release/xtask --report
```
"""


def write(records, path):
    parts = [INTRODUCTION, _versions(), _shares(records), _missing(records), _notes(records)]
    parts += [_table(library, [r for r in records if r["library"] == library]) for library in LIBRARIES]
    path.write_text("\n".join(part for part in parts if part))


def _versions():
    packages = ", ".join(f"{name} {version(name).split('+')[0]}" for name in ("torch", "torchvision", "timm", "transformers"))
    return f"{packages}; Python {platform.python_version()}; on a CPU.\n\n{COMMAND}"


def _shares(records):
    lines = ["| library | models | verified | share | goal |", "| --- | --- | --- | --- | --- |"]
    for library, goal in LIBRARIES.items():
        of_it = [r for r in records if r["library"] == library]
        count = sum(r["state"] == "verified" for r in of_it)
        share = 100 * count / max(len(of_it), 1)
        lines.append(f"| {library} | {len(of_it)} | {count} | {share:.0f} % | {goal} % |")
    return "\n".join(lines) + "\n"


def _missing(records):
    """What is not known, by operation and how many models have it."""
    models = Counter(operation for r in records for operation in r.get("unknown", {}))
    if not models:
        return ""
    lines = ["## Failures by operation", "", "| operation | models |", "| --- | --- |"]
    for operation, _ in models.most_common():
        names = ", ".join(sorted(r["name"] for r in records if operation in r.get("unknown", {})))
        lines.append(f"| `{operation.removeprefix('torch.ops.')}` | {names} |")
    return "\n".join(lines) + "\n"


def _notes(records):
    lines = [f"- **{title}**: {text}" for state, (title, text) in STATES.items() if any(r["state"] == state for r in records)]
    lines += [f"- *{words}*: {text}" for key, (words, text) in REMARKS.items() if any(key in r for r in records)]
    return "\n".join(["## Words", "", *lines, ""]) if lines else ""


# By the key of a record.
REMARKS = {
    "no_symbol": (
        "one number of samples",
        "PyTorch cannot export the graph with a symbol for the number of samples. It was exported for seven, and compared on three.",
    ),
    "written_out": (
        "hardsigmoid",
        "PyTorch has no second derivative of it, and a first one in which 1/6 is rounded to float32. It is therefore compared with"
        " PyTorch's clamp(x + 3, 0, 6) / 6; the exported graph has hardsigmoid.",
    ),
}

STATES = {
    "first order": ("First order", "PyTorch itself has no second derivative of an operation. Loss, outputs and gradient agree; ours has Hv and Gv, too."),
    "ill-conditioned": (
        "Ill-conditioned",
        "a difference above 1e-9 that is no more than 100 times what PyTorch's own result moves by when each weight changes by one rounding error.",
    ),
    "wrong": ("Wrong", "the numbers differ from PyTorch's by more than that."),
    "unknown": ("Unknown", "operations of the graph are not known."),
    "refused": ("Refused", "a message other than that of an unknown operation."),
    "no export": ("No export", "PyTorch itself cannot export the module."),
    "timeout": ("Timeout", "longer than the limit (`--seconds`)."),
}


def _table(library, records):
    lines = [f"## {library}", "", "| model | parameters | operations | result |", "| --- | ---: | ---: | --- |"]
    for r in sorted(records, key=lambda r: r["name"].lower()):
        lines.append(f"| {r['name']} | {_number(r, 'parameters')} | {_number(r, 'nodes')} | {_result(r)} |")
    return "\n".join(lines) + "\n"


def _number(record, name):
    return f"{record[name]:,}".replace(",", " ") if name in record else ""


def _result(record):
    state = record["state"]
    text = {
        "verified": lambda: f"{record['worst']:.0e}",
        "first order": lambda: f"first order: {record['worst']:.0e}; {_no_second(record)}",
        "ill-conditioned": lambda: f"ill-conditioned: {record['worst']:.0e}, PyTorch's own {max(record['sensitivity'].values()):.0e}",
        "wrong": lambda: "wrong: " + ", ".join(f"{n} {e:.0e}" for n, e in record["errors"].items() if not e <= 1e-9),
        "unknown": lambda: "unknown: " + ", ".join(f"`{n.removeprefix('torch.ops.')}`" for n in record["unknown"]),
        "refused": lambda: f"refused: {_cell(record['refused'])}",
        "no export": lambda: f"no export: {_cell(record['no_export'])}",
    }.get(state, lambda: _cell(f"{state} {record.get('message', '')}"))()
    remarks = [words for key, (words, _) in REMARKS.items() if key in record and "no_export" not in record]
    return text + (f" ({', '.join(remarks)})" if remarks else "")


def _no_second(record):
    return _cell(record["no_second_derivative"].split(": ", 1)[-1])


def _cell(text):
    return text.replace("|", "\\|").replace("\n", " ").strip()[:200]
