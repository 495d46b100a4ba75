"""What PyTorch makes of a model: its exported graph, and derivatives of its loss."""

import contextlib
import importlib.util
import io
import json
import re
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from settle import settle
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

_path = Path(__file__).parents[2] / "tests" / "exported" / "recipe.py"
_spec = importlib.util.spec_from_file_location("recipe", _path)
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)

# For how many samples a graph is exported, with a symbol and without one.
SYMBOLIC, FIXED = 2, 7


def prepared(model):
    """The module in f64 with its inputs and labels, the same each time."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    module = model.make().double().eval()
    inputs, y = model.batch(generator)
    with recipe.in_double():
        settle(module, tuple(inputs.values()), generator)
    return module, inputs, y


def write(model, folder, record):
    """Writes FOLDER/net.pt2, .safetensors and .json, and what there is to say into `record`, as early as it is known."""
    module, inputs, y = prepared(model)
    record["parameters"] = sum(p.numel() for p in module.parameters())
    with recipe.in_double():
        start = time.monotonic()
        contents = _export(module, inputs, record)
        record["export_seconds"] = round(time.monotonic() - start, 1)
        if contents is None:
            return
        (folder / "net.pt2").write_bytes(contents)
        record["bytes"] = len(contents)
        start = time.monotonic()
        tensors = _derivatives(module, model.loss, inputs, y, record)
        record["torch_seconds"] = round(time.monotonic() - start, 1)
    tensors |= inputs | {"y": y}
    save_file({n: t.detach().clone().contiguous() for n, t in tensors.items()}, folder / "net.safetensors")
    _facts(model, folder, record)


def _facts(model, folder, record):
    recipe.FOLDER = folder
    targets = [node["target"] for node in recipe.nodes(json.loads(recipe.program("net"))["graph_module"]["graph"])]
    record["nodes"] = len(targets)
    record["operations"] = sorted(set(targets))
    (folder / "net.json").write_text(json.dumps({"loss": model.loss, "operations": record["operations"]}) + "\n")


def _export(module, inputs, record):
    """The stripped archive: with a symbol for the number of samples where PyTorch can."""
    for samples, symbolic in [(SYMBOLIC, True), (FIXED, False)]:
        given = tuple(_first(x, samples) for x in inputs.values())
        batch = tuple({0: torch.export.Dim("batch", min=2, max=4096)} for _ in given) if symbolic else None
        try:
            exported = torch.export.export(module, given, dynamic_shapes=batch)
        except Exception as error:  # noqa: BLE001: whatever PyTorch says is the result
            record["no_symbol" if symbolic else "no_export"] = short(error)
            continue
        buffer = io.BytesIO()
        torch.export.save(exported, buffer)
        return recipe.stripped(buffer.getvalue())


def _first(x, samples):
    """As many samples as are asked for, repeated where there are fewer."""
    return torch.cat([x] * (samples // len(x) + 1))[:samples].clone()


def _derivatives(module, loss, inputs, y, record):
    given = tuple(inputs.values())
    try:
        return second_derivatives(module, loss, given, y, record)
    except RuntimeError as error:
        if "derivative" not in str(error):
            raise
        record["no_second_derivative"] = short(error)
        return _first_derivatives(module, loss, given, y)


def second_derivatives(module, loss, given, y, record):
    try:
        return recipe.derivatives(module, loss, given, y, 0)
    except RuntimeError as error:
        if "hardsigmoid_backward is not implemented" not in str(error):
            raise
    record["written_out"] = ["hardsigmoid"]
    with hardsigmoid_written_out():
        return recipe.derivatives(module, loss, given, y, 0)


@contextlib.contextmanager
def hardsigmoid_written_out():
    """PyTorch has no second derivative of hardsigmoid, and a first one with 1/6 rounded to float32. It has both of clamp."""
    functional = torch.nn.functional
    before = functional.hardsigmoid
    functional.hardsigmoid = lambda x, inplace=False: torch.clamp(x + 3, 0, 6) / 6
    try:
        yield
    finally:
        functional.hardsigmoid = before


def _first_derivatives(module, loss, given, y):
    """Loss, outputs and gradient; zeros stand for what is not there."""
    parameters = {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}
    with sdpa_kernel(SDPBackend.MATH):
        outputs = functional_call(module, parameters, given)
        value = recipe.mean_loss(loss, outputs, y)
        options = dict(allow_unused=True, materialize_grads=True)
        gradient = torch.autograd.grad(value, list(parameters.values()), **options)
    tensors = {"loss": value, "logits": outputs}
    for (name, parameter), slope in zip(parameters.items(), gradient):
        zero = torch.zeros_like(parameter)
        tensors |= {f"grad.{name}": slope, f"v.{name}": zero, f"hv.{name}": zero, f"ggnv.{name}": zero}
    return tensors


def short(error):
    """The first line of a message, without paths."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"(/[\w.+-]+){2,}", "...", f"{type(error).__name__}: {lines[0] if lines else ''}")[:300]
