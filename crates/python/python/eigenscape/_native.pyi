from os import PathLike
from typing import Callable, Optional, Sequence, Union

__version__: str
build: str

class EigenscapeError(Exception):
    remedy: Optional[str]
    partial: object

class ConfigurationError(EigenscapeError): ...

def run(
    *,
    path: Optional[Union[str, PathLike[str]]] = None,
    experiment: Optional[str] = None,
    data: Optional[bytes] = None,
    set: Sequence[str] = (),
    out: Optional[Union[str, PathLike[str]]] = None,
    only: Sequence[str] = (),
    profile: str = "small",
    fresh: bool = False,
    draw: bool = True,
    report: Optional[Callable[[Optional[str], str, int, int], None]] = None,
) -> tuple[str, str, Optional[tuple[str, Optional[str]]]]: ...
def spectrum_of(
    products: Callable[[bytearray, int], bytes],
    dimension: int,
    dtype: str,
    name: str,
    settings: str,
    seed: int,
    memory: int,
    report: Optional[Callable[[int, int], None]],
) -> str: ...
def density(
    eigenvalues: Sequence[float], weights: Sequence[float], at: Sequence[float], sigma: float
) -> list[float]: ...
