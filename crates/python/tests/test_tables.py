"""The files beside `results.json`, and the loader of the documentation."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
from test_run import EXPERIMENT

import eigenscape

DOCS = pathlib.Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    layers = {"groups": "layers", "curvature": "gauss-newton", "estimator": "gram"}
    exact = {**EXPERIMENT["probe"][0], **layers, "at": ["start", "end"]}
    between = {"name": "wasserstein", "between": "curvatures"}
    distances = [*EXPERIMENT["distance"], between]
    experiment = {**EXPERIMENT, "probe": [*EXPERIMENT["probe"], exact], "distance": distances, "reruns": 2}
    return eigenscape.run(experiment, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def estimate(results):
    """The first spectrum by Lanczos."""
    return next(probe for probe in results.record["runs"][0]["probes"] if probe["estimator"] == "lanczos")


def loader():
    spec = importlib.util.spec_from_file_location("load_results", DOCS / "load_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load


def test_results_obey_their_schema(results):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DOCS / "results.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(results.record, schema)


def test_numpy_reads_the_arrays(results):
    with np.load(results.folder / "spectra.npz") as arrays:
        for run in results.record["runs"]:
            for probe in run["probes"]:
                matrix = (
                    f"probe-{probe['probe']}/epoch-{probe['epoch']}/{probe['curvature']}/{probe['group']}"
                )
                name = f"{run['name']}/{matrix}"
                assert arrays[f"{name}/eigenvalues"].tolist() == probe["eigenvalues"]
                assert arrays[f"{name}/weights"].tolist() == probe["weights"]
                assert arrays[f"{name}/mass_at_zero"].tolist() == [probe["mass_at_zero"]]
                assert (f"{name}/origins" in arrays) == ("origins" in probe)
                if "origins" in probe:
                    assert arrays[f"{name}/origins"].tolist() == probe["origins"]
                    assert arrays[f"{name}/residuals"].tolist() == probe["residuals"]


def test_pandas_reads_the_tables(results, pandas):
    pytest.importorskip("pyarrow")
    spectra = pandas.read_parquet(results.folder / "spectra.parquet")
    records = [(run, probe) for run in results.record["runs"] for probe in run["probes"]]
    assert len(spectra) == len(records)
    for (_, row), (run, probe) in zip(spectra.iterrows(), records):
        assert (row["run"], row["seed"], row["group"]) == (run["name"], run["seed"], probe["group"])
        assert (row["trace"], row["exact"], row["samples"]) == (
            probe["trace"],
            probe["exact"],
            probe["samples"],
        )
        assert row["kurtosis"] == probe["moments"]["kurtosis"] and row["dtype"] == "f32"
        assert pandas.isna(row["batch"]) and (pandas.isna(row["probes"]) == ("probes" not in probe))
    eigenvalues = pandas.read_parquet(results.folder / "eigenvalues.parquet")
    of = ["run", "probe", "epoch", "curvature", "group"]
    assert np.allclose(eigenvalues.groupby(of).weight.sum(), 1.0)
    probe = estimate(results)
    first = eigenvalues[eigenvalues.estimator == "lanczos"].head(len(probe["eigenvalues"]))
    assert first.eigenvalue.tolist() == probe["eigenvalues"] and first.vector.tolist() == probe["origins"]
    assert first.residual.tolist() == probe["residuals"]
    exact = eigenvalues[eigenvalues.estimator == "gram"]
    assert exact.vector.isna().all() and exact.residual.isna().all()


def test_the_loader_of_the_documentation_gives_the_same_tables(results, pandas):
    pytest.importorskip("pyarrow")
    tables = loader()(results.folder)
    assert len(tables["training"]) == len(results.to_frame("training"))
    assert len(tables["distances"]) == len(results.to_frame("distances"))
    assert set(tables["distances"].right_curvature.dropna()) == {"gauss-newton"}
    loaded = eigenscape.Results.load(results.folder)
    assert loaded.record == results.record
    written = pandas.read_parquet(results.folder / "eigenvalues.parquet")
    for eigenvalues in (tables["eigenvalues"], loaded.to_frame("eigenvalues")):
        for column in ("run", "group", "epoch", "eigenvalue", "weight"):
            assert eigenvalues[column].tolist() == written[column].tolist(), column
        assert eigenvalues.vector.dropna().tolist() == written.vector.dropna().tolist()
    spectra = pandas.read_parquet(results.folder / "spectra.parquet")
    for column in ("trace", "mean", "skewness", "mass_at_zero"):
        assert tables["spectra"][column].tolist() == spectra[column].tolist(), column


def test_each_vector_has_its_rule(results):
    probe = estimate(results)
    origins, weights = np.array(probe["origins"]), np.array(probe["weights"]) * probe["probes"]
    values = np.array(probe["eigenvalues"])
    traces = [probe["dimension"] * (weights * values)[origins == k].sum() for k in range(probe["probes"])]
    assert np.isclose(np.mean(traces), probe["trace"])
    error = np.std(traces, ddof=1) / np.sqrt(len(traces))
    assert np.isclose(error, probe["trace_stderr"]) and np.isclose(
        error / probe["dimension"], probe["moments"]["mean_stderr"]
    )
