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
  ..., replayed         as a CUDA graph (lenet)

Times are medians in milliseconds after two warm-up runs, in f32 and in TF32; beside them the seconds
for compiling and the peak memory of the process' tensors. OUT.json is rewritten after each process;
those that are not done after SECONDS are stopped."""

import contextlib
import fcntl
import json
import statistics
import subprocess
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


class Work:
    """A network with a batch of data, and its Hessian-vector product by every method."""

    def __init__(self, name):
        torch.manual_seed(0)
        network, inputs, targets = WORKS[name]
        self.model = network().cuda().eval()
        self.inputs, self.targets = inputs().cuda(), targets().cuda()
        self.parameters = list(self.model.parameters())
        self.vectors = [torch.randn_like(p) for p in self.parameters]
        self.point = {key: p.detach() for key, p in self.model.named_parameters()}
        self.direction = dict(zip(self.point, self.vectors))

    def loss(self, values):
        outputs = functional_call(self.model, values, (self.inputs,))
        return F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), self.targets.reshape(-1))

    def gradient(self, create_graph=False):
        value = self.loss(dict(zip(self.point, self.parameters)))
        return torch.autograd.grad(value, self.parameters, create_graph=create_graph)

    def forward_over_reverse(self, p, v):
        return jvp(grad(self.loss), (p,), (v,))[1]

    def reverse_over_reverse(self, p, v):
        return vjp(grad(self.loss), p)[1](v)

    def many(self, p, v):
        return vmap(lambda v: self.forward_over_reverse(p, v))(v)

    def eager(self):
        yield "gradient", self.gradient
        yield "fresh", lambda: torch.autograd.grad(self.gradient(True), self.parameters, self.vectors)
        kept = self.gradient(True)
        again = lambda: torch.autograd.grad(kept, self.parameters, self.vectors, retain_graph=True)  # noqa: E731
        yield "kept", again
        yield "forward over reverse", lambda: self.forward_over_reverse(self.point, self.direction)

    def compiled(self, way):
        function = getattr(self, way.replace(" ", "_"))
        count = 64 if way == "many" else 1
        vectors = {k: torch.randn(64, *p.shape, device="cuda") for k, p in self.point.items()} if count > 1 else self.direction
        compiled = torch.compile(function, dynamic=False)
        return lambda: compiled(self.point, vectors), count


WORKS = {
    "lenet": (lenet, lambda: torch.randn(100, 1, 32, 32), lambda: torch.arange(100) % 10),
    "resnet18": (resnet18, lambda: torch.randn(512, 3, 32, 32), lambda: torch.arange(512) % 10),
    "gpt2": (GPT, lambda: torch.randint(50257, (4, 1024)), lambda: torch.randint(50257, (4, 1024))),
}

# What is measured: network, method and precision. Each is a process of its own, so that they
# compile at the same time.
JOBS = [
    ("gpt2", "forward over reverse", "f32"), ("gpt2", "forward over reverse", "tf32"),
    ("resnet18", "forward over reverse", "f32"), ("resnet18", "forward over reverse", "tf32"),
    ("resnet18", "reverse over reverse", "f32"), ("lenet", "many", "f32"), ("lenet", "forward over reverse", "f32"),
    ("lenet", "eager", "f32"), ("resnet18", "eager", "f32"), ("resnet18", "eager", "tf32"),
    ("gpt2", "eager", "f32"), ("gpt2", "eager", "tf32"),
]  # fmt: skip


def job(name, way, precision, lock):
    """Prints a JSON object: milliseconds by method. One process at a time uses the card for timing."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    times = {}
    if way == "eager":
        with exclusive(lock):
            work = Work(name)
            for method, call in work.eager():
                times[method] = median_ms(call)
            times["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
            del work, call
            torch.cuda.empty_cache()  # before the next process takes the card
    else:
        call, count = Work(name).compiled(way)
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times["compile_s"] = round(time.perf_counter() - start, 1)
        torch.cuda.empty_cache()
        with exclusive(lock):
            times[f"{way}, compiled"] = median_ms(call) / count
            if name == "lenet":
                times[f"{way}, compiled, replayed"] = median_ms(replayed(call)) / count
            times["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
    print(json.dumps(times))


@contextlib.contextmanager
def exclusive(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main():
    path, seconds = sys.argv[1], float(sys.argv[2])
    begun = time.perf_counter()
    found = {"torch": torch.__version__, "card": torch.cuda.get_device_name(), "ms": {}}
    command = [sys.executable, __file__, "job"]
    started = [(work, subprocess.Popen([*command, *work, path + ".lock"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)) for work in JOBS]
    for (name, way, precision), process in started:
        try:
            left = max(0.0, seconds - (time.perf_counter() - begun))
            out, errors = process.communicate(timeout=left)
            times = json.loads(out) if process.returncode == 0 else {way: errors.decode()[-300:]}
        except subprocess.TimeoutExpired:
            process.kill()
            times = {way: f"not done after {seconds:.0f} s"}
        key = "eager" if way == "eager" else f"{way}, compiled"
        found["ms"].setdefault(f"{name} {precision}", {})[key] = times
        with open(path, "w") as file:
            json.dump(found, file, indent=1)


if sys.argv[1] == "job":
    job(*sys.argv[2:])
else:
    main()
