"""Spectra of operators, beside NumPy's eigenvalues."""

import numpy as np
import pytest

import eigenscape


def symmetric(size: int, seed: int = 0) -> np.ndarray:
    """A symmetric matrix with three outliers."""
    random = np.random.default_rng(seed)
    q, _ = np.linalg.qr(random.standard_normal((size, size)))
    values = np.concatenate([[20.0, 12.0, -6.0], random.uniform(-1, 1, size - 3)])
    return (q * values) @ q.T


def test_dense_is_every_eigenvalue():
    h = symmetric(40)
    found = eigenscape.spectrum_of(lambda v: h @ v, 40, "dense")
    assert found.exact and found.dimension == 40 and found.products >= 40
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(h)[::-1], atol=1e-12)
    assert found.trace == pytest.approx(np.trace(h), abs=1e-11) and found.trace_stderr == 0


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_lanczos_has_error_bars_that_hold(dtype):
    h = symmetric(300)
    inside = 0
    for seed in range(20):
        estimator = {"name": "lanczos", "steps": 40, "probes": 8, "deflation": True}
        found = eigenscape.spectrum_of(
            lambda v: h.astype(v.dtype) @ v, 300, estimator, dtype=dtype, seed=seed
        )
        assert not found.exact and found.probes == 8
        assert found.lambda_max == pytest.approx(20, rel=1e-5)
        assert found.lambda_min == pytest.approx(-6, rel=1e-5)
        low, high = found.extreme_bounds
        assert low <= found.lambda_min and found.lambda_max <= high
        assert 1 <= found.trace_freedom <= 7
        # Student's t with 7 degrees of freedom: 95 % within 2.36 standard errors.
        inside += abs(found.trace - np.trace(h)) <= 2.365 * found.trace_stderr
    assert inside >= 16


def test_scipy_operators_and_matrices_are_taken():
    sparse = pytest.importorskip("scipy.sparse")
    linalg = pytest.importorskip("scipy.sparse.linalg")
    h = symmetric(60)
    for operator in (h, linalg.aslinearoperator(h), sparse.csr_matrix(h)):
        found = eigenscape.spectrum_of(operator, estimator="dense")
        np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(h)[::-1], atol=1e-12)


def test_the_same_seed_gives_the_same_numbers():
    h = symmetric(50)
    one, other, another = (eigenscape.spectrum_of(h, seed=seed) for seed in (1, 1, 2))
    assert (one.eigenvalues == other.eigenvalues).all() and (one.weights == other.weights).all()
    assert (one.weights != another.weights).any()


def test_the_trace_alone():
    h = symmetric(100)
    found = eigenscape.spectrum_of(h, estimator={"name": "hutchinson", "probes": 50})
    assert abs(found.trace - np.trace(h)) < 5 * found.trace_stderr
    assert len(found.eigenvalues) == 0 and found.mass_at_zero is None
    with pytest.raises(ValueError, match="no density"):
        found.density()


def test_mistakes_are_said():
    h = symmetric(10)
    with pytest.raises(eigenscape.ConfigurationError, match="dimension"):
        eigenscape.spectrum_of(lambda v: v)
    with pytest.raises(eigenscape.ConfigurationError, match="estimator="):
        eigenscape.spectrum_of(h, {"name": "dense"})
    with pytest.raises(eigenscape.ConfigurationError, match="as many numbers"):
        eigenscape.spectrum_of(lambda v: v[:3], 10)
    with pytest.raises(eigenscape.EigenscapeError, match="not symmetric"):
        eigenscape.spectrum_of(np.triu(np.ones((10, 10))))
    with pytest.raises(eigenscape.EigenscapeError, match="not finite"):
        eigenscape.spectrum_of(lambda v: v * np.nan, 10)
    with pytest.raises(eigenscape.EigenscapeError) as raised:
        eigenscape.spectrum_of(h, estimator="lancos")
    assert "lanczos" in str(raised.value) and raised.value.remedy
    with pytest.raises(eigenscape.EigenscapeError, match="factor|products"):
        eigenscape.spectrum_of(h, estimator="gram")
    for wrong in (
        {"seed": -1},
        {"seed": "a"},
        {"memory": "1GiB"},
        {"memory": 0},
        {"estimator": None},
        {"estimator": {}},
    ):
        with pytest.raises(eigenscape.ConfigurationError, match=next(iter(wrong))):
            eigenscape.spectrum_of(h, **wrong)
    with pytest.raises(eigenscape.ConfigurationError, match="dimension"):
        eigenscape.spectrum_of(lambda v: v, 10**18)
    with pytest.raises(eigenscape.EigenscapeError, match="stepz"):
        eigenscape.spectrum_of(h, estimator={"name": "lanczos", "stepz": 3})


def test_exceptions_of_the_function_come_back():
    calls = []

    def fails(v):
        calls.append(v)
        if len(calls) > 5:
            raise KeyError("mine")
        return np.arange(1000) * v

    with pytest.raises(KeyError, match="mine"):
        eigenscape.spectrum_of(fails, 1000)
    assert len(calls) == 6


def test_ctrl_c_stops():
    import os
    import signal
    import time

    calls = []

    def interrupted(v):
        calls.append(v)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        return np.arange(1000) * v

    with pytest.raises(KeyboardInterrupt):
        eigenscape.spectrum_of(interrupted, 1000)
    assert len(calls) < 60


def test_progress_is_told():
    told = []
    h = symmetric(30)
    eigenscape.spectrum_of(
        h, estimator={"name": "lanczos", "steps": 10}, progress=lambda *now: told.append(now)
    )
    assert told and told[-1][0] == "products" and told[-1][1] <= told[-1][2]


def test_ctrl_c_stops_large_operators():
    import os
    import signal

    calls = []

    def interrupted(v):
        calls.append(v)
        if len(calls) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return np.arange(20000) * v

    with pytest.raises(KeyboardInterrupt):
        eigenscape.spectrum_of(interrupted, 20000, {"name": "lanczos", "steps": 3000})
    assert len(calls) < 500


def test_numbers_of_any_size_but_real_ones_alone():
    h = symmetric(12)
    tiny = eigenscape.spectrum_of(lambda v: 1e-300 * (h @ v), 12, "dense")
    np.testing.assert_allclose(tiny.eigenvalues, 1e-300 * np.linalg.eigvalsh(h)[::-1], rtol=1e-10)
    with pytest.raises(eigenscape.ConfigurationError, match="real numbers"):
        eigenscape.spectrum_of(lambda v: 1j * v, 12)


def test_spectra_are_compared_and_pickled():
    import pickle

    one = eigenscape.spectrum_of(symmetric(10), estimator="dense")
    assert pickle.loads(pickle.dumps(one)) == one
    assert len({one, pickle.loads(pickle.dumps(one))}) == 1
    assert one != eigenscape.spectrum_of(symmetric(10, seed=1), estimator="dense")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_is_refused_and_does_not_hang():
    import multiprocessing

    h = symmetric(10)
    eigenscape.spectrum_of(h, estimator="dense")

    def child(queue):
        try:
            eigenscape.spectrum_of(h, estimator="dense")
        except eigenscape.EigenscapeError as error:
            queue.put(error.remedy)

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert "spawn" in queue.get(timeout=60)
    process.join(60)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_eigenvectors_of_a_matrix(dtype):
    random = np.random.default_rng(0)
    q, _ = np.linalg.qr(random.standard_normal((50, 50)))
    values = np.concatenate([[9.0, -5.0, 3.0], random.uniform(-1, 1, 47)])
    matrix = (q * values) @ q.T
    for estimator in ("dense", {"name": "lanczos", "steps": 50}):
        spectrum = eigenscape.spectrum_of(matrix, estimator=estimator, dtype=dtype, eigenvectors=3)
        for k, pair in enumerate(spectrum.eigenpairs):
            vector = pair.vector["full"]
            assert vector.dtype == {"f32": np.float32, "f64": np.float64}[dtype]
            assert np.isclose(pair.value, values[k], rtol=1e-5)
            assert np.isclose(abs(vector @ q[:, k]), 1, atol=1e-5) and vector[abs(vector).argmax()] > 0
            assert pair.file is None and pair.residual < 1e-4
        assert len(spectrum.eigenpairs) == 3
    assert eigenscape.spectrum_of(matrix, estimator="dense").eigenpairs == []
    with pytest.raises(eigenscape.EigenscapeError, match="`hutchinson` finds none"):
        eigenscape.spectrum_of(matrix, estimator="hutchinson", eigenvectors=1)
    with pytest.raises(eigenscape.EigenscapeError, match="`eigenvectors` is -1"):
        eigenscape.spectrum_of(matrix, eigenvectors=-1)
