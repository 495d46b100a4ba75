"""Writes logits.json: the outputs of PyTorch's modules for parameters and inputs that are generated
from the names of the tensors.

    python generate.py          # needs torch and numpy

The numbers of a tensor are generated from its name by FNV-1a and SplitMix64. Equal logits then mean
equal names, shapes, layers and order of layers, and no weights have to be stored. `tests/logits.rs`
does the same in Rust."""

import json
import pathlib

import numpy as np
import torch

from models import MODELS

OUTPUTS, SAMPLES = 10, 2
GREY, COLOUR = [1, 32, 32], [3, 32, 32]

CASES = [
    ("mlp", {"widths": [9, 8]}, [2, 3, 4]),
    ("lenet", {}, COLOUR),
    ("simple-mnist", {}, [1, 28, 28]),
    ("simple-mnist", {}, [3, 13, 17]),
    ("fully-connected-3", {}, GREY),
    ("fully-connected-5", {"width": 30}, [20]),
    ("fully-connected-5", {"width": 30, "skip": True}, [20]),
    ("fully-connected-8", {"skip": True}, [7, 7]),
    *((f"vgg{depth}{norm}", {}, GREY) for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *((f"resnet{depth}", {}, [3, 16, 16]) for depth in (18, 34, 50, 101, 152)),
    ("resnet18", {}, [3, 64, 64]),
    ("resnet50", {}, [1, 80, 64]),
    ("densenet3-40", {}, [3, 8, 12]),
    ("mobilenet", {}, COLOUR),
    ("vit-tiny", {}, COLOUR),
    ("vit-tiny", {}, [1, 64, 96]),
    ("vit-small", {"patch": 8}, [3, 16, 24]),
    ("gpt", {"n_layer": 3, "n_head": 4, "n_embd": 32}, [7]),
    ("gpt", {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 9, "bias": False}, [5]),
]


def uniform(name, count):
    """`count` numbers in [0, 1), generated from `name`."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def values(name, shape):
    """The numbers of a parameter or buffer: with variance 1/fan-in for weights, around 1 for scales
    and running variances, otherwise around 0."""
    centred = 2 * uniform(name, int(np.prod(shape))) - 1
    fan_in = np.prod(shape[1:])
    if len(shape) > 1:
        numbers = centred * np.sqrt(3 / fan_in)
    else:
        numbers = 0.2 * centred + (name.endswith(("weight", "running_var")))
    return torch.from_numpy(numbers.reshape(shape))


def logits(name, settings, sample):
    model = MODELS[name](sample, OUTPUTS, **settings).eval()
    with torch.no_grad():
        for tensor_name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor_name.endswith("num_batches_tracked"):
                tensor.copy_(values(tensor_name, tensor.shape))
        numbers = uniform("x", SAMPLES * int(np.prod(sample)))
        numbers = np.floor(numbers * OUTPUTS) if name == "gpt" else 2 * numbers - 1
        return model(torch.from_numpy(numbers.reshape(SAMPLES, *sample))).flatten().tolist()


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    np.seterr(over="ignore")
    keys = ("name", "settings", "sample", "logits")
    cases = [dict(zip(keys, (*case, logits(*case)))) for case in CASES]
    lines = ",\n".join(json.dumps(case) for case in cases)
    pathlib.Path(__file__).with_name("logits.json").write_text(f"[\n{lines}\n]\n")
