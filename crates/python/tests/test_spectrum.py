"""What a spectrum offers."""

import numpy as np
import pytest

import eigenscape
from eigenscape._spectrum import with_error


@pytest.fixture
def spectrum():
    h = np.diag([4.0, 2.0, 0.0, 0.0])
    return eigenscape.spectrum_of(h, estimator="dense")


def test_density_is_the_measure_broadened(spectrum):
    assert spectrum.mass_at_zero == pytest.approx(0.5)
    at = np.linspace(-3, 7, 4001)
    density = spectrum.density(at, sigma=0.2)
    step = at[1] - at[0]
    assert (density * step).sum() == pytest.approx(1, abs=1e-9)
    assert (density * at * step).sum() == pytest.approx(1.5, abs=1e-9)
    with pytest.raises(ValueError, match="positive"):
        spectrum.density(at, sigma=0)


def test_it_goes_to_pandas_and_dictionaries(spectrum):
    pandas = pytest.importorskip("pandas")
    frame = spectrum.to_frame()
    assert list(frame.columns) == ["eigenvalue", "weight"] and len(frame) == 2
    numbers = spectrum.to_dict()
    assert numbers["trace"] == pytest.approx(6) and numbers["exact"] is True
    both = eigenscape.Spectra([spectrum, spectrum])
    assert isinstance(both.to_frame(), pandas.DataFrame) and len(both.to_frame()) == 2
    assert both.to_dict()["operator/full/lambda_max"] == pytest.approx(4)


def test_it_shows_itself(spectrum):
    assert "λ max 4" in repr(spectrum) and "computed exactly by dense" in repr(spectrum)
    assert "<td>50.0%</td>" in spectrum._repr_html_()
    assert eigenscape.Spectra([spectrum])._repr_html_().count("<tr>") == 2


def test_it_is_drawn(spectrum):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = spectrum.plot()
    assert axes.get_yscale() == "log" and len(axes.lines) == 2
    assert eigenscape.Spectra([spectrum, spectrum]).plot() is not None


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (62.341, 14.2, "62 ± 14"),
        (1.23456, 0.0234, "1.235 ± 0.023"),
        (1234.5, 0, "1234"),
        (5.0, None, "5 ± unknown"),
        (1.234e-7, 2.1e-9, "(1.234 ± 0.021)e-7"),
    ],
)
def test_digits_are_those_that_the_error_allows(value, stderr, text):
    assert with_error(value, stderr) == text
