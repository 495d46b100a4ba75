"""Spectra of PyTorch modules, beside PyTorch's own Hessians; of exported files without torch."""

import pathlib

import numpy as np
import pytest

import eigenscape

EXPORTED = pathlib.Path(__file__).parents[3] / "tests" / "exported"


def test_a_file_needs_no_torch():
    data = pathlib.Path(EXPORTED / "conv1d.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    import json

    header = json.loads(data[8 : 8 + length])

    def tensor(name):
        start, end = header[name]["data_offsets"]
        types = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}
        array = np.frombuffer(data[8 + length :][start:end], types[header[name]["dtype"]])
        return array.reshape(header[name]["shape"])

    x, y = tensor("series"), tensor("y")
    found = eigenscape.spectra(EXPORTED / "conv1d.pt2", x, y, groups="layers", estimator="dense", dtype="f64")
    assert found and all(spectrum.exact for spectrum in found)
    with pytest.raises(eigenscape.EigenscapeError, match="no_such"):
        eigenscape.spectra(EXPORTED / "conv1d.pt2", x, y, groups="no_such*")
    with pytest.raises(eigenscape.ConfigurationError, match="`y` is missing"):
        eigenscape.spectra(EXPORTED / "conv1d.pt2", x)


def module(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(48, 4),
    ).double()


def hessian(torch, net, x, y, loss):
    """PyTorch's Hessian in all parameters, BatchNorm by its running statistics."""
    net = net.eval()
    names = [name for name, _ in net.named_parameters()]
    sizes = [parameter.numel() for parameter in net.parameters()]

    def mean(flat):
        parts = flat.split(sizes)
        weights = {n: p.view(q.shape) for n, p, q in zip(names, parts, net.parameters())}
        return loss(torch.func.functional_call(net, weights, (x,)), y)

    flat = torch.cat([parameter.detach().reshape(-1) for parameter in net.parameters()])
    return torch.func.hessian(mean)(flat).numpy()


@pytest.mark.parametrize("training", [False, True])
def test_a_module_has_pytorchs_eigenvalues(training):
    torch = pytest.importorskip("torch")
    net = module(torch).train(training)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, y = torch.randn(12, 1, 6, 6, dtype=torch.float64), torch.randint(4, (12,))
    (full,) = eigenscape.spectra(net, x, y, groups="full", estimator="dense", dtype="f64")
    assert net.training is training
    assert all((value == before[name]).all() for name, value in net.state_dict().items())
    expected = np.linalg.eigvalsh(hessian(torch, net, x, y, torch.nn.functional.cross_entropy))[::-1]
    listed = expected[np.abs(expected) > full.rounding] if full.rounding else expected
    np.testing.assert_allclose(full.eigenvalues, listed, atol=1e-9 * abs(expected).max())
    assert full.dimension == len(expected) and full.exact


def test_layers_are_exact_by_their_factor():
    torch = pytest.importorskip("torch")
    net = module(torch)
    x, y = torch.randn(9, 1, 6, 6, dtype=torch.float64), torch.randint(4, (9,))
    layers = eigenscape.spectra(net, x, y, groups="layers", estimator="gram", dtype="f64")
    assert [spectrum.group for spectrum in layers] == ["0.weight", "4.weight"]
    whole = hessian(torch, net, x, y, torch.nn.functional.cross_entropy)
    expected = np.linalg.eigvalsh(whole[:27, :27])[::-1]
    ours = layers[0].eigenvalues
    np.testing.assert_allclose(ours, expected[: len(ours)], rtol=1e-8, atol=1e-12)


def test_several_inputs_outputs_and_losses():
    torch = pytest.importorskip("torch")

    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = torch.nn.Linear(3, 2), torch.nn.Linear(4, 2)

        def forward(self, a, b):
            return {"sum": self.left(a) + torch.tanh(self.right(b)), "left": self.left(a)}

    torch.manual_seed(1)
    net, a, b, y = Pair(), torch.randn(7, 3), torch.randn(7, 4), torch.randn(7, 2)
    for x in ((a, b), {"a": a, "b": b}, {"a": a.numpy(), "b": b.numpy()}):
        found = eigenscape.spectra(net, x, y, loss="mse", groups="full", output="sum", estimator="dense")
        assert found[0].dimension == 18

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def forward(self, x, target):
            return (self.net(x).squeeze(-1) - target) ** 4

    found = eigenscape.spectra(Loss(), (a, y[:, 0]), loss="output", groups="full", estimator="dense")
    assert found[0].dimension == 4 and found[0].lambda_max > 0


def test_one_sample_and_bfloat16_are_taken():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    x = torch.randn(1, 3).bfloat16()
    (found,) = eigenscape.spectra(net, x, torch.tensor([0]), groups="full")
    assert found.dimension == 32 and found.curvature == "hessian"


def test_what_cannot_be_exported_is_said():
    torch = pytest.importorskip("torch")

    class Branching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.net(x) if x.sum().item() > 0 else self.net(-x)

    with pytest.raises(eigenscape.ConfigurationError, match="torch.export does not take this module with"):
        eigenscape.spectra(Branching(), torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))


def test_curvlinops_operators_are_taken():
    torch = pytest.importorskip("torch")
    curvlinops = pytest.importorskip("curvlinops")
    net = module(torch).eval()
    x, y = torch.randn(12, 1, 6, 6, dtype=torch.float64), torch.randint(4, (12,))
    parameters = dict(net.named_parameters())
    try:
        operator = curvlinops.HessianLinearOperator(
            net, torch.nn.CrossEntropyLoss(), list(parameters.values()), [(x, y)]
        )
    except TypeError:
        operator = curvlinops.HessianLinearOperator(net, torch.nn.CrossEntropyLoss(), parameters, [(x, y)])
    found = eigenscape.spectrum_of(operator, estimator="dense")
    expected = np.linalg.eigvalsh(hessian(torch, net, x, y, torch.nn.functional.cross_entropy))[::-1]
    np.testing.assert_allclose(found.eigenvalues[:5], expected[:5], rtol=1e-9)
    plain = eigenscape.spectrum_of(lambda v: operator @ v, operator.shape[0], "dense", device="cpu")
    np.testing.assert_allclose(plain.eigenvalues[:5], expected[:5], rtol=1e-9)


def test_mistakes_of_those_who_come_from_elsewhere():
    torch = pytest.importorskip("torch")
    net, x, y = module(torch), torch.randn(4, 1, 6, 6, dtype=torch.float64), torch.arange(4)
    with pytest.raises(eigenscape.ConfigurationError, match='loss="output"'):
        eigenscape.spectra(net, x, y, loss=torch.nn.CrossEntropyLoss())
    with pytest.raises(eigenscape.ConfigurationError, match="OrderedDict"):
        eigenscape.spectra(net.state_dict(), x, y)
    with pytest.raises(eigenscape.ConfigurationError, match="DataLoader"):
        eigenscape.spectra(net, torch.utils.data.DataLoader(x), y)
    with pytest.raises(eigenscape.ConfigurationError, match="with this x"):
        eigenscape.spectra(net, x[:, :, 1:], y)


@pytest.mark.parametrize(
    "mixed",
    [
        lambda z: z - z.mean(0),
        lambda z: z.cumsum(0),
        lambda z: z.flip(0),
        lambda z: z.roll(1, 0),
        lambda z: z / z.shape[0],
        lambda z: z.sort(0).values,
        lambda z: z + z[:1],
        lambda z: z.softmax(0),
        lambda z: z @ z.T @ z,
    ],
)
def test_modules_that_couple_samples_have_no_rows_by_sample(mixed):
    torch = pytest.importorskip("torch")

    class Coupled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 3)

        def forward(self, x):
            return mixed(self.linear(x))

    torch.manual_seed(2)
    net = Coupled().double()
    x, y = torch.randn(6, 3, dtype=torch.float64), torch.arange(6) % 3
    for estimator in ("gram", "trace"):
        with pytest.raises(eigenscape.EigenscapeError, match="axis of the samples"):
            eigenscape.spectra(
                net, x, y, groups="linear.weight", curvature="gauss-newton", estimator=estimator, dtype="f64"
            )
    (dense,) = eigenscape.spectra(net, x, y, groups="full", estimator="dense", dtype="f64")
    expected = np.linalg.eigvalsh(hessian(torch, net, x, y, torch.nn.functional.cross_entropy))
    assert dense.lambda_max == pytest.approx(expected[-1], rel=1e-9)


def test_masks_wrapped_modules_and_counts():
    torch = pytest.importorskip("torch")

    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 2)

        def forward(self, x, keep):
            return self.linear(x).masked_fill(~keep, -2.0)

    net, x, keep = Masked(), torch.randn(5, 3), torch.rand(5, 2) > 0.3
    y = torch.arange(5) % 2
    (plain,) = eigenscape.spectra(net, (x, keep), y, groups="full", estimator="dense")
    (wrapped,) = eigenscape.spectra(
        torch.nn.DataParallel(net), (x, keep), y, groups="full", estimator="dense"
    )
    assert plain == wrapped or plain.lambda_max == wrapped.lambda_max
    assert plain.lambda_max > 0
    for samples in (2.5, True, "all"):
        with pytest.raises(eigenscape.ConfigurationError, match="whole number"):
            eigenscape.spectra(net, (x, keep), y, samples=samples)
    with pytest.raises(eigenscape.ConfigurationError, match="list of words"):
        eigenscape.spectra(net, (x, keep), y, groups=None)
    assert eigenscape.spectra(net, (x, keep), y, groups="full", estimator="dense", dtype=torch.float64)


def test_a_module_has_pytorchs_eigenvectors():
    torch = pytest.importorskip("torch")
    net = module(torch)
    x, y = torch.randn(12, 1, 6, 6, dtype=torch.float64), torch.randint(4, (12,))
    loss = torch.nn.functional.cross_entropy
    values, vectors = np.linalg.eigh(hessian(torch, net, x, y, loss))
    for estimator in ("dense", {"name": "lanczos", "steps": 60}):
        (full,) = eigenscape.spectra(
            net, x, y, groups="full", estimator=estimator, dtype="f64", eigenvectors=2
        )
        assert len(full.eigenpairs) == 2
        for pair, index in zip(full.eigenpairs, np.argsort(-abs(values))):
            assert np.isclose(pair.value, values[index])
            flat = np.concatenate([pair.vector[name].ravel() for name, _ in net.named_parameters()])
            assert np.isclose(abs(flat @ vectors[:, index]), 1, atol=1e-8)
    with pytest.raises(eigenscape.ConfigurationError, match="`hutchinson` finds no eigenvectors"):
        eigenscape.spectra(net, x, y, groups="full", estimator="hutchinson", eigenvectors=1)
