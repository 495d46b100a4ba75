"""Writes the networks of the folder `versions` with the installed version of PyTorch: python versions.py

Run once for each version, in an environment of its own that has torch, numpy and safetensors: the layout of archives,
the graph's schema and the operations that a graph consists of differ between versions. Both networks are exported
by that version, and their derivatives are computed by it.
"""

import pathlib

import torch
import torch.nn.functional as F
from recipe import FOLDER, write
from torch import nn


class Convolutions(nn.Module):
    """Buffers, constants of the code, a frozen layer and tied weights, exported in train mode."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.frozen = nn.Conv2d(4, 4, 3, groups=2).requires_grad_(False)
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 4)
        self.head.weight = self.body.weight
        self.register_buffer("scale", torch.rand(4, 1, 1) + 0.5)
        self.register_buffer("shift", torch.rand(4, 1, 1), persistent=False)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)), inplace=True) * self.scale
        x = torch.tanh(self.frozen(F.max_pool2d(x, 2)) + self.shift)
        x = F.dropout(F.adaptive_avg_pool2d(x, 1).flatten(1), 0.5, self.training)
        return self.head(torch.tanh(self.body(x)))[:, torch.tensor([2, 0, 3])]


class Sequences(nn.Module):
    """A transformer block and a recurrent layer, with two inputs and a dictionary of results."""

    def __init__(self):
        super().__init__()
        self.wte, self.norm = nn.Embedding(6, 4), nn.LayerNorm(4)
        self.attention = nn.Linear(4, 12, bias=False)
        self.up, self.down = nn.Linear(4, 5), nn.Linear(5, 3)
        self.rnn = nn.LSTM(3, 3, batch_first=True)
        self.head = nn.Linear(3, 6)

    def attended(self, h):
        h = self.attention(h).view(h.shape[0], h.shape[1], 6, 2).transpose(1, 2)
        q, k, v = h.chunk(3, 1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)

    def forward(self, tokens, weights):
        h = self.wte(tokens) * weights.unsqueeze(-1)
        h = h + self.attended(self.norm(h))
        h, (last, _) = self.rnn(self.down(F.gelu(self.up(h))))
        return {"logits": self.head(last[-1]), "states": h}


def main():
    major, minor, *_ = torch.__version__.split(".")
    prefix = f"versions/torch-{major}.{minor}"
    pathlib.Path(FOLDER / "versions").mkdir(exist_ok=True)
    torch.manual_seed(0)
    images = {"x": torch.randn(4, 2, 6, 6, dtype=torch.float64)}
    write(f"{prefix}-convolutions", Convolutions(), "cross-entropy", images, torch.randint(3, (4,)), train=True)
    tokens = {"tokens": torch.randint(6, (4, 5)), "weights": torch.rand(4, 5, dtype=torch.float64)}
    write(f"{prefix}-sequences", Sequences(), "cross-entropy", tokens, torch.randint(6, (4,)))


if __name__ == "__main__":
    main()
