"""Writes optimizers.json: five steps of PyTorch's optimizers in float64 on given gradients.

    pip install torch
    python tests/training/optimizers.py
"""

import json
from pathlib import Path

import torch

OPTIMIZERS = {
    "sgd-dampening": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
    "sgd-nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
}


def steps(build, start, gradients):
    parameter = torch.nn.Parameter(start.clone())
    optimizer, history = build([parameter]), []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        history.append(parameter.tolist())
    return history


if __name__ == "__main__":
    torch.manual_seed(0)
    start, gradients = torch.randn(4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    cases = [{"name": name, "parameters": steps(build, start, gradients)} for name, build in OPTIMIZERS.items()]
    content = {"torch": torch.__version__, "start": start.tolist(), "gradients": gradients.tolist(), "cases": cases}
    (Path(__file__).parent / "optimizers.json").write_text(json.dumps(content, indent=1) + "\n")
