"""Writes lenet_trace.safetensors: three steps of SGD on LeNet with a penalty on the trace of the
Hessian, computed by PyTorch in float32.

    pip install torch safetensors
    python tests/training/penalised.py

The initial parameters and the settings are those of lenet_sgd.safetensors. README.md describes the
files."""

import json

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from generate import BATCH, HERE, SGD, STEPS, LeNet, examples, preprocess

STRENGTH, PROBES = 1e-3, 2


def trace(loss, parameters, probes):
    """The mean of v'Hv over the probes, as a function of the parameters."""
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    forms = []
    for v in probes:
        products = torch.autograd.grad(gradient, parameters, v, create_graph=True)
        forms.append(sum((hv * v).sum() for hv, v in zip(products, v)))
    return sum(forms) / len(forms)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = LeNet()
    images, labels = examples()
    x, parameters = preprocess(images, 2, torch.float32), list(model.parameters())
    bits = [[[torch.randint(2, p.shape, dtype=torch.uint8) for p in parameters] for _ in range(PROBES)] for _ in range(STEPS)]
    optimizer, traces = torch.optim.SGD(parameters, **SGD), []
    for step, batch in enumerate(torch.arange(len(labels)).split(BATCH)):
        loss = F.cross_entropy(model(x[batch]), labels[batch])
        penalty = trace(loss, parameters, [[2.0 * b - 1.0 for b in probe] for probe in bits[step]])
        traces.append(penalty.item())
        optimizer.zero_grad()
        (loss + STRENGTH * penalty).backward()
        optimizer.step()
    tensors = {f"step3.{name}": p.detach().clone() for name, p in model.named_parameters()}
    tensors["trace"] = torch.tensor(traces)
    names = [name for name, _ in model.named_parameters()]
    for i, name in enumerate(names):
        tensors[f"signs.{name}"] = torch.stack([torch.stack([probe[i] for probe in probes]) for probes in bits])
    settings = SGD | {"strength": STRENGTH, "torch": torch.__version__}
    save_file(tensors, HERE / "lenet_trace.safetensors", metadata={"settings": json.dumps(settings)})
    print(traces)
