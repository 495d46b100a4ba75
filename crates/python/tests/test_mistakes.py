"""What is said to callers of `spectra` who give what cannot be used: one exception each, with the remedy, in the words
of its arguments."""

import pathlib
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

import eigenscape

EXPORTED = pathlib.Path(__file__).parents[3] / "tests" / "exported"
#: Words of an experiment's file, which the caller has not written.
FILE = (
    "[[",
    "experiment:",
    "[probe",
    "[model",
    "[data",
    "[loss",
    "the experiment's key",
    "toml",
    "probe.",
    "╭",
)


def refused(match, *arguments, kind=eigenscape.ConfigurationError, **named):
    """The message of the exception, which has a remedy."""
    with pytest.raises(kind, match=match) as raised:
        eigenscape.spectra(*arguments, **named)
    text = str(raised.value)
    assert raised.value.remedy and raised.value.remedy in text
    assert raised.value.__cause__ is None
    assert not [word for word in FILE if word in text.lower()], text
    return text


def arrays():
    return np.random.default_rng(0).standard_normal((6, 4)), np.array([0, 1, 2, 0, 1, 2])


SERIES = np.random.default_rng(0).standard_normal((6, 2, 12))
FILE_OF_SERIES = EXPORTED / "conv1d.pt2"


@pytest.mark.parametrize("seed", [-1, 2**63, 2**80, 1.0, True, "0", None, np.bool_(True), np.float64(2)])
def test_seeds(seed):
    refused("`seed` is .*", FILE_OF_SERIES, *arrays(), seed=seed)
    with pytest.raises(eigenscape.ConfigurationError, match="whole number from 0"):
        eigenscape.spectrum_of(np.eye(3), seed=seed)


@pytest.mark.parametrize(
    "estimator, match",
    [
        (3, "is of type int"),
        (None, "is of type NoneType"),
        (["gram"], "is of type list"),
        ({}, "has no name"),
        ({"steps": 3}, "has no name"),
        ({"name": 3}, "has no name"),
        ({"name": "lanczos", 3: 4}, "has the key 3"),
        ({"name": "lanczos", "steps": object()}, r"\['steps'\]` is <object"),
        ({"name": "lanczos", "steps": float("nan")}, "is nan"),
        ({"name": "lanczos", "steps": 2**70}, "is 1180591620717411303424"),
        ({"name": "lanczos", "steps": None}, "is None"),
    ],
)
def test_estimators(estimator, match):
    refused(match, FILE_OF_SERIES, *arrays(), estimator=estimator)
    with pytest.raises(eigenscape.ConfigurationError, match=match):
        eigenscape.spectrum_of(np.eye(3), estimator=estimator)


@pytest.mark.parametrize("device", [None, 0, b"cpu", "tpu", ["cpu"], True])
def test_devices(device):
    assert "cuda:0" in refused("`device` is ", FILE_OF_SERIES, *arrays(), device=device)


def test_numpys_numbers_are_numbers():
    torch = pytest.importorskip("torch")
    x, y = arrays()
    net = torch.nn.Linear(4, 3)
    estimator = {"name": "lanczos", "steps": np.int64(5), "probes": np.int32(2)}
    (found,) = eigenscape.spectra(
        net,
        x.astype("f4"),
        y,
        groups="full",
        estimator=estimator,
        seed=np.int64(3),
        device=torch.device("cpu"),
    )
    assert found.dimension == 15


@pytest.mark.parametrize(
    "named, match",
    [
        ({"groups": "no_such*"}, "no_such"),
        ({"groups": [3]}, "`groups` is"),
        ({"estimator": "lanczoss"}, "`estimator`.*lanczoss"),
        ({"estimator": {"name": "lanczos", "step": 3}}, "`estimator`.*step"),
        ({"estimator": {"name": "lanczos", "steps": "three"}}, "`estimator`.*"),
        ({"loss": "cross-entropi"}, "`loss`.*cross-entropi"),
        ({"loss": {"name": "huber", "gamma": 1}}, "`loss`.*gamma"),
        ({"curvature": "hessain"}, "`curvature`.*hessain"),
        ({"samples": 100}, "`samples`.*100"),
        ({"samples": 0}, "^`samples` must be at least 1"),
        ({"dtype": "f16"}, "`dtype` is 'f16'"),
        ({"dtype": None}, "`dtype` is None"),
        ({"batch_norm": "training"}, "`batch_norm`.*training"),
        ({"batch_norm": True}, "`batch_norm` is True"),
        ({"output": "no_such"}, "`module`: the module has no output .no_such"),
        ({"output": 7}, "the module has no output 7"),
        ({"output": 1.5}, "`output` is 1.5"),
        ({"memory": "much"}, "`memory`.*much"),
        ({"memory": 2**30}, "`memory` is 1073741824"),
        ({"memory": "1B", "estimator": "gram"}, "memory"),
        ({"classes": 2}, "`y`: .* at most 2 classes"),
        ({"classes": "3"}, "`classes` is '3'"),
    ],
)
def test_arguments_are_named_and_no_file(named, match):
    torch = pytest.importorskip("torch")
    x, y = arrays()
    refused(match, torch.nn.Linear(4, 3).double(), x, y, kind=eigenscape.EigenscapeError, **named)


@pytest.mark.parametrize(
    "x, y, match",
    [
        (np.ones((6, 5)), None, "with this x"),
        (None, np.arange(4), r"^`y`: its shape is \[4\]"),
        (None, np.array([0, 1, 2, 9, -5, 1]), "^`y`: .* -5, not a class"),
        (None, np.ones((6, 2)), r"`module`: the module gives outputs of shape \[3\]"),
        (None, np.array(["a"] * 6), "`y` is of type ndarray"),
        (None, [[0], [1, 2]], "`y` cannot be read as an array"),
        (np.ones((6, 4), dtype=complex), None, "complex128"),
        ({3: np.ones((6, 4))}, None, "the key 3"),
        ((), None, "missing 1 required positional argument: 'input'"),
        (np.float64(3), None, "no axis"),
        (np.full((6, 4), np.nan), None, r"^`input`: the element \[0, 0\] is NaN"),
    ],
)
def test_data(x, y, match):
    torch = pytest.importorskip("torch")
    own = arrays()
    x, y = own[0] if x is None else x, own[1] if y is None else y
    refused(match, torch.nn.Linear(4, 3).double(), x, y, kind=eigenscape.EigenscapeError)


def test_tensors_without_numbers_and_sparse_ones():
    torch = pytest.importorskip("torch")
    x, y = map(torch.tensor, arrays())
    net = torch.nn.Linear(4, 3).double()
    assert "to_dense" in refused("`input` is stored as sparse_coo", net, x.to_sparse(), y)
    refused("`input` is stored as sparse_csr", net, x.to_sparse_csr(), y)
    refused("`y` is stored as sparse_coo", net, x, y.to_sparse())
    refused('`input` is on the device "meta"', net, x.to("meta"), y)
    refused('`y` is on the device "meta"', net, x, y.to("meta"))
    refused("module's `weight` is on the device", torch.nn.Linear(4, 3, device="meta"), x, y)
    sparse = torch.nn.Linear(4, 3).double()
    sparse.weight = torch.nn.Parameter(sparse.weight.detach().to_sparse())
    refused("module's `weight` is stored as sparse_coo", sparse, x, y)
    sparse = torch.nn.Linear(4, 3).double()
    sparse.register_buffer("mask", torch.eye(3).to_sparse())
    refused("module's `mask` is stored as sparse_coo", sparse, x, y)
    refused("no shape yet", torch.nn.LazyLinear(3), x, y)
    with pytest.raises(eigenscape.ConfigurationError, match="meta"):
        eigenscape.export(net, x.to("meta"), "never.pt2")


def test_a_mean_over_all_batches_in_training_mode():
    torch = pytest.importorskip("torch")
    x, y = map(torch.tensor, arrays())
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(4, momentum=None), torch.nn.Linear(4, 3)).double()
    assert "module.eval()" in refused(r"`0` averages over all batches \(momentum=None\)", net, x, y)
    for mode in ("eval", "train"):
        assert eigenscape.spectra(net.eval(), x, y, batch_norm=mode, groups="full", estimator="dense")


def test_one_exception_and_none_of_torchs_logs(tmp_path):
    """In a process of its own, whose stderr is all that the user sees."""
    pytest.importorskip("torch")
    script = """
        import torch, eigenscape

        class Branching(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Linear(3, 2)

            def forward(self, x):
                return self.net(x) if x.sum().item() > 0 else self.net(-x)

        eigenscape.spectra(Branching(), torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
    """
    (tmp_path / "net.py").write_text(textwrap.dedent(script))
    ran = subprocess.run([sys.executable, tmp_path / "net.py"], capture_output=True, text=True, check=False)
    last = ran.stderr[ran.stderr.rindex("eigenscape.ConfigurationError") :]
    assert ran.stderr.count("Traceback") == 1 and "graph" not in ran.stderr and "torch.ops" not in ran.stderr
    assert "Could not guard on data-dependent expression" in last and "(net.py, line 10)" in last
    assert "help:" in last and len(last) < 800 and len(ran.stderr.splitlines()) < 30, ran.stderr


def test_what_a_module_prints_is_kept(capsys):
    torch = pytest.importorskip("torch")

    class Talking(torch.nn.Linear):
        def forward(self, x):
            print("here", file=sys.stderr)
            return super().forward(x)

    x, y = arrays()
    eigenscape.spectra(Talking(4, 3).double(), x, y, groups="full", estimator="dense")
    assert "here" in capsys.readouterr().err


def test_a_named_output_has_as_many_classes_as_the_default():
    torch = pytest.importorskip("torch")

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(20, 8)
            self.head = torch.nn.Linear(8, 20)

        def forward(self, tokens):
            hidden = self.embed(tokens)
            return {"logits": self.head(hidden), "hidden": hidden}

    net, tokens, labels = Two().eval(), torch.randint(20, (4, 3)), torch.randint(9, (4, 3))
    for output in ("logits", 0, None):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # none of the classes that no example has
            found = eigenscape.spectra(
                net, tokens, labels, output=output, groups="head.bias", estimator="dense"
            )
        assert found[0].dimension == 20


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (
            [8, 4],
            [1, 2, 3, 4, 5, 1, 2, 3],
            "`y` has the label 5, and the module has outputs for the classes 0 to 4",
        ),
        ([8, 4], [[1]] * 8, r"`y` has the shape \[8, 1\]"),
        ([8, 3], [0] * 8, "the module itself fails with this x: .*4"),
    ],
)
def test_labels_and_inputs_that_do_not_fit_the_module(x, y, match):
    torch = pytest.importorskip("torch")
    refused(match, torch.nn.Linear(4, 5), torch.randn(x), torch.tensor(y))


def test_modules_that_are_not_exported():
    torch = pytest.importorskip("torch")

    class Branches(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else x[:, :5]

    x, y = torch.randn(8, 5), torch.zeros(8, dtype=torch.long)
    assert "torch.where" in refused("torch.export does not take", Branches(5, 5), x, y)
    refused("`module` is one of torch.jit", torch.jit.trace(torch.nn.Linear(5, 5), x), x, y)
    refused("forward has no argument 'inputs'; it takes input", torch.nn.Linear(5, 5), {"inputs": x}, y)


def test_what_is_taken_otherwise_than_meant_is_a_warning():
    torch = pytest.importorskip("torch")
    net, x = torch.nn.Linear(4, 5), torch.randn(8, 4)
    with pytest.warns(UserWarning, match="gives 5, of shape .*mean"):
        eigenscape.spectra(net, x, loss="output", groups="bias", estimator="dense")
    with pytest.warns(UserWarning, match="mse takes integer targets as classes"):
        eigenscape.spectra(net, x, torch.arange(8) % 5, loss="mse", groups="bias", estimator="dense")
