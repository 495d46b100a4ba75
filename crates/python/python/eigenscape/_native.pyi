from collections.abc import Sequence
from os import PathLike
from typing import Callable

__version__: str
build: str

class EigenscapeError(Exception):
    remedy: str | None
    partial: object

class ConfigurationError(EigenscapeError): ...

def run(
    *,
    path: str | PathLike[str] | None = None,
    experiment: str | None = None,
    data: bytes | None = None,
    set: Sequence[str] = (),
    out: str | PathLike[str] | None = None,
    only: Sequence[str] = (),
    profile: str = "small",
    fresh: bool = False,
    draw: bool = True,
    report: Callable[[str | None, str, int, int], None] | None = None,
) -> tuple[str, str, tuple[str, str | None] | None]: ...
def spectrum_of(
    products: Callable[[bytearray, int], bytes],
    dimension: int,
    dtype: str,
    name: str,
    settings: str,
    eigenvectors: int,
    seed: int,
    memory: int,
    report: Callable[[int, int], None] | None,
) -> tuple[str, list[bytes]]: ...
def density(
    eigenvalues: Sequence[float], weights: Sequence[float], at: Sequence[float], sigma: float
) -> list[float]: ...
