"""Spectra, as they come from any of the package's functions."""

from __future__ import annotations

import html
import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from . import _native
from ._arrays import from_safetensors

#: A deviation of the sum of weights from 1 up to here is rounding.
NO_MASS = 1e-12


@dataclass(frozen=True, eq=False)
class Eigenpair:
    """An eigenvalue λ of a matrix H, with its eigenvector v of norm 1."""

    #: λ, one of the eigenvalues (or converged Ritz values) of the spectrum.
    value: float
    #: ‖Hv − λv‖, measured: some eigenvalue of H lies within this distance of `value`.
    residual: float
    #: Σ vᵢ⁴: 1/P for a vector of equal elements, 1 for a single element, 3/P for a random direction.
    inverse_participation_ratio: float
    #: The file of the vector (safetensors), from `run`; `None` where the vector is in memory alone.
    file: pathlib.Path | None

    @cached_property
    def vector(self) -> dict[str, np.ndarray]:
        """v by the names of the group's parameters, in their shapes. Its element of largest magnitude is
        positive. It is read from the file when it is first used.
        """
        return {} if self.file is None else from_safetensors(self.file.read_bytes())

    def keep(self, vector: dict[str, np.ndarray]) -> None:
        """Keeps a vector in memory, and forgets the file."""
        vars(self).update(vector=vector, file=None)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The distribution of the eigenvalues of a symmetric matrix of dimension P: the measure
    Σᵢ wᵢ δ(λᵢ) + w₀ δ(0), with w₀ = 1 − Σᵢ wᵢ (`mass_at_zero`).

    An exact spectrum lists every non-zero eigenvalue with weight 1/P; an estimated one lists Ritz
    values with quadrature weights. An estimator of one number (`hutchinson`, `trace`) leaves
    `eigenvalues` empty.
    """

    #: The group of parameters: "full", the name of a layer's weights, ...
    group: str
    #: "hessian", "gauss-newton", "residual".
    curvature: str
    #: The estimator's name.
    estimator: str
    #: Whether every eigenvalue (or the number) is exact up to rounding.
    exact: bool
    #: P, the number of parameters of the group.
    dimension: int
    #: Eigenvalues or Ritz values, from the largest.
    eigenvalues: np.ndarray
    #: The weight of each.
    weights: np.ndarray
    #: For each Ritz value a distance within which an eigenvalue lies; empty where unknown or exact.
    residuals: np.ndarray
    #: The trace, or its estimate.
    trace: float
    #: Its standard error, which is what is shown after ±: 0 when exact, `None` when unknown (a
    #: single random vector). A confidence interval of 95 % is wider: by Student's t with
    #: `trace_freedom` degrees of freedom, 12.7 standard errors for two vectors, 2.4 for eight.
    trace_stderr: float | None
    #: The degrees of freedom for the interval of the trace; `None` where it is exact or unknown.
    trace_freedom: float | None = None
    #: A lower bound of the smallest and an upper bound of the largest eigenvalue, each with a
    #: probability of 95 %; `None` for exact spectra and where unknown.
    extreme_bounds: tuple[float, float] | None = None
    #: The |λ| below which rounding makes an eigenvalue indistinguishable from 0 (not listed then).
    rounding: float | None = None
    #: Random vectors averaged over; `None` where nothing is random.
    probes: int | None = None
    #: Products of the matrix with a vector that were spent.
    products: int = 0
    #: Wall-clock seconds; `None` where unknown.
    seconds: float | None = None
    #: The epoch after which it was measured; 0 without training.
    epoch: int = 0
    #: Which of several disjoint samples, where there are several.
    batch: int | None = None
    #: The eigenvalues of largest magnitude with their eigenvectors, from the largest; empty unless they
    #: were asked for. There may be fewer, where no more are non-zero or have converged.
    eigenpairs: Sequence[Eigenpair] = field(default=(), repr=False)
    #: The record in `results.json` that this was made of.
    record: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], folder: pathlib.Path = pathlib.Path()) -> Spectrum:
        """The spectrum of a record in `results.json` (`runs[].probes[]`) of a folder."""
        bounds = record.get("extreme_bounds")
        return cls(
            group=record["group"],
            curvature=record["curvature"],
            estimator=record["estimator"],
            exact=record["exact"],
            dimension=record["dimension"],
            eigenvalues=np.array(record["eigenvalues"], dtype=np.float64),
            weights=np.array(record["weights"], dtype=np.float64),
            residuals=np.array(record.get("residuals", []), dtype=np.float64),
            trace=record["trace"],
            trace_stderr=record["trace_stderr"],
            trace_freedom=_freedom(record),
            extreme_bounds=None if bounds is None else (bounds[0], bounds[1]),
            rounding=record.get("rounding"),
            probes=record.get("probes"),
            products=record["products"],
            seconds=record["seconds"],
            epoch=record["epoch"],
            batch=record.get("batch"),
            eigenpairs=[_eigenpair(pair, folder) for pair in record.get("eigenpairs", [])],
            record=record,
        )

    def __eq__(self, other: object) -> bool:
        return self.record == other.record if isinstance(other, Spectrum) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.group, self.curvature, self.epoch, self.trace))

    @property
    def lambda_max(self) -> float | None:
        """The largest eigenvalue or Ritz value, 0 included where it has mass; `None` without a spectrum."""
        return self.record.get("lambda_max")

    @property
    def lambda_min(self) -> float | None:
        """The smallest eigenvalue or Ritz value, 0 included where it has mass; `None` without a spectrum."""
        return self.record.get("lambda_min")

    @property
    def mass_at_zero(self) -> float | None:
        """w₀, the share of eigenvalues that are zero or indistinguishable from it; `None` where it is
        unknown: without a spectrum, and where Ritz values near zero stand for it.
        """
        if not self._is_listed():
            return None
        mass = 1.0 - math.fsum(self.weights)
        if mass > NO_MASS:
            return mass
        return 0.0 if self.exact else None

    def density(
        self, at: Sequence[float] | np.ndarray | None = None, sigma: float | None = None
    ) -> np.ndarray:
        """The density of the measure convolved with a Gaussian of standard deviation `sigma`:
        ρ(x) = Σᵢ wᵢ 𝒩(x; λᵢ, σ²) at each x of `at` (`grid()` by default). By default σ is a
        hundredth of the spectrum's range.
        """
        if not self._is_listed():
            raise ValueError(f"the estimator {self.estimator} finds one number, which has no density")
        values, weights = self.atoms()
        sigma = self._sigma() if sigma is None else sigma
        if not (sigma > 0 and math.isfinite(sigma)):
            raise ValueError(f"sigma is {sigma}, which is no width; give a positive number")
        at = self.grid() if at is None else at
        points = [float(x) for x in np.asarray(at, dtype=np.float64).ravel()]
        return np.array(_native.density(values.tolist(), weights.tolist(), points, float(sigma)))

    def grid(self, points: int = 400) -> np.ndarray:
        """Points from below the smallest eigenvalue to above the largest."""
        values, _ = self.atoms()
        margin = 5 * self._sigma()
        return np.linspace(values.min() - margin, values.max() + margin, points)

    def atoms(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and weights of the measure, that of zero included."""
        mass = self.mass_at_zero
        if not mass:
            return self.eigenvalues, self.weights
        return np.append(self.eigenvalues, 0.0), np.append(self.weights, mass)

    def plot(self, ax: Any = None, sigma: float | None = None, **style: Any) -> Any:
        """Draws the density, on a logarithmic axis, and a tick at each listed value; returns the
        axes. Needs matplotlib.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        at = self.grid()
        density = self.density(at, sigma)
        (line,) = ax.plot(at, density, **{"label": f"{self.curvature} of {self.group}", **style})
        ticks = self.eigenvalues if self.exact else self.eigenvalues[self.weights > 0]
        ax.plot(ticks, np.zeros_like(ticks), "|", color=line.get_color(), transform=ax.get_xaxis_transform(),
                clip_on=False)  # fmt: skip
        top = density.max()
        ax.set(xlabel="eigenvalue", ylabel="density", yscale="log", ylim=(top * 1e-7, top * 3))
        ax.legend()
        return ax

    def to_dict(self) -> dict[str, Any]:
        """The numbers of the spectrum by name, for experiment trackers: no arrays, no `None`."""
        bounds = self.extreme_bounds or (None, None)
        named = {
            "group": self.group,
            "curvature": self.curvature,
            "estimator": self.estimator,
            "epoch": self.epoch,
            "batch": self.batch,
            "exact": self.exact,
            "dimension": self.dimension,
            "lambda_max": self.lambda_max,
            "lambda_max_bound": bounds[1],
            "lambda_min": self.lambda_min,
            "lambda_min_bound": bounds[0],
            "trace": self.trace,
            "trace_stderr": self.trace_stderr,
            "mass_at_zero": self.mass_at_zero,
            **self.record.get("moments", {}),
            "products": self.products,
            "seconds": self.seconds,
        }
        return {name: value for name, value in named.items() if value is not None}

    def to_frame(self) -> Any:
        """The eigenvalues with their weights and residuals as a pandas `DataFrame`."""
        import pandas

        columns = {"eigenvalue": self.eigenvalues, "weight": self.weights}
        if len(self.residuals):
            columns["residual"] = self.residuals
        return pandas.DataFrame(columns)

    def _is_listed(self) -> bool:
        return self.record.get("value") is None

    def _sigma(self) -> float:
        values, _ = self.atoms()
        span = float(values.max() - values.min()) if len(values) else 0.0
        return span / 100 or max(abs(float(values.max())) if len(values) else 0.0, 1.0) / 100

    def _summary(self) -> dict[str, str]:
        """What is shown of it."""
        shown = {
            "group": self.group,
            "curvature": self.curvature,
            "P": str(self.dimension),
            "λ max": _number(self.lambda_max),
            "λ min": _number(self.lambda_min),
            "trace": with_error(self.trace, self.trace_stderr),
            "at zero": "" if self.mass_at_zero is None else f"{self.mass_at_zero:.1%}",
            "computed": f"{'exactly' if self.exact else 'with estimates'} by {self.estimator}",
        }
        return shown

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value}" for name, value in self._summary().items() if value)
        return f"<Spectrum: {shown}>"

    def _repr_html_(self) -> str:
        return table([self._summary()])


class Spectra(list[Spectrum]):
    """Several spectra, as a list that shows itself as a table."""

    def to_frame(self) -> Any:
        """One row a spectrum, as a pandas `DataFrame`."""
        import pandas

        return pandas.DataFrame([spectrum.to_dict() for spectrum in self])

    def to_dict(self) -> dict[str, Any]:
        """Numbers by "curvature/group/name", for experiment trackers."""
        numbers: dict[str, Any] = {}
        for spectrum in self:
            named = spectrum.to_dict()
            place = f"{named.pop('curvature')}/{named.pop('group')}"
            numbers.update({f"{place}/{name}": value for name, value in named.items()})
        return numbers

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draws all densities on the same axes, and returns these. Needs matplotlib."""
        for spectrum in self:
            ax = spectrum.plot(ax, **style)
        return ax

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "<no spectra>"

    def _repr_html_(self) -> str:
        return table([spectrum._summary() for spectrum in self])


def _eigenpair(record: Mapping[str, Any], folder: pathlib.Path) -> Eigenpair:
    return Eigenpair(
        value=record["value"],
        residual=record["residual"],
        inverse_participation_ratio=record["inverse_participation_ratio"],
        file=folder / record["file"] if record["file"] else None,
    )


def _freedom(record: Mapping[str, Any]) -> float | None:
    """The degrees of freedom of the trace's interval in a record."""
    if not record["trace_stderr"]:
        return None
    freedom: float | None = record.get("trace_freedom")
    probes = record.get("probes")
    return freedom if freedom is not None or probes is None else probes - 1


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as an HTML table."""
    if not rows:
        return "<p>no spectra</p>"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    cells = ("".join(f"<td>{html.escape(value)}</td>" for value in row.values()) for row in rows)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def with_error(value: float, stderr: float | None) -> str:
    """A number with as many digits as its standard error allows: "62.3 ± 1.4". An unknown error is
    said to be unknown.
    """
    if stderr is None:
        return f"{_number(value)} ± unknown"
    if stderr == 0 or not math.isfinite(stderr):
        return _number(value)
    places = 1 - math.floor(math.log10(abs(stderr)))
    if -4 <= places - 2 <= 4:
        digits = max(places, 0)
        return f"{round(value, places):.{digits}f} ± {round(stderr, places):.{digits}f}"
    scale = 10 ** math.floor(math.log10(max(abs(value), stderr)))
    digits = max(0, places + math.floor(math.log10(scale)))
    return f"({value / scale:.{digits}f} ± {stderr / scale:.{digits}f})e{math.floor(math.log10(scale))}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
