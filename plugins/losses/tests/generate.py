"""Writes the expected values in the tests of the losses: `pytorch/*.json` by torch,
`confident/*.json` by mpmath with 60 digits.

    python generate.py

Each case has the outputs z, a direction v, the targets (labels or values) and the keys of the loss.
Expected values are the loss, its gradient g in z, H v, and the gradient of vᵀHv.
"""

import json
import math
import pathlib

import mpmath
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
mpmath.mp.dps = 60


def wave(shape, phase, scale=1.0):
    count = math.prod(shape)
    values = [scale * math.sin(1.7 * i + phase) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def write(folder, name, case):
    (HERE / folder).mkdir(exist_ok=True)
    (HERE / folder / f"{name}.json").write_text(json.dumps(case) + "\n")


def numbers(tensor):
    return tensor.flatten().tolist()


def by_torch(name, loss, keys, z, function, labels=None, values=None):
    """Writes a case by torch; `function` maps z to the loss."""
    v = wave(z.shape, 0.4)
    z = z.clone().requires_grad_()
    value = function(z)

    def gradient(of):
        if not of.requires_grad:
            return torch.zeros_like(z)
        (found,) = torch.autograd.grad(of, z, create_graph=True, allow_unused=True)
        return torch.zeros_like(z) if found is None else found

    g = gradient(value)
    hv = gradient((g * v).sum())
    third = gradient((hv * v).sum())
    target = {"labels": None, "values": None}
    for key, given in (("labels", labels), ("values", values)):
        if given is not None:
            target[key] = {"shape": list(given.shape), "numbers": numbers(given)}
    results = {"loss": value.item(), "gradient": numbers(g), "hv": numbers(hv), "third": numbers(third)}
    write("pytorch", name, {
        "loss": loss, "keys": keys, "shape": list(z.shape), "z": numbers(z), "v": numbers(v), **target, "expected": results,
    })


def classes_last(z):
    """z [N, ..., C] permuted to [N, C, ...], the order of PyTorch's losses."""
    return z.movedim(-1, 1)


def of_classes():
    weight = torch.tensor([1.0, 2.0, 0.5, 0.25], dtype=torch.float64)
    for places in ((), (3,)):
        z = wave((5, *places, 4), 0.1, 2.5)
        labels = torch.arange(math.prod((5, *places))).reshape(5, *places) * 7 % 4
        labels.view(-1)[3] = 255
        kind = "tokens" if places else "rows"
        for number, (weighted, smoothing) in enumerate([(False, 0.0), (True, 0.0), (True, 0.2)]):
            keys = {"ignore_index": 255, "label_smoothing": smoothing}
            if weighted:
                keys["weight"] = weight.tolist()
            w = weight if weighted else torch.ones(4, dtype=torch.float64)
            by_torch(
                f"cross-entropy-{kind}-{number}", "cross-entropy", keys, z,
                lambda z: F.cross_entropy(classes_last(z), labels, weight=w, ignore_index=255, label_smoothing=smoothing),
                labels=labels,
            )
            for gamma in (0.0, 0.5, 2.0):
                by_torch(
                    f"focal-{kind}-{number}-{gamma}", "focal", {"gamma": gamma, **keys}, z,
                    lambda z: focal(z, labels, w, smoothing, gamma), labels=labels,
                )
    z = wave((5, 4), 0.1, 2.5)
    soft = torch.softmax(wave((5, 4), 0.9, 2.0), -1)
    by_torch("cross-entropy-soft", "cross-entropy", {}, z, lambda z: F.cross_entropy(z, soft), values=soft)
    by_torch("focal-soft", "focal", {"gamma": 1.5}, z,
             lambda z: -(soft * (1 - z.softmax(-1)) ** 1.5 * z.log_softmax(-1)).sum() / 5, values=soft)


def focal(z, labels, weight, smoothing, gamma):
    """The terms of PyTorch's cross-entropy times (1 − p)^γ, with the same weighted mean."""
    counted = labels != 255
    z, labels = z[counted], labels[counted]
    rows = (1 - smoothing) * F.one_hot(labels, z.shape[-1]).to(z.dtype) + smoothing / z.shape[-1]
    rows = rows * weight
    each = -rows * (1 - z.softmax(-1)) ** gamma * z.log_softmax(-1)
    return each.sum() / weight[labels].sum()


def of_values():
    for shape in ((6, 3), (2, 3, 2)):
        kind = "tokens" if len(shape) > 2 else "rows"
        z, t = wave(shape, 0.1, 2.5), wave(shape, 0.8, 1.5)
        by_torch(f"mse-{kind}", "mse", {}, z, lambda z: F.mse_loss(z, t), values=t)
        for delta in (0.5, 1.0, 2.5):
            by_torch(f"huber-{kind}-{delta}", "huber", {"delta": delta}, z,
                     lambda z: F.huber_loss(z, t, delta=delta), values=t)
        p = t.sigmoid()
        by_torch(f"binary-cross-entropy-{kind}", "binary-cross-entropy", {}, z,
                 lambda z: F.binary_cross_entropy_with_logits(z, p), values=p)
        both = wave((*shape[:-1], 2 * shape[-1]), 0.3, 2.0)
        for variance, of in (("exp", torch.exp), ("softplus", F.softplus)):
            # eps = 0.8 clamps about half of the variances.
            for eps in (1e-6, 0.8):
                for full in (False, True):
                    keys = {"variance": variance, "eps": eps, "full": full}
                    by_torch(
                        f"gaussian-nll-{kind}-{variance}-{eps}-{full}", "gaussian-nll", keys, both,
                        lambda z: F.gaussian_nll_loss(*halves(z, t, of), full=full, eps=eps), values=t,
                    )


def halves(z, t, of):
    mean, s = z.chunk(2, -1)
    return mean, t, of(s)


def confident():
    """Focal losses of one row of three classes. The first class has the largest logit, `gap`; the
    label is the first class or the second."""
    v = [mpmath.mpf(x) for x in (0.3, -0.7, 0.5)]
    for gap in (5, 20, 40):
        for label in (0, 1):
            for gamma in (0.5, 2):
                z = [mpmath.mpf(gap), mpmath.mpf("0.5"), mpmath.mpf("-0.25")]

                def loss(*z):
                    p = [mpmath.exp(x) for x in z]
                    rest = sum(x for j, x in enumerate(p) if j != label) / sum(p)
                    return -(rest ** gamma) * mpmath.log(p[label] / sum(p))

                def along(*x):
                    return loss(*[a + x[3] * b for a, b in zip(x[:3], v)])

                def derivative(axis, order):
                    orders = [int(j == axis) for j in range(3)] + [order]
                    return mpmath.diff(along, (*z, mpmath.mpf(0)), tuple(orders))

                expected = {
                    "loss": float(loss(*z)),
                    **{key: [float(derivative(axis, order)) for axis in range(3)]
                       for order, key in enumerate(("gradient", "hv", "third"))},
                }
                write("confident", f"focal-{gap}-{label}-{gamma}", {
                    "loss": "focal", "keys": {"gamma": gamma}, "shape": [1, 3], "z": [float(x) for x in z],
                    "v": [float(x) for x in v], "labels": {"shape": [1], "numbers": [label]}, "values": None,
                    "expected": expected,
                })


of_classes()
of_values()
confident()
