"""What the lists of models consist of."""

from dataclasses import dataclass
from typing import Callable

import torch


@dataclass(frozen=True)
class Model:
    library: str
    name: str
    make: Callable[[], torch.nn.Module]
    # From a generator: the arguments of forward by name, and the labels.
    batch: Callable[[torch.Generator], tuple[dict, torch.Tensor]]
    loss: str = "cross-entropy"

    @property
    def key(self):
        return f"{self.library}/{self.name}"


# The graphs are exported for fewer, so that the number of samples is one that the graph was not
# exported for.
SAMPLES = 3
CLASSES = 10


def images(size, name="x", channels=3):
    """A batch of square images with their labels."""

    def batch(generator):
        x = torch.randn(SAMPLES, channels, size, size, generator=generator, dtype=torch.float64)
        return {name: x}, torch.randint(CLASSES, (SAMPLES,), generator=generator)

    return batch
