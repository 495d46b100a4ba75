"""Writes the cases of this folder: three steps of SGD computed by PyTorch in float32.

    pip install torch safetensors
    python tests/training/generate.py

Reads only the embedded subset of Fashion-MNIST. README.md describes the files."""

import gzip
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
DATA = HERE / "../../plugins/datasets/data/fashion-mnist"
STEPS, BATCH = 3, 32
SGD = {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}


class LeNet(nn.Module):
    """Input 1x32x32: conv 6@5x5, conv 16@5x5, each with ReLU and 2x2 max-pooling, then
    400-120-84-10."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = F.max_pool2d(F.relu(conv(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class MLP(nn.Sequential):
    """784-64-10 with tanh; the parameters are named 0.weight, 0.bias, 2.weight, 2.bias."""

    def __init__(self):
        super().__init__(nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10))

    def forward(self, x):
        return super().forward(x.flatten(1))


def mean_squared_error(outputs, labels):
    """The mean over all elements of the squared difference to the one-hot labels."""
    return F.mse_loss(outputs, F.one_hot(labels, 10).to(outputs.dtype))


def bytes_after(name, header):
    return torch.frombuffer(bytearray(gzip.open(DATA / name).read()[header:]), dtype=torch.uint8)


def examples():
    """The first STEPS * BATCH training examples of the embedded subset: images [96, 28, 28] u8,
    labels [96] i64."""
    count = STEPS * BATCH
    images = bytes_after("train-images-idx3-ubyte.gz", 16).view(-1, 28, 28)[:count].clone()
    return images, bytes_after("train-labels-idx1-ubyte.gz", 8)[:count].to(torch.int64)


def preprocess(images, pad, dtype):
    """u8/255, (x - 0.5)/0.5 in float32, then pad with -1."""
    x = images.unsqueeze(1).to(torch.float32).div(255).sub(0.5).div(0.5)
    return F.pad(x, [pad] * 4, value=-1.0).to(dtype)


def train(model, criterion, images, labels, pad, dtype):
    """The parameters before the first step and after each step, and the loss at the start of each
    step."""
    model = model.to(dtype)
    snapshot = lambda: {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    x, history, losses = preprocess(images, pad, dtype), [snapshot()], []
    for batch in torch.arange(len(labels)).split(BATCH):
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        history.append(snapshot())
    return history, torch.tensor(losses, dtype=dtype)


def case(name, build, criterion, pad):
    images, labels = examples()

    def run(dtype):
        torch.manual_seed(0)
        return train(build(), criterion, images, labels, pad, dtype)

    history, losses = run(torch.float32)
    exact, _ = run(torch.float64)
    tensors = {"images": images, "labels": labels, "loss": losses}
    for prefix, parameters in zip(["init", "step1", "step2", "step3"], history):
        tensors |= {f"{prefix}.{key}": value for key, value in parameters.items()}
    settings = SGD | {"batch_size": BATCH, "pad": pad, "loss": criterion.__name__, "torch": torch.__version__}
    # A single key, because the order of several keys would change from run to run.
    save_file(tensors, HERE / f"{name}.safetensors", metadata={"settings": json.dumps(settings)})

    relative = lambda a, b: ((a - b).norm() / b.norm()).item()
    rounding = max(relative(history[-1][k].double(), exact[-1][k]) for k in exact[-1])
    moved = min(relative(exact[-1][k], exact[0][k]) for k in exact[-1])
    print(f"{name}: losses {losses.tolist()}; step 3 in float32 differs from float64 by {rounding:.1e} (relative, worst tensor)")
    print(f"  every tensor moved by at least {moved:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    case("lenet_sgd", LeNet, F.cross_entropy, pad=2)
    case("mlp_sgd", MLP, mean_squared_error, pad=0)
