"""Results of experiments, as `results.json` has them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._spectrum import Spectra, Spectrum


@dataclass(frozen=True)
class Run:
    """One run of an experiment: a training, or the analysis of a network as it is."""

    #: What distinguishes it from the other runs of a sweep; empty without one.
    name: str
    #: The seed of everything random in it.
    seed: int
    #: A dictionary an epoch: `epoch`, `train_loss`, `test_accuracy`, ...
    training: list[Mapping[str, Any]]
    #: All spectra.
    spectra: Spectra
    #: A dictionary a pair of spectra: `metric`, `left`, `right`, `value`, `stderr`, ...
    distances: list[Mapping[str, Any]]
    #: The record in `results.json`.
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """All that an experiment found, and its folder."""

    #: The experiment's name.
    name: str
    #: Where `results.json`, `report.html`, the figures, the checkpoints and the eigenvectors are.
    folder: pathlib.Path
    #: One for each combination of the sweep and each seed.
    runs: list[Run]
    #: Claims that the experiment states, with verdicts.
    claims: list[Mapping[str, Any]]
    #: The whole of `results.json`.
    record: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str, folder: Any) -> Results:
        """The results in the text of a `results.json`."""
        record = json.loads(text)
        return cls(
            name=record["name"],
            folder=pathlib.Path(folder),
            runs=[_run(run, pathlib.Path(folder)) for run in record["runs"]],
            claims=record.get("claims", []),
            record=record,
        )

    @classmethod
    def load(cls, folder: Any) -> Results:
        """The results in a folder that an experiment has written: "runs/quickstart"."""
        path = pathlib.Path(folder) / "results.json"
        return cls.from_json(path.read_text(encoding="utf-8"), folder)

    @property
    def spectra(self) -> Spectra:
        """The spectra of all runs."""
        return Spectra(spectrum for run in self.runs for spectrum in run.spectra)

    @property
    def report(self) -> pathlib.Path:
        """The page with figures and tables."""
        return self.folder / "report.html"

    def to_frame(self, what: str = "spectra") -> Any:
        """A pandas `DataFrame` of the "spectra", the "eigenvalues", the "training" or the "distances" of
        all runs, with the run's name in the column `run`. The weights of a spectrum's eigenvalues add up
        to 1: the last one is the mass at zero, where there is some.
        """
        import pandas

        rows: dict[str, Callable[[Run], Sequence[Mapping[str, Any]]]] = {
            "spectra": lambda run: [spectrum.to_dict() for spectrum in run.spectra],
            "training": lambda run: run.training,
            "distances": lambda run: run.distances,
            "eigenvalues": lambda run: [row for spectrum in run.spectra for row in _eigenvalues(spectrum)],
        }
        if what not in rows:
            raise ValueError(f'there are no "{what}": use one of {", ".join(rows)}')
        return pandas.DataFrame([{"run": run.name, **row} for run in self.runs for row in rows[what](run)])

    def to_dict(self) -> dict[str, Any]:
        """Numbers by name, for experiment trackers: the last epoch of each run, and each spectrum."""
        numbers: dict[str, Any] = {}
        for run in self.runs:
            before = f"{run.name}/" if run.name else ""
            last = run.training[-1] if run.training else {}
            numbers.update({f"{before}{key}": value for key, value in last.items() if value is not None})
            for spectrum in run.spectra:
                named = spectrum.to_dict()
                place = f"{before}{named.pop('curvature')}/{named.pop('group')}/epoch {named.pop('epoch')}"
                numbers.update({f"{place}/{name}": value for name, value in named.items()})
        return numbers

    def __repr__(self) -> str:
        runs = "1 run" if len(self.runs) == 1 else f"{len(self.runs)} runs"
        spectra = "1 spectrum" if len(self.spectra) == 1 else f"{len(self.spectra)} spectra"
        return f"<Results of {self.name}: {runs}, {spectra}, in {self.folder}>"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}".replace("<Results", "Results").rstrip(">") + "</p>" + self.spectra._repr_html_()


def _eigenvalues(spectrum: Spectrum) -> list[Mapping[str, Any]]:
    record = spectrum.record
    matrix = {
        name: record.get(name) for name in ("probe", "epoch", "batch", "curvature", "group", "estimator")
    }
    vectors = record.get("origins") or [None] * len(record["eigenvalues"])
    listed = list(zip(record["eigenvalues"], record["weights"], vectors))
    if record.get("mass_at_zero"):
        listed.append((0.0, record["mass_at_zero"], None))
    return [
        {**matrix, "eigenvalue": value, "weight": weight, "vector": vector}
        for value, weight, vector in listed
    ]


def _run(record: Mapping[str, Any], folder: pathlib.Path) -> Run:
    return Run(
        name=record["name"],
        seed=record.get("seed", 0),
        training=record["training"],
        spectra=Spectra(Spectrum.from_record(probe, folder) for probe in record["probes"]),
        distances=record["distances"],
        record=record,
    )
