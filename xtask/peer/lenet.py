"""What LeNet's curvature costs in PyTorch. `cargo xtask bench lenet --torch PYTHON` runs this file as `PYTHON - THREADS`.

Prints one JSON object. Times are medians in milliseconds, on 100 random images of 1x32x32, in f32, with cross-entropy:

  gradient       one gradient
  hvp_fresh      one Hessian-vector product by double backward, the gradient's graph rebuilt for it
  hvp_cached     the same on a graph that is kept between products
  layer_hvp      by layer: one product with the Hessian block of its weight, the graph rebuilt for it
  paper_epoch_s  seconds for one epoch's analysis as the paper's code does it: 64 Lanczos steps for the bounds and 128 for the
                 spectrum, each with a rebuilt graph, of the whole network and of every layer
  peak_rss_mb    the process' peak resident memory

The network and its initial weights are those that `eigenscape-architectures` has under the name `lenet`."""

import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.autograd import grad
from torch.nn.functional import cross_entropy

LANCZOS_STEPS = 64 + 128
BATCH, CLASSES = 100, 10


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, CLASSES),
    )  # fmt: skip


def median_ms(work, repetitions):
    for _ in range(3):
        work()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = lenet().eval()
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

    kept = grad(loss(), parameters, create_graph=True)

    def cached():
        return grad(kept, parameters, vectors, retain_graph=True)

    times = {
        "gradient": median_ms(gradient, 30),
        "hvp_fresh": median_ms(lambda: fresh(parameters, vectors), 30),
        "hvp_cached": median_ms(cached, 30),
        "layer_hvp": {
            name: median_ms(lambda p=p, v=v: fresh([p], [v]), 15)
            for (name, p), v in zip(named.items(), vectors)
            if p.ndim > 1
        },
    }
    one_step_ms = times["hvp_fresh"] + sum(times["layer_hvp"].values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_kib = peak / 1024 if sys.platform == "darwin" else peak
    report = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        **times,
        "paper_epoch_s": 1e-3 * LANCZOS_STEPS * one_step_ms,
        "peak_rss_mb": peak_kib / 1024,
    }
    print(json.dumps(report))


main()
