"""Writes what `cargo xtask verify` compares: a network's own derivatives on a batch, computed by PyTorch.

    from export_for_verify import export
    export(model, x, y, "verify.safetensors")
"""

import torch
from safetensors.torch import save_file
from torch.func import functional_call, grad, jvp, vjp


def export(model, x, y, path, seed=0):
    """x [N, ...]; y integer labels, one for each row of the outputs (cross-entropy), or real targets (mean squared error)."""
    model.eval()
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    generator = torch.Generator().manual_seed(seed)
    v = {name: torch.randn(p.shape, generator=generator, dtype=p.dtype) for name, p in parameters.items()}

    def outputs(p):
        return functional_call(model, p, (x,))

    def loss_of(z):
        if y.is_floating_point():
            return (z - y).square().mean()  # mse_loss has no forward derivative of its gradient
        return torch.nn.functional.cross_entropy(z.flatten(0, -2), y.flatten())

    def loss(p):
        return loss_of(outputs(p))

    gradient, hv = jvp(grad(loss), (parameters,), (v,))
    # The Gauss-Newton product: J v, the loss's Hessian in the outputs times it, and back through J.
    logits, jv = jvp(outputs, (parameters,), (v,))
    _, hjv = jvp(grad(loss_of), (logits,), (jv,))
    (ggnv,) = vjp(outputs, parameters)[1](hjv)

    file = {"x": x, "y": y, "logits": logits, "loss": loss(parameters)}
    file |= {name: value.detach() for name, value in model.state_dict().items()}
    for prefix, tensors in [("v", v), ("grad", gradient), ("hv", hv), ("ggnv", ggnv)]:
        file |= {f"{prefix}.{name}": value for name, value in tensors.items()}
    save_file({name: value.detach().clone().contiguous() for name, value in file.items()}, path)
