"""Times Hessian-vector products in PyTorch on this card, by all methods that a user can choose.

    python torch_peer.py OUT.json SECONDS

Networks as in the example `card` of crates/cuda: lenet (100 x 1x32x32), resnet18 (512 x 3x32x32,
BatchNorm in eval mode), gpt2 (124 M parameters, 4 x 1024 tokens). Methods:

  fresh                 double backward, the graph of the gradient rebuilt for each product
  kept                  double backward, the graph of the gradient kept between products
  forward over reverse  forward mode on the gradient
  reverse over reverse  reverse mode on the gradient by torch.func
  many                  forward over reverse for 64 vectors at once (vmap); the time per vector
  ..., compiled         with torch.compile
  ..., replayed         as a CUDA graph

Times are medians in milliseconds after two warm-up runs, in f32 and in TF32. OUT.json is rewritten
after each measurement. Measurements that would start after SECONDS are recorded as "left out"."""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, jvp, vjp, vmap


class Block(nn.Module):
    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != channels:
            conv = nn.Conv2d(inputs, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(channels))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class GPT(nn.Module):
    def __init__(self, layers=12, heads=12, width=768, tokens=50257, context=1024):
        super().__init__()
        self.heads = heads
        self.wte, self.wpe = nn.Embedding(tokens, width), nn.Embedding(context, width)
        block = lambda: nn.ModuleDict(  # noqa: E731
            dict(ln_1=nn.LayerNorm(width), qkv=nn.Linear(width, 3 * width), proj=nn.Linear(width, width),
                 ln_2=nn.LayerNorm(width), fc=nn.Linear(width, 4 * width), out=nn.Linear(4 * width, width))
        )  # fmt: skip
        self.h, self.ln_f = nn.ModuleList(block() for _ in range(layers)), nn.LayerNorm(width)

    def forward(self, tokens):
        n, length = tokens.shape
        x = self.wte(tokens) + self.wpe.weight[:length]
        mask = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        for b in self.h:
            q, k, v = b["qkv"](b["ln_1"](x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(~mask, float("-inf"))
            x = x + b["proj"]((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, -1))
            x = x + b["out"](F.gelu(b["fc"](b["ln_2"](x))))
        return self.ln_f(x) @ self.wte.weight.T


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet18():
    layers, inputs = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, channels, stride), Block(channels, channels, 1)]
        inputs = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def median_ms(work):
    def once():
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start)

    once(), once()
    begun, times = time.perf_counter(), []
    while len(times) < 3 or (time.perf_counter() - begun < 0.7 and len(times) < 100):
        times.append(once())
    return round(statistics.median(times), 4)


def replayed(work):
    """Captures the work as a CUDA graph, and returns a function that replays it."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        work(), work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def measure(name, model, inputs, targets, record):
    parameters = list(model.parameters())
    vectors = [torch.randn_like(p) for p in parameters]
    point = {key: p.detach() for key, p in model.named_parameters()}
    direction = dict(zip(point, vectors))

    def loss(values):
        outputs = functional_call(model, values, (inputs,))
        return F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1))

    def first():
        return torch.autograd.grad(loss(dict(zip(point, parameters))), parameters, create_graph=True)

    def forward_over_reverse(p, v):
        return jvp(grad(loss), (p,), (v,))[1]

    kept = first()
    ways = {
        "gradient": lambda: torch.autograd.grad(loss(dict(zip(point, parameters))), parameters),
        "fresh": lambda: torch.autograd.grad(first(), parameters, vectors),
        "kept": lambda: torch.autograd.grad(kept, parameters, vectors, retain_graph=True),
        "forward over reverse": lambda: forward_over_reverse(point, direction),
    }
    for way, work in ways.items():
        record(name, way, lambda: median_ms(work))
    record(name, "kept, replayed", lambda: median_ms(replayed(ways["kept"])))
    del kept
    compiled = torch.compile(forward_over_reverse, dynamic=False)
    record(name, "forward over reverse, compiled", lambda: median_ms(lambda: compiled(point, direction)))
    compiled_reverse = torch.compile(lambda p, v: vjp(grad(loss), p)[1](v), dynamic=False)
    record(name, "reverse over reverse, compiled", lambda: median_ms(lambda: compiled_reverse(point, direction)))
    if name == "lenet":
        many = {key: torch.randn(64, *p.shape, device="cuda") for key, p in point.items()}
        together = vmap(lambda v: forward_over_reverse(point, v))
        record(name, "many", lambda: median_ms(lambda: together(many)) / 64)
        together = torch.compile(together, dynamic=False)
        record(name, "many, compiled", lambda: median_ms(lambda: together(many)) / 64)
        record(name, "many, compiled, replayed", lambda: median_ms(replayed(lambda: together(many))) / 64)


def main():
    path, seconds = sys.argv[1], float(sys.argv[2])
    torch.manual_seed(0)
    start, found = time.perf_counter(), {"torch": torch.__version__, "card": torch.cuda.get_device_name(), "ms": {}}
    works = {
        "lenet": (lenet, lambda: torch.randn(100, 1, 32, 32), lambda: torch.arange(100) % 10),
        "resnet18": (resnet18, lambda: torch.randn(512, 3, 32, 32), lambda: torch.arange(512) % 10),
        "gpt2": (GPT, lambda: torch.randint(50257, (4, 1024)), lambda: torch.randint(50257, (4, 1024))),
    }
    for tf32 in (False, True):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32

        def record(name, way, figure):
            if time.perf_counter() - start > seconds:
                value = "left out"
            else:
                try:
                    value = figure()
                except Exception as error:
                    value = f"{type(error).__name__}: {str(error)[:200]}"
            found["ms"].setdefault(f"{name} {'tf32' if tf32 else 'f32'}", {})[way] = value
            with open(path, "w") as file:
                json.dump(found, file, indent=1)

        for name, (network, inputs, targets) in works.items():
            torch._dynamo.reset()
            model = network().cuda().eval()
            measure(name, model, inputs().cuda(), targets().cuda(), record)
            del model
            torch.cuda.empty_cache()


main()
