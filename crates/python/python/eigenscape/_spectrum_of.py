"""Spectra of symmetric matrices that are given by their products."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np

from . import _fork, _native
from ._arrays import is_torch
from ._errors import failed, unusable
from ._progress import Bar, Progress
from ._settings import count, is_count, named
from ._spectrum import Spectrum

#: |uᵀHv − vᵀHu| of a symmetric matrix, relative to ‖u‖‖Hv‖ + ‖v‖‖Hu‖, by the type of its products.
ASYMMETRY = {"f32": 1e-3, "f64": 1e-8}


def spectrum_of(
    matvec: Any,
    dimension: int | None = None,
    estimator: str | Mapping[str, Any] = "lanczos",
    *,
    eigenvectors: int = 0,
    dtype: str | None = None,
    device: str | None = None,
    seed: int = 0,
    memory: int | None = None,
    check: bool = True,
    progress: Progress = None,
) -> Spectrum:
    """The spectrum of a symmetric matrix H that is given by its products with vectors.

    - `matvec`: a function v -> Hv of a vector; a SciPy `LinearOperator`; an operator of curvlinops; a
      matrix. A function is given NumPy's arrays, or torch's tensors on `device` where that is given
      ("cpu", "cuda:0"); it may return either. The products are computed wherever the caller
      computes them.
    - `dimension`: P, where `matvec` has no `shape`.
    - `estimator`: "lanczos", `{"name": "lanczos", "steps": 64, "probes": 8, "deflation": True}` (with
      error bars: several probes), "dense" (all eigenvalues, from P products), "hutchinson" (the trace).
    - `eigenvectors`: how many of the largest in magnitude to find, by "lanczos" or "dense":
      `spectrum.eigenpairs[0].vector["full"]`. There are fewer where no more have converged.
    - `dtype`: "f32" or "f64", the type of vectors and products; that of `matvec` by default, or "f64".
    - `memory`: bytes that may be held beside what products take; unlimited by default.
    - `check`: whether two products more see that H is symmetric.

    Raises what `matvec` raises, and `EigenscapeError` where H is not symmetric, or products are not
    finite.
    """
    _fork.check()
    seed = count(seed, "seed")
    eigenvectors = count(eigenvectors, "eigenvectors")
    products = _Products(matvec, dimension, dtype, device)
    if check:
        products.check(seed)
    name, settings = _estimator(estimator)
    bar = Bar(progress)
    try:
        text, vectors = _native.spectrum_of(
            products, products.dimension, products.dtype, name, json.dumps(settings), eigenvectors, seed,
            2**63 if memory is None else _bytes(memory), lambda done, total: bar.update("products", done, total),
        )  # fmt: skip
    finally:
        bar.close()
    spectrum = Spectrum.from_record(json.loads(text))
    for pair, vector in zip(spectrum.eigenpairs, vectors):
        pair.keep({"full": np.frombuffer(vector, products.numpy).copy()})
    return spectrum


class _Products:
    """Products as bytes to bytes."""

    def __init__(self, matvec: Any, dimension: int | None, dtype: str | None, device: str | None) -> None:
        self.dimension = _dimension(matvec, dimension)
        own = str(getattr(matvec, "dtype", "")).split(".")[-1]
        self.dtype = dtype or {"float32": "f32", "float64": "f64"}.get(own, "f64")
        if self.dtype not in ASYMMETRY:
            raise unusable(f'dtype is "{self.dtype}"', 'use "f32" or "f64"')
        self.numpy = np.dtype("float32" if self.dtype == "f32" else "float64")
        device = device or (str(matvec.device) if is_torch(getattr(matvec, "device", None)) else None)
        self._vectors = _numpy_vectors if device is None else _torch_vectors(device)
        self._many = _of_many(matvec)

    def __call__(self, vectors: bytearray, count: int) -> bytes:
        rows = np.frombuffer(vectors, dtype=self.numpy).reshape(count, self.dimension)
        return self.rows(rows).tobytes()

    def rows(self, vectors: np.ndarray) -> np.ndarray:
        """The products with the rows, as rows."""
        products = _as_array(self._many(self._vectors(vectors)))
        if products.shape != vectors.shape:
            raise unusable(
                f"products with {vectors.shape[0]} vectors of {vectors.shape[1]} numbers are of shape {products.shape}",
                "return as many numbers as there are in the vector",
            )
        if products.dtype.kind not in "fiu":
            raise unusable(f"products are of type {products.dtype}", "return real numbers")
        if not np.isfinite(products).all():
            raise failed("a product is not finite", "look at what the function returns for a random vector")
        return np.ascontiguousarray(products, dtype=self.numpy)

    def check(self, seed: int) -> None:
        """Raises an error unless uᵀHv = vᵀHu for two random vectors."""
        both = np.random.default_rng(seed).standard_normal((2, self.dimension)).astype(self.numpy)
        u, v = both.astype(np.float64)
        hu, hv = self.rows(both).astype(np.float64)
        # Norms of very small or large numbers would be 0 or infinite.
        largest = max(np.abs(hu).max(), np.abs(hv).max()) or 1.0
        hu, hv = hu / largest, hv / largest
        left, right = u @ hv, v @ hu
        scale = np.linalg.norm(u) * np.linalg.norm(hv) + np.linalg.norm(v) * np.linalg.norm(hu)
        if abs(left - right) > ASYMMETRY[self.dtype] * scale:
            raise failed(
                f"the operator is not symmetric: uᵀHv = {left * largest:.6g} and vᵀHu = {right * largest:.6g} for two random vectors",
                "give a symmetric one that is the same at each call (no dropout, the same data); "
                "check=False leaves this test out",
            )


def _estimator(estimator: Any) -> tuple[str, dict[str, Any]]:
    """The estimator's name and its settings."""
    remedy = 'give a name, or a dictionary with one: {"name": "lanczos", "steps": 64}'
    settings = named(estimator, "estimator", remedy)
    if isinstance(settings, str):
        return settings, {}
    return settings.pop("name"), settings


def _bytes(memory: Any) -> int:
    if is_count(memory) and 0 < memory < 2**63:
        return int(memory)
    raise unusable(f"`memory` is {memory!r}", "give a number of bytes, as 2**30")


def _dimension(matvec: Any, given: int | None) -> int:
    if given is not None and not (isinstance(given, (int, np.integer)) and given < 2**48):
        raise unusable(f"the dimension is {given!r}", "give a number, and the estimator as estimator=...")
    shape = getattr(matvec, "shape", None)
    if shape is None and given is None:
        raise unusable("the operator has no shape", "give its `dimension`")
    if shape is not None and (len(shape) != 2 or shape[0] != shape[1] or given not in (None, shape[0])):
        raise unusable(
            f"the operator's shape is {tuple(shape)}, and dimension {given}",
            "give a square one, and its dimension",
        )
    dimension = int(shape[0]) if given is None and shape is not None else int(given or 0)
    if dimension < 1:
        raise unusable(f"the dimension is {dimension}", "give a positive one")
    return dimension


def _of_many(matvec: Any) -> Callable[[Any], Any]:
    """The products with rows, as rows (or a list of them)."""
    if hasattr(matvec, "shape"):
        if hasattr(matvec, "matmat"):
            return lambda rows: matvec.matmat(rows.T).T
        if hasattr(matvec, "__matmul__"):
            return lambda rows: (matvec @ rows.T).T
    if not callable(matvec):
        raise unusable(
            "the operator is neither a function nor has products (`matmat`, `@`)", "give a function v -> Hv"
        )
    return lambda rows: [matvec(row) for row in rows]


def _numpy_vectors(rows: np.ndarray) -> np.ndarray:
    return rows


def _torch_vectors(device: str) -> Callable[[np.ndarray], Any]:
    import torch

    return lambda rows: torch.from_numpy(np.array(rows)).to(device)


def _as_array(products: Any) -> np.ndarray:
    if isinstance(products, list):
        return np.stack([_as_array(product).reshape(-1) for product in products])
    return np.asarray(products.detach().cpu() if hasattr(products, "detach") else products)
