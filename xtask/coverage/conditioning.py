"""How far PyTorch's own derivatives move when weights are rounded once more."""

import torch
from reference import prepared, recipe, second_derivatives

QUANTITIES = ("loss", "logits", "grad", "hv", "ggnv")


def sensitivity(model):
    """Relative changes of each quantity when every weight changes by one rounding error.

    A difference to another program that is no larger comes from the point, and tells nothing of either program.
    """
    module, inputs, y = prepared(model)
    with recipe.in_double():
        before = _quantities(module, model, inputs, y)
        generator = torch.Generator().manual_seed(2)
        for parameter in module.parameters():
            sign = torch.randint(0, 2, parameter.shape, generator=generator, dtype=torch.float64) * 2 - 1
            parameter.data.mul_(1 + sign * torch.finfo(torch.float64).eps)
        after = _quantities(module, model, inputs, y)
    return {name: _relative(after[name], before[name]) for name in before}


def _quantities(module, model, inputs, y):
    tensors = second_derivatives(module, model.loss, tuple(inputs.values()), y, {})
    named = lambda name: [t.detach().flatten() for n, t in tensors.items() if n.split(".")[0] == name]  # noqa: E731
    return {name: torch.cat(named(name)) for name in QUANTITIES}


def _relative(changed, value):
    return ((changed - value).norm() / value.norm()).item()
