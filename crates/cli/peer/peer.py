"""Times curvature computations in PyTorch. `cargo xtask bench --torch PYTHON` runs this file as

    PYTHON - THREADS MODEL DEVICE PART...

where MODEL is lenet, vgg11_bn, resnet18 (100 random images of 1x32x32), gpt (8 sequences of 128
tokens of 512), vit (32 images of 3x32x32) or gpt2 (2 sequences of 128 tokens of 50,257), and DEVICE
is cpu or one of CUDA. Prints one JSON object with the keys of each PART. Times are medians in
milliseconds, in f32, with the cross-entropy, and with BatchNorm in eval mode with random running
statistics:

  gradient  gradient          one gradient
  products  hvp_fresh         one Hessian-vector product by double backward, the graph of the
                              gradient rebuilt for each product
            hvp_cached        the same, the graph of the gradient kept between products
            peak_products_mb  the peak memory after hvp_fresh, before the parts that need more: the
                              process' resident memory, or the device's
  layers    layer_hvp         for each layer: one product with the Hessian block of its weight, the
                              graph rebuilt for each product
  penalty   penalised_step    one gradient of loss + 1e-3 · trace, the trace by Hutchinson's
                              estimate with 10 (lenet) or 3 probes: a third derivative by triple
                              backward
            probes            the number of probes
  compiled-gradient, compiled-products
            compiled          {gradient, reverse, forward, seconds, failures}: a gradient, and a
                              Hessian-vector product by reverse over reverse and by forward over
                              reverse, each by torch.compile with fixed shapes; the seconds that
                              compiling took; the programs that could not be compiled, and why

The networks have the shapes of those in `eigenscape-architectures` with the same names."""

import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.autograd import grad
from torch.nn.functional import cross_entropy, gelu, relu

BATCH, CLASSES, STRENGTH = 100, 10, 1e-3


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, CLASSES),
    )  # fmt: skip


def vgg11_bn():
    layers, inputs = [], 1
    for stage in ([64], [128], [256, 256], [512, 512], [512, 512]):
        for channels in stage:
            layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
            inputs = channels
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    for inputs in (512, 4096):
        layers += [nn.Linear(inputs, 4096, bias=False), nn.BatchNorm1d(4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(4096, CLASSES))


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
        return relu(self.body(x) + self.shortcut(x))


def resnet18():
    layers, inputs = [nn.Conv2d(1, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, channels, stride), Block(channels, channels, 1)]
        inputs = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


class Attention(nn.Module):
    """Written out: PyTorch's fused kernels have no second derivatives."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.causal = heads, causal

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / (d // self.heads) ** 0.5
        if self.causal:
            mask = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
            scores = scores.masked_fill(~mask, float("-inf"))
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.proj(gelu(self.fc(self.norm2(x))))


class Gpt(nn.Module):
    """Causal, with the table of tokens as the last layer."""

    def __init__(self, classes, length, width, heads, layers):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(classes, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, True) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        x = self.tokens(x) + self.positions.weight
        return self.norm(self.blocks(x)) @ self.tokens.weight.t()


class Vit(nn.Module):
    def __init__(self, size, patch, width, heads, layers):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (size // patch) ** 2, width))
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, False) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def gpt():
    return Gpt(512, 128, 256, 8, 6)


def gpt2():
    return Gpt(50257, 128, 768, 12, 12)


def vit():
    return Vit(32, 4, 192, 3, 6)


MODELS = {f.__name__: f for f in (lenet, vgg11_bn, resnet18, gpt, vit, gpt2)}


def examples(name):
    """The network's inputs and the classes of its outputs."""
    if name in ("gpt", "gpt2"):
        classes, shape = (512, (8, 128)) if name == "gpt" else (50257, (2, 128))
        return torch.randint(classes, shape), torch.randint(classes, shape)
    shape = (32, 3, 32, 32) if name == "vit" else (BATCH, 1, 32, 32)
    return torch.randn(shape), torch.arange(shape[0]) % CLASSES


def peak_mb(device):
    if device != "cpu":
        return torch.cuda.max_memory_reserved() / 1024**2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024


def median_ms(work, repetitions, warm_up=1):
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main():
    threads, name, device, parts = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.set_default_device(device)
    model = MODELS[name]()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    model.eval()
    small = name == "lenet"
    named = dict(model.named_parameters())
    parameters = list(named.values())
    vectors = [torch.randn_like(p) for p in parameters]
    inputs, labels = examples(name)

    def loss():
        outputs = model(inputs)
        return cross_entropy(outputs.reshape(-1, outputs.shape[-1]), labels.reshape(-1))

    def gradient():
        return grad(loss(), parameters)

    def fresh(variables, directions):
        first = grad(loss(), variables, create_graph=True)
        return grad(first, variables, directions)

    def penalised_step(probes):
        value = loss()
        first = grad(value, parameters, create_graph=True)
        trace = 0.0
        for _ in range(probes):
            probe = [torch.randn_like(p) for p in parameters]
            products = grad(first, parameters, probe, create_graph=True)
            trace = trace + sum((h * v).sum() for h, v in zip(products, probe))
        return grad(value + STRENGTH * trace / probes, parameters)

    report = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if "gradient" in parts:
        report["gradient"] = median_ms(gradient, *((30, 3) if small else (5, 1)))
    if "products" in parts:
        report["hvp_fresh"] = median_ms(lambda: fresh(parameters, vectors), *((30, 3) if small else (5, 1)))
        report["peak_products_mb"] = peak_mb(device)
        kept = grad(loss(), parameters, create_graph=True)
        work = lambda: grad(kept, parameters, vectors, retain_graph=True)  # noqa: E731
        report["hvp_cached"] = median_ms(work, *((30, 3) if small else (5, 1)))
        del kept
    if "layers" in parts:
        report["layer_hvp"] = {
            key: median_ms(lambda p=p, v=v: fresh([p], [v]), *((15, 3) if small else (2, 1)))
            for (key, p), v in zip(named.items(), vectors)
            if p.ndim > 1
        }
    if "penalty" in parts:
        probes = 10 if small else 3
        report["probes"] = probes
        report["penalised_step"] = median_ms(lambda: penalised_step(probes), *((5, 1) if small else (2, 1)))
    if compiled := [part.split("-")[1] for part in parts if part.startswith("compiled-")]:
        report["compiled"] = measure_compiled(compiled, model, inputs, labels, 30 if small else 5)
    print(json.dumps(report))


def measure_compiled(parts, model, inputs, labels, repetitions):
    """Times of the programs of these parts, with those that could not be compiled."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    vectors = {name: torch.randn_like(p) for name, p in weights.items()}

    def loss(weights):
        outputs = torch.func.functional_call(model, weights, (inputs,))
        return cross_entropy(outputs.reshape(-1, outputs.shape[-1]), labels.reshape(-1))

    gradient = torch.func.grad(loss)
    products = {
        "reverse": lambda weights, vectors: torch.func.vjp(gradient, weights)[1](vectors),
        "forward": lambda weights, vectors: torch.func.jvp(gradient, (weights,), (vectors,))[1],
    }
    programs = {}
    if "gradient" in parts:
        programs["gradient"] = (gradient, (weights,))
    if "products" in parts:
        programs |= {name: (program, (weights, vectors)) for name, program in products.items()}
    report = {"seconds": 0.0, "failures": []}
    for name, (program, arguments) in programs.items():
        start = time.perf_counter()
        try:
            program = torch.compile(program, dynamic=False)
            program(*arguments)
            report["seconds"] += time.perf_counter() - start
            report[name] = median_ms(lambda p=program, a=arguments: p(*a), repetitions)
        except Exception as error:  # noqa: BLE001: whatever the compiler raises is reported
            lines = str(error).strip().splitlines() or [""]
            report["failures"].append(f"{name}: {type(error).__name__}: {lines[0][:120]}")
    return report


main()
