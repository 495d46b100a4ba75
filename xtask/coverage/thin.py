"""Makes networks narrower whose constructors have no option for it."""

import contextlib
import inspect
import math

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

# Which arguments of a layer are numbers of channels.
CHANNELS = {
    _ConvNd: ("in_channels", "out_channels"),
    nn.Linear: ("in_features", "out_features"),
    _NormBase: ("num_features",),
    nn.LayerNorm: ("normalized_shape",),
    nn.GroupNorm: ("num_channels",),
}
# The argument that must divide them.
GROUPS = {_ConvNd: "groups", nn.GroupNorm: "num_groups"}


@contextlib.contextmanager
def thin(factor):
    """Layers that are made meanwhile have their numbers of channels divided by `factor`.

    A number that is not a multiple stays, so that colours, classes and heads do. What is left is the same network with fewer
    channels wherever a number of channels is only passed from layer to layer; otherwise forward fails.
    """
    before = {kind: kind.__init__ for kind in CHANNELS}
    for kind, init in before.items():
        kind.__init__ = _thinner(kind, init, factor)
    try:
        yield
    finally:
        for kind, init in before.items():
            kind.__init__ = init


def _thinner(kind, init, factor):
    signature = inspect.signature(init)

    def replaced(self, *a, **k):
        bound = signature.bind(self, *a, **k)
        given = bound.arguments
        for name in CHANNELS[kind]:
            given[name] = _less(given[name], factor)
        if kind in GROUPS and GROUPS[kind] in given:
            given[GROUPS[kind]] = math.gcd(given[GROUPS[kind]], *(given[name] for name in CHANNELS[kind]))
        init(*bound.args, **bound.kwargs)

    return replaced


def _less(channels, factor):
    if isinstance(channels, int):
        return channels // factor if channels % factor == 0 else channels
    return tuple(_less(c, factor) for c in channels)
