"""Combines the output files of check.sh in OUT into OUT/check.json, and reports whether all checks
passed: exit status 0, else 1.

    python combine.py OUT"""

import json
import re
import sys
from pathlib import Path

out = Path(sys.argv[1])


def text(name):
    path = out / name
    return path.read_text(errors="replace") if path.exists() else ""


def lines_of_json(name):
    found = []
    for line in text(name).splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            pass
    return found


def spectra(folder):
    """The largest eigenvalue and the trace of every spectrum measured before training. Later
    spectra are not comparable, because rounding makes trainings on two devices diverge."""
    found = {}
    for path in out.glob(f"{folder}/*/results.json"):
        for run in json.loads(path.read_text())["runs"]:
            for probe in (probe for probe in run["probes"] if probe["epoch"] == 0):
                key = "/".join(str(probe[name]) for name in ("epoch", "group", "curvature"))
                found[key] = [probe["lambda_max"], probe["trace"]]
    return found


laws = dict(re.findall(r"^test (\S+) \.\.\. (ok|FAILED)$", text("operations.out"), re.M))
cases = {
    name: float(error)
    for name, error in re.findall(r"^(\S+) \(cuda\)\s+worst relative error (\S+)", text("reference.out"), re.M)
}
gpu, cpu = spectra("gpu"), spectra("cpu")
differences = [
    abs(g - c) / max(abs(c), 1e-12)
    for key in gpu.keys() & cpu.keys()
    for g, c in zip(gpu[key], cpu[key])
    if g is not None and c is not None
]
report = {
    "card": text("card.txt").strip(),
    "steps": {name: {"code": int(code), "seconds": int(s)} for name, code, s in map(str.split, text("steps").splitlines())},
    "laws": laws,
    "reference_cases": cases,
    "quickstart": {"spectra": len(gpu), "largest_relative_difference_to_cpu": max(differences, default=None)},
    "times": lines_of_json("times.out"),
    "torch": json.loads(text("torch.json") or "null"),
}
(out / "check.json").write_text(json.dumps(report, indent=1))
right = bool(laws) and set(laws.values()) == {"ok"} and bool(cases) and max(cases.values()) < 1e-9 and bool(gpu)
print(f"{len(laws)} laws, {len(cases)} reference cases, {len(gpu)} spectra:", "all is well" if right else "NOT well")
sys.exit(0 if right else 1)
