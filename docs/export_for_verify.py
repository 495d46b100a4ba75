"""Writes the file for `cargo xtask verify`: derivatives of a network on a batch, by PyTorch.

    from export_for_verify import export
    export(model, x, y, "verify.safetensors")
    export(model, x, y, "verify.safetensors", loss=nn.CrossEntropyLoss(ignore_index=255))
"""

import torch
from safetensors.torch import save_file
from torch.func import functional_call, grad, jvp, vjp


def default_loss(z, y):
    """The mean squared error for real targets, the cross-entropy for integer targets. The classes
    are along the last axis of the outputs, or along axis 1, as for images."""
    if y.is_floating_point():
        assert z.shape == y.shape, f"y {list(y.shape)} is not of the outputs' shape {list(z.shape)}"
        return (z - y).square().mean()
    first, last = z.shape[:1] + z.shape[2:] == y.shape, z.shape[:-1] == y.shape
    assert first or last, f"y {list(y.shape)} has no label for each row of the outputs {list(z.shape)}: give loss="
    if first and (not last or y.dim() > 2):
        return torch.nn.functional.cross_entropy(z, y)
    return torch.nn.functional.cross_entropy(z.flatten(0, -2), y.flatten())


def hessian_product(f, at, v):
    """The Hessian of f times v, by reverse over reverse mode: the gradients of some losses have no
    forward-mode derivative."""

    def along(at):
        gradient = grad(f)(at)
        return sum((gradient[name] * v[name]).sum() for name in v)

    return grad(along)(at)


def export(model, x, y, path, seed=0, loss=default_loss):
    """Writes the file. `x` is [N, ...], and `y` contains the targets that `loss` takes. `loss` maps
    (outputs, y) to the mean over the batch, and must be the loss of the experiment."""
    model.eval()
    # oneDNN's recurrent layers have no forward-mode derivative.
    with torch.backends.mkldnn.flags(enabled=False):
        _export(model, x, y, path, seed, loss)


def _export(model, x, y, path, seed, loss):
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    generator = torch.Generator().manual_seed(seed)
    v = {name: torch.randn(p.shape, generator=generator, dtype=p.dtype) for name, p in parameters.items()}

    def outputs(p):
        return functional_call(model, p, (x,))

    def mean_loss(p):
        return loss(outputs(p), y)

    gradient, hv = grad(mean_loss)(parameters), hessian_product(mean_loss, parameters, v)
    # The Gauss-Newton product Jᵀ H (J v), where H is the Hessian of the loss in the outputs.
    logits, jv = jvp(outputs, (parameters,), (v,))
    hjv = hessian_product(lambda z: loss(z["z"], y), {"z": logits}, {"z": jv})["z"]
    (ggnv,) = vjp(outputs, parameters)[1](hjv)

    file = {"x": x, "y": y, "logits": logits, "loss": mean_loss(parameters)}
    file |= {name: value.detach() for name, value in model.state_dict().items()}
    for prefix, tensors in [("v", v), ("grad", gradient), ("hv", hv), ("ggnv", ggnv)]:
        file |= {f"{prefix}.{name}": value for name, value in tensors.items()}
    save_file({name: value.detach().clone().contiguous() for name, value in file.items()}, path)
