"""Curvature of neural networks' losses: spectra of the Hessian and of its Gauss-Newton part.

- `spectra(module, x, y)`: the spectra of a PyTorch module's loss, for all parameters and for each
  layer; exact where mathematics allows it, with error bars elsewhere.
- `spectrum_of(matvec, dimension)`: the spectrum of any symmetric matrix that is given by its
  products: a function, a SciPy `LinearOperator`, an operator of curvlinops.
- `run(experiment)`: an experiment from a TOML file or a dictionary, with training, probes and
  distances; the same numbers as `cargo xtask reproduce`.

Torch is needed for `spectra` of a module alone, pandas for `to_frame()` and matplotlib for
`plot()`.
"""

from ._export import export
from ._native import ConfigurationError, EigenscapeError, __version__, build
from ._results import Results, Run
from ._run import run
from ._spectra import spectra
from ._spectrum import Eigenpair, Spectra, Spectrum
from ._spectrum_of import spectrum_of

__all__ = [
    "ConfigurationError",
    "Eigenpair",
    "EigenscapeError",
    "Results",
    "Run",
    "Spectra",
    "Spectrum",
    "__version__",
    "build",
    "export",
    "run",
    "spectra",
    "spectrum_of",
]
