"""Writes networks with torch.export.save, and the derivatives of their losses by PyTorch in f64."""

import contextlib
import io
import json
import pathlib
import zipfile

import torch
from safetensors.torch import save_file
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

FOLDER = pathlib.Path(__file__).parent


def stripped(contents: bytes) -> bytes:
    """The archive without stack traces, paths and sample inputs."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(contents)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            if is_program(entry.filename):
                program = json.loads(data)
                for node in nodes(program["graph_module"]["graph"]):
                    # Keep only the innermost of the modules being called.
                    stack = node["metadata"].get("nn_module_stack", "").split(";")[-1]
                    node["metadata"] = {"nn_module_stack": stack}
                if "guards_code" in program:
                    program["guards_code"] = []
                # Keep only the signature of the root, the only one that is read.
                program["graph_module"]["module_call_graph"] = program["graph_module"]["module_call_graph"][:1]
                data = json.dumps(program, separators=(",", ":")).encode()
            elif "/sample_inputs/" in entry.filename or entry.filename == "serialized_example_inputs.pt":
                continue
            fixed = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
            new.writestr(fixed, data)
    return out.getvalue()


def is_program(entry):
    """Whether an entry is the graph, which PyTorch up to 2.7 writes outside of folders."""
    return entry.endswith("/models/model.json") or entry == "serialized_exported_program.json"


def nodes(graph):
    """All operations of a graph, including those of nested graphs."""
    for node in graph["nodes"]:
        yield node
        for given in node["inputs"]:
            if "as_graph" in given["arg"]:
                yield from nodes(given["arg"]["as_graph"]["graph"])


@contextlib.contextmanager
def in_double():
    """Replaces casts to float32, as in transformers, by casts to float64, so that no intermediate
    result is rounded to f32."""
    to, float32, softmax = torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax
    wider = lambda value: torch.float64 if value is torch.float32 else value  # noqa: E731
    torch.Tensor.to = lambda self, *a, **k: to(self, *map(wider, a), **{n: wider(v) for n, v in k.items()})
    torch.Tensor.float = torch.Tensor.double
    torch.nn.functional.softmax = lambda *a, dtype=None, **k: softmax(*a, dtype=wider(dtype), **k)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.to, torch.Tensor.float, torch.nn.functional.softmax = to, float32, softmax
        torch.set_default_dtype(torch.float32)


def mean_loss(kind, outputs, y):
    if kind == "output":
        return outputs.mean()
    if kind == "mse":
        return torch.nn.functional.mse_loss(outputs, y)
    if kind == "tokens":
        return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), y.flatten())
    return torch.nn.functional.cross_entropy(outputs, y)


def derivatives(module, kind, inputs, y, seed):
    """Loss, outputs, gradient, Hessian times v and Gauss-Newton times v, by parameter name."""
    generator = torch.Generator().manual_seed(seed)
    parameters = {n: p.detach().clone() for n, p in module.named_parameters()}
    v = {n: torch.randn(p.shape, generator=generator, dtype=p.dtype) for n, p in parameters.items()}
    buffers = dict(module.named_buffers())
    names = list(parameters)

    def outputs_of(values):
        outputs = functional_call(module, (dict(zip(names, values)), buffers), inputs)
        # Of several results the first.
        return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs

    values = [parameters[n].requires_grad_() for n in names]
    direction = [v[n] for n in names]
    with sdpa_kernel(SDPBackend.MATH):
        outputs = outputs_of(values)
        loss = mean_loss(kind, outputs, y)
        # An unused parameter has the gradient 0.
        options = dict(create_graph=True, allow_unused=True, materialize_grads=True)
        gradient = torch.autograd.grad(loss, values, **options)
        slope = sum((g * d).sum() for g, d in zip(gradient, direction))
        hv = torch.autograd.grad(slope, values, retain_graph=True, allow_unused=True, materialize_grads=True)
        tensors = {"loss": loss, "logits": outputs}
        if kind != "output":
            tensors |= {f"ggnv.{n}": g for n, g in zip(names, gauss_newton(outputs, kind, y, values, direction))}
    for prefix, found in [("v", direction), ("grad", gradient), ("hv", hv)]:
        tensors |= {f"{prefix}.{n}": t for n, t in zip(names, found)}
    return tensors


def gauss_newton(outputs, kind, y, values, direction):
    """Jᵀ H (J v), where J v is the derivative of (Jᵀ w) · v with respect to w."""
    options = dict(create_graph=True, allow_unused=True, materialize_grads=True)
    w = torch.zeros_like(outputs, requires_grad=True)
    backward = torch.autograd.grad(outputs, values, w, **options)
    pairs = [(b, d) for b, d in zip(backward, direction) if b.requires_grad]
    (jv,) = torch.autograd.grad([b for b, _ in pairs], [w], [d for _, d in pairs], retain_graph=True)
    z = outputs.detach().requires_grad_()
    (residual,) = torch.autograd.grad(mean_loss(kind, z, y), z, create_graph=True)
    (hjv,) = torch.autograd.grad(residual, z, jv.detach())
    return torch.autograd.grad(outputs, values, hjv, retain_graph=True, allow_unused=True, materialize_grads=True)


def write(name, module, kind, inputs, y=None, samples=3, seed=0, fixed=False, train=False, sizes=None,
          decomposed=False):
    """Exports the module for `samples` samples, and writes its derivatives on `inputs`, the
    arguments of forward, which have more samples.

    `sizes`: symbolic sizes other than the number of samples, {axis: Dim} for each argument.
    `decomposed`: whether the graph is decomposed into PyTorch's core operations before it is written.
    """
    module = module.double().eval()
    with in_double():
        _write(name, module, kind, inputs, y, samples, seed, fixed, train, sizes or {}, decomposed)


def _write(name, module, kind, inputs, y, samples, seed, fixed, train, sizes, decomposed):
    names = list(inputs)
    given = tuple(inputs.values())
    few = tuple(x[:samples] for x in given)
    batch = {0: torch.export.Dim("batch", min=2, max=4096)}
    batch = None if fixed else tuple(batch | sizes.get(n, {}) for n in names)
    exported = torch.export.export(module.train() if train else module, few, dynamic_shapes=batch)
    exported = exported.run_decompositions() if decomposed else exported
    module.eval()
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    (FOLDER / f"{name}.pt2").write_bytes(stripped(buffer.getvalue()))
    tensors = {n: x for n, x in inputs.items()}
    if y is not None:
        tensors["y"] = y
    tensors |= derivatives(module, kind, given, y, seed)
    tensors = {n: t.detach().clone().contiguous() for n, t in tensors.items()}
    save_file(tensors, FOLDER / f"{name}.safetensors")
    operations = sorted({n["target"] for n in nodes(json.loads(program(name))["graph_module"]["graph"])})
    facts = {"loss": kind, "operations": operations}
    (FOLDER / f"{name}.json").write_text(json.dumps(facts) + "\n")
    count = sum(p.numel() for p in module.parameters())
    print(f"{name}: {count} parameters, {len(operations)} operations")


def program(name):
    with zipfile.ZipFile(FOLDER / f"{name}.pt2") as archive:
        return archive.read(next(filter(is_program, archive.namelist())))
