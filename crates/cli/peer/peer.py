"""Times curvature computations in PyTorch. `cargo xtask bench --torch PYTHON` runs this file as

    PYTHON - THREADS MODEL DEVICE PART...

where MODEL is lenet, vgg11_bn or resnet18, and DEVICE is cpu or one of CUDA. Prints one JSON object with the keys of each PART. Times
are medians in milliseconds on 100 random images of 1x32x32, in f32, with the cross-entropy, and
with BatchNorm in eval mode with random running statistics:

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

The networks have the shapes of those in `eigenscape-architectures` with the same names."""

import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.autograd import grad
from torch.nn.functional import cross_entropy, relu

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
    model = {"lenet": lenet, "vgg11_bn": vgg11_bn, "resnet18": resnet18}[name]()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    model.eval()
    small = name == "lenet"
    named = dict(model.named_parameters())
    parameters = list(named.values())
    vectors = [torch.randn_like(p) for p in parameters]
    images = torch.randn(BATCH, 1, 32, 32)
    labels = torch.arange(BATCH) % CLASSES

    def loss():
        return cross_entropy(model(images), labels)

    def gradient():
        return grad(loss(), parameters)

    def fresh(inputs, directions):
        first = grad(loss(), inputs, create_graph=True)
        return grad(first, inputs, directions)

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
    print(json.dumps(report))


main()
