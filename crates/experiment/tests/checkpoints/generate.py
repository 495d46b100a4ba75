"""Writes the checkpoints of this folder: files as users save them with torch.save, and files that
must be rejected.

    python generate.py

Eigenscape reads NAME.pth. NAME.safetensors contains the same tensors, written by another library,
for bit-for-bit comparison. A NAME.pth without NAME.safetensors must be rejected. The files were
made with torch 2.15.
"""

import argparse
import copy
import io
import os
import pathlib
import pickle
import zipfile

import torch
from safetensors.torch import save_file
from torch import nn

HERE = pathlib.Path(__file__).parent


def network():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    model(torch.randn(8, 3))  # running statistics other than 0 and 1
    return model


def save(name, obj, **how):
    torch.save(obj, HERE / f"{name}.pth", **how)


def twin(name, tensors):
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, HERE / f"{name}.safetensors")


def accepted():
    model = network()
    save("state_dict", model.state_dict())
    twin("state_dict", model.state_dict())
    save("protocol5", model.state_dict(), pickle_protocol=5)
    twin("protocol5", model.state_dict())

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model(torch.randn(8, 3)).square().mean().backward()
    optimizer.step()
    save(
        "nested",
        {
            "epoch": 3,
            "args": argparse.Namespace(lr=1e-2, milestones=[10, 20]),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "losses": [0.5, 0.25],
        },
    )
    twin("nested", model.state_dict())
    save("deeper", {"trainer": {"network": model.state_dict(), "step": 7}, "seed": 1})
    twin("deeper", model.state_dict())

    parallel = nn.DataParallel(network())
    save("data_parallel", parallel.state_dict())
    twin("data_parallel", network().state_dict())

    averaged = copy.deepcopy(model)
    with torch.no_grad():
        averaged[0].bias += 1.0
    save("ambiguous", {"model": model.state_dict(), "ema": averaged.state_dict()})

    numbers = torch.linspace(-2, 2, 6)
    kinds = {
        "half": numbers.half(),
        "bfloat16": numbers.bfloat16(),
        "float32": numbers,
        "float64": numbers.double() / 3,
        "int64": torch.tensor([-(2**40), 5]),
        "int32": torch.tensor([-7, 5], dtype=torch.int32),
        "int16": torch.tensor([-7, 5], dtype=torch.int16),
        "int8": torch.tensor([-7, 5], dtype=torch.int8),
        "uint8": torch.tensor([200, 5], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
    }
    save("types", kinds)
    twin("types", kinds)

    base = torch.arange(24.0)
    cube = base.reshape(2, 3, 4)
    layouts = {
        "transposed": base.reshape(4, 6).t(),
        "permuted": cube.permute(2, 0, 1),
        "tail": base[17:],
        "column": cube[:, 1, ::2],
        "expanded": base[3:5, None].expand(2, 5),
        "same_storage": base[4:10].reshape(2, 3),
        "parameter": nn.Parameter(base[:3].clone()),
        "channels_last": torch.arange(36.0).reshape(1, 3, 3, 4).to(memory_format=torch.channels_last),
    }
    save("layouts", layouts)
    twin("layouts", layouts)


class Harm:
    """An object whose pickle runs a shell command when Python loads it."""

    def __reduce__(self):
        return os.system, ("touch HARM_WAS_DONE",)


def torchscript(model):
    """Writes the model as TorchScript, without the debugging entries, which contain paths of this
    machine."""
    whole = io.BytesIO()
    torch.jit.save(torch.jit.trace(model, torch.randn(8, 3)), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(HERE / "torchscript.pth", "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(entry, source.read(entry))


def refused():
    model = network()
    save("module", model)
    save("module_in_dictionary", {"epoch": 3, "model": model})
    save("legacy", model.state_dict(), _use_new_zipfile_serialization=False)
    torchscript(model)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(8, 3)).square().mean().backward()
    optimizer.step()
    save("optimizer", optimizer.state_dict())
    save("harm", Harm())
    save("harm_in_state_dict", {**model.state_dict(), "3.scale": Harm()})
    save("with_epoch", {**model.state_dict(), "epoch": 3})
    save("float8", {key: value.to(torch.float8_e4m3fn) for key, value in model.state_dict().items()})
    save("list", [1, 2, 3])
    (HERE / "plain_pickle.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    with zipfile.ZipFile(HERE / "state_dict.pth") as source:
        with zipfile.ZipFile(HERE / "compressed.pth", "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.infolist():
                target.writestr(entry.filename, source.read(entry))
        with zipfile.ZipFile(HERE / "big_endian.pth", "w") as target:
            for entry in source.infolist():
                big = entry.filename.endswith("byteorder")
                target.writestr(entry.filename, b"big" if big else source.read(entry))


if __name__ == "__main__":
    accepted()
    refused()
