"""Trains and saves networks in PyTorch, and writes the expected results, in float64.

    python generate.py

`images.toml` and `tokens.toml` analyse two of the networks; `NAME_expected.safetensors` contains
the loss and the eigenvalues of the whole Hessian. `pixels.toml`, `bits.toml` and `values.toml`
define the losses with which `NAME_verify.safetensors` was computed. The files were made with torch
2.15.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.func import functional_call

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "docs"))
from export_for_verify import export  # noqa: E402

torch.set_default_dtype(torch.float64)


def expected(name, model, loss):
    """Writes the loss and the eigenvalues of its Hessian in all parameters. `loss` maps the
    network, a function of its inputs, to the loss."""
    names, tensors = zip(*[(name, value.detach()) for name, value in model.named_parameters()])
    sizes, shapes = [t.numel() for t in tensors], [t.shape for t in tensors]

    def of(flat):
        parts = [part.reshape(shape) for part, shape in zip(flat.split(sizes), shapes)]
        return loss(lambda x: functional_call(model, dict(zip(names, parts)), (x,)))

    flat = torch.cat([t.flatten() for t in tensors])
    hessian = torch.autograd.functional.hessian(of, flat)
    eigenvalues = torch.linalg.eigvalsh((hessian + hessian.T) / 2).flip(0).contiguous()
    save_file({"loss": of(flat), "eigenvalues": eigenvalues}, HERE / f"{name}_expected.safetensors")


def images():
    """A convolutional network with BatchNorm, trained in DataParallel, saved with its optimizer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3)
    )
    x, y = torch.randn(12, 1, 6, 6), torch.arange(12) % 3
    parallel = nn.DataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1, momentum=0.9)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(parallel(x), y).backward()
        optimizer.step()
    model.eval()
    torch.save(
        {"epoch": 20, "model": parallel.state_dict(), "optimizer": optimizer.state_dict()}, HERE / "images.pth"
    )
    save_file({"x": x, "y": y}, HERE / "images_data.safetensors")
    expected("images", model, lambda f: nn.functional.cross_entropy(f(x), y))
    export(model, x, y, HERE / "images_verify.safetensors")


def tokens():
    """A network on tokens, with label smoothing and ignored labels."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Linear(4, 7))
    x = torch.randint(0, 7, (5, 4))
    y = torch.randint(0, 7, (5, 4)).masked_fill(torch.rand(5, 4) < 0.3, -1)

    def loss(f):
        z = f(x).flatten(0, 1)
        return nn.functional.cross_entropy(z, y.flatten(), label_smoothing=0.1, ignore_index=-1)

    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()
    torch.save(model.state_dict(), HERE / "tokens.pt")
    save_file({"x": x, "y": y}, HERE / "tokens_data.safetensors")
    expected("tokens", model, loss)


def pixels():
    """One class per pixel, with class weights and ignored labels."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 1))
    x, y = torch.randn(4, 2, 3, 4), torch.randint(0, 3, (4, 3, 4))
    y = y.masked_fill(torch.rand(y.shape) < 0.2, 255)
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]), ignore_index=255)
    export(model, x, y, HERE / "pixels_verify.safetensors", loss=loss)


def bits():
    """One logit per sample, with the integers 0 and 1 as labels."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x, y = torch.randn(6, 3), torch.arange(6) % 2

    def loss(z, y):
        return nn.functional.binary_cross_entropy_with_logits(z[:, 0], y.to(z.dtype))

    export(model, x, y, HERE / "bits_verify.safetensors", loss=loss)


def values():
    """Real targets, with torch.nn.MSELoss as loss."""
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    export(model, torch.randn(6, 3), torch.randn(6, 2), HERE / "values_verify.safetensors", loss=nn.MSELoss())


if __name__ == "__main__":
    images()
    tokens()
    pixels()
    bits()
    values()
