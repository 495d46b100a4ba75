"""Results of Eigenscape as tables of pandas: `python docs/load_results.py runs/quickstart`."""

import json
import pathlib
import sys

import pandas as pd

MATRIX = ("probe", "epoch", "batch", "curvature", "group", "estimator")


def load(folder):
    """The tables "training", "spectra", "eigenvalues" and "distances" of a folder of results, by name."""
    results = json.loads((pathlib.Path(folder) / "results.json").read_text(encoding="utf-8"))
    rows = {"training": [], "spectra": [], "eigenvalues": [], "distances": []}
    for run in results["runs"]:
        of_run = {"run": run["name"], "variant": run["variant"], "seed": run["seed"]}
        rows["training"] += [{**of_run, **epoch} for epoch in run["training"]]
        rows["distances"] += [{**of_run, **distance} for distance in run["distances"]]
        for probe in run["probes"]:
            numbers = {key: value for key, value in probe.items() if not isinstance(value, (list, dict))}
            rows["spectra"].append({**of_run, **numbers, **probe.get("moments", {})})
            vectors = probe.get("origins") or [None] * len(probe["eigenvalues"])  # which random vector found it
            listed = list(zip(probe["eigenvalues"], probe["weights"], vectors))
            if probe.get("mass_at_zero"):  # the eigenvalues at zero are not listed
                listed.append((0.0, probe["mass_at_zero"], None))
            matrix = {**of_run, **{key: probe.get(key) for key in MATRIX}}
            rows["eigenvalues"] += [{**matrix, "eigenvalue": e, "weight": w, "vector": v} for e, w, v in listed]
    return {name: pd.DataFrame(of) for name, of in rows.items()}


if __name__ == "__main__":
    for name, table in load(sys.argv[1]).items():
        print(f"{name}\n{table}\n")
