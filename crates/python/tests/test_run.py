"""Experiments."""

import json
import os
import signal

import numpy as np
import pytest

import eigenscape

EXPERIMENT = {
    "name": "irises",
    "seed": 3,
    "data": {"name": "iris"},
    "model": {
        "name": "sequential",
        "layers": [{"op": "linear", "out": 8}, {"op": "relu"}, {"op": "linear", "out": 3}],
    },
    "train": {"epochs": 2, "batch_size": 30, "optimizer": {"name": "sgd", "lr": 0.1}},
    "probe": [
        {
            "at": "end",
            "samples": "all",
            "groups": ["full", "layers"],
            "curvature": ["hessian", "gauss-newton"],
            "estimator": {"name": "lanczos", "steps": 10, "probes": 3},
        }
    ],
    "distance": [{"name": "wasserstein", "between": "layers-and-full"}],
}

TRAINED = """
name = "irises"
data = { name = "iris" }
model = { name = "sequential", layers = [{ op = "linear", out = 8 }, { op = "tanh" }, { op = "linear", out = 3 }] }
train = { epochs = 2, batch_size = 30, optimizer = { name = "sgd", lr = 0.1 } }
[[probe]]
at = "every-epoch"
samples_per_class = 10
groups = ["full", "layers"]
curvature = ["hessian", "gauss-newton"]
estimator = { name = "lanczos", steps = 20, probes = 2 }
[[distance]]
name = "wasserstein"
between = "layers-and-full"
"""


def test_a_dictionary_is_an_experiment(tmp_path):
    results = eigenscape.run(EXPERIMENT, out=tmp_path)
    assert results.name == "irises" and results.folder == tmp_path / "irises"
    assert results.report.exists() and (results.folder / "results.json").exists()
    (run,) = results.runs
    assert run.seed == 3 and len(run.training) == 3 and len(run.spectra) == 6 and len(run.distances) == 4
    assert {spectrum.group for spectrum in results.spectra} == {"full", "0.weight", "2.weight"}
    assert all(spectrum.trace_stderr is not None for spectrum in results.spectra)
    assert json.loads((results.folder / "results.json").read_text()) == results.record
    assert "hessian/full/epoch 2/trace" in results.to_dict()
    assert "irises" in repr(results) and "<table>" in results._repr_html_()


def test_results_go_to_pandas(tmp_path):
    pytest.importorskip("pandas")
    results = eigenscape.run(EXPERIMENT, out=tmp_path)
    assert len(results.to_frame()) == 6
    assert len(results.to_frame("training")) == 3
    assert len(results.to_frame("distances")) == 4
    with pytest.raises(ValueError, match="spectra, training, distances"):
        results.to_frame("nothing")


def test_a_file_is_an_experiment_and_keys_can_be_set(tmp_path):
    file = tmp_path / "irises.toml"
    file.write_text('name = "from-file"\n[data]\nname = "iris"\n[model]\nname = "sequential"\n'
                    'layers = [{ op = "linear", out = 3 }]\n[[probe]]\nsamples = "all"\ngroups = "full"\n'
                    'curvature = "hessian"\nestimator = "dense"\n')  # fmt: skip
    results = eigenscape.run(file, out=tmp_path / "runs", set={"seed": 4, "probe.0.dtype": "f64"})
    assert results.runs[0].seed == 4
    (spectrum,) = results.spectra
    assert spectrum.exact and spectrum.dimension == 15
    again = eigenscape.run(file, out=tmp_path / "runs", set=["seed=4", 'probe.0.dtype="f64"'])
    assert again.record == results.record


def test_the_command_line_has_the_same_bits(tmp_path):
    command = os.environ.get("EIGENSCAPE_XTASK")
    if not command:
        pytest.skip("EIGENSCAPE_XTASK does not name the command line's binary")
    import subprocess

    file = tmp_path / "irises.toml"
    file.write_text(TRAINED)
    changes = ["seed=7", "train.epochs=3"]
    ours = eigenscape.run(file, out=tmp_path / "python", set=changes)
    flags = [word for change in changes for word in ("--set", change)]
    subprocess.run([command, "reproduce", str(file), "--out", str(tmp_path / "command"), *flags], check=True,
                   capture_output=True)  # fmt: skip
    theirs = json.loads((tmp_path / "command" / "irises" / "results.json").read_text())

    def numbers(record):
        for run in record["runs"]:
            for probe in run["probes"]:
                probe.pop("seconds")
            for epoch in run["training"]:
                epoch.pop("seconds", None)
        return record

    assert numbers(json.loads(json.dumps(dict(ours.record)))) == numbers(theirs)


def test_mistakes_have_their_place_and_remedy(tmp_path):
    with pytest.raises(eigenscape.ConfigurationError) as raised:
        eigenscape.run({**EXPERIMENT, "modell": {}}, out=tmp_path)
    assert "modell" in str(raised.value) and "did you mean `model`" in raised.value.remedy
    with pytest.raises(eigenscape.ConfigurationError, match="cannot read the experiment"):
        eigenscape.run(tmp_path / "none.toml")
    with pytest.raises(eigenscape.ConfigurationError, match="no profile"):
        eigenscape.run(EXPERIMENT, out=tmp_path, profile="tiny")
    with pytest.raises(eigenscape.ConfigurationError, match="leave out what is None"):
        eigenscape.run({"name": None}, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_keeps_what_is_done(tmp_path):
    long = {**EXPERIMENT, "train": {**EXPERIMENT["train"], "epochs": 300_000}}

    def stop(label, done, total):
        if label == "training" and done > 100:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        eigenscape.run(long, out=tmp_path, progress=stop)
    assert not (tmp_path / "irises").exists() and list(tmp_path.iterdir())


def test_progress_is_told(tmp_path):
    told = []
    eigenscape.run(EXPERIMENT, out=tmp_path, progress=lambda *now: told.append(now))
    assert all(done <= total for _, done, total in told)


def test_eigenvectors_are_files_and_arrays_by_name(tmp_path):
    probe = {**EXPERIMENT["probe"][0], "groups": ["full", "0.weight[2:5]"], "eigenvectors": 2, "dtype": "f64"}
    experiment = {**EXPERIMENT, "probe": [{**probe, "estimator": "dense"}], "distance": []}
    results = eigenscape.run(experiment, out=tmp_path)
    shapes = {"0.weight": (8, 4), "0.bias": (8,), "2.weight": (3, 8), "2.bias": (3,)}
    for spectrum in results.spectra:
        expected = shapes if spectrum.group == "full" else {spectrum.group: (3, 4)}
        first, second = spectrum.eigenpairs
        assert abs(first.value) >= abs(second.value) and {first.value, second.value} < set(
            spectrum.eigenvalues
        )
        for pair in (first, second):
            assert pair.file.parent == results.folder / "vectors" and pair.residual < 1e-9
            assert {name: values.shape for name, values in pair.vector.items()} == expected
        flat = [np.concatenate([v.ravel() for v in pair.vector.values()]) for pair in (first, second)]
        assert np.allclose(np.inner(flat, flat), np.eye(2), atol=1e-12)
        assert np.isclose(first.inverse_participation_ratio, (flat[0] ** 4).sum())
    assert "eigenpairs" in results.record["runs"][0]["probes"][0]


@pytest.mark.parametrize(
    ("experiment", "named", "match"),
    [
        (3, {}, "`experiment` is of type int"),
        (None, {}, "`experiment` is of type NoneType"),
        ({"name": {1, 2}}, {}, r"`experiment\['name'\]` is"),
        ({"name": "x"}, {"set": 3}, "`set` is 3"),
        ({"name": "x"}, {"set": [3]}, "`set` is"),
        ({"name": "x"}, {"only": 3}, "`only` is 3"),
        ({"name": "x"}, {"out": 3}, "`out` is 3"),
    ],
)
def test_arguments_of_other_types_are_refused(experiment, named, match):
    with pytest.raises(eigenscape.ConfigurationError, match=match) as raised:
        eigenscape.run(experiment, **named)
    assert raised.value.remedy
