"""Random weights as those of a network that was trained a little."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def settle(module, inputs, generator):
    """Replaces constants that networks start from, and gives BatchNorm the statistics of the inputs.

    Scales of 1e-6 and heads of zeros would hide most of a network from its derivatives, and without statistics a deep network's
    outputs grow or vanish with its depth.
    """
    for parameter in module.parameters():
        if parameter.min() == parameter.max():
            _replace(parameter.data, generator)
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    module.eval()
    for layer in layers:
        layer.train()
        layer.momentum = 0.5
    with torch.no_grad():
        module(*inputs)
    return module.eval()


def _replace(constant, generator):
    random = torch.rand(constant.shape, generator=generator, dtype=constant.dtype)
    # Weights of normalisations are around 1, biases and scales of residual branches around 0.
    constant.copy_(0.5 + random if constant.flatten()[0] >= 0.5 else 0.4 * (random - 0.5))
