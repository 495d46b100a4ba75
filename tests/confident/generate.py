"""Derivatives of confident classifiers, computed with 120 digits and rounded to f64 at the end.

    python -m venv venv && venv/bin/pip install mpmath numpy
    venv/bin/python generate.py

Each case is a network 2 -> 3 -> C (linear, tanh, linear) on five samples. All parameters, inputs
and targets are representable in f32. The last layer is scaled so that the mean loss is
approximately a given value. Derivatives of the loss are central differences with steps of 1e-30,
which use no derivative rules and none of the formulas against cancellation that the tested code
uses.
"""

import json
import struct

import numpy as np
from mpmath import exp, log, mp, mpf, sqrt, tanh

mp.dps = 120
STEP = mpf(10) ** -30
N, INPUTS, HIDDEN = 5, 2, 3


def numbers(array):
    return [mpf(float(x)) for x in np.asarray(array).ravel()]


class Case:
    def __init__(self, loss, classes, target, seed, rows):
        self.loss, self.classes = loss, classes
        random = np.random.default_rng(seed)
        self.shapes = {"0.weight": (HIDDEN, INPUTS), "0.bias": (HIDDEN,), "2.weight": (classes, HIDDEN), "2.bias": (classes,)}
        base = {name: random.standard_normal(shape) for name, shape in self.shapes.items()}
        self.x = random.standard_normal((N, INPUTS)).astype(np.float32)
        self.inputs = [numbers(row) for row in self.x]
        self.t = np.zeros((N, classes), np.float32)
        self.targets = []
        # The labels are the network's predictions, so that every prediction is right.
        z = self.outputs_at(base)
        for n in range(N):
            if loss == "cross-entropy":
                self.t[n, max(range(classes), key=lambda c: z[n][c])] = 1
            else:
                self.t[n] = [1 if value > 0 else 0 for value in z[n]]
        self.t = rows(self.t).astype(np.float32)
        self.targets = [numbers(row) for row in self.t]
        low, high = 1e-3, 1e4
        for _ in range(60):
            middle = (low * high) ** 0.5
            scaled = {name: value * (middle if name[0] == "2" else 1) for name, value in base.items()}
            if self.excess(self.outputs_at(scaled)) > target:
                low = middle
            else:
                high = middle
        self.parameters = {name: (value * (low if name[0] == "2" else 1)).astype(np.float32) for name, value in base.items()}
        self.theta = [x for value in self.parameters.values() for x in numbers(value)]
        self.v = random.standard_normal(len(self.theta)).astype(np.float32)
        self.signs = np.where(random.random((N, classes)) < 0.5, -1, 1).astype(np.float32)

    def outputs_at(self, parameters):
        return self.outputs([x for value in parameters.values() for x in numbers(value)])

    def outputs(self, theta):
        c, h, i = self.classes, HIDDEN, INPUTS
        w, b = theta[: h * i], theta[h * i : h * i + h]
        u, d = theta[h * i + h : h * i + h + c * h], theta[h * i + h + c * h :]
        result = []
        for x in self.inputs:
            a = [tanh(sum(w[k * i + j] * x[j] for j in range(i)) + b[k]) for k in range(h)]
            result.append([sum(u[m * h + k] * a[k] for k in range(h)) + d[m] for m in range(c)])
        return result

    def mean(self, z):
        if self.loss == "cross-entropy":
            return sum(sum(t) * log(sum(exp(x) for x in row)) - sum(a * x for a, x in zip(t, row)) for row, t in zip(z, self.targets)) / N
        return sum(log(1 + exp(x)) - a * x for row, t in zip(z, self.targets) for x, a in zip(row, t)) / (N * self.classes)

    def excess(self, z):
        """The loss with each target moved to its likeliest class: small even for soft targets."""
        hard, self.targets = self.targets, [[mpf(x == max(t)) * sum(t) for x in t] for t in self.targets] if self.loss == "cross-entropy" else self.targets
        value, self.targets = self.mean(z), hard
        return value

    def value(self, theta):
        return self.mean(self.outputs(theta))

    def roots(self, z):
        """S of each sample, where S S^T is the Hessian of the mean loss in its outputs."""
        result = []
        for row, t in zip(z, self.targets):
            if self.loss == "cross-entropy":
                total = sum(exp(x) for x in row)
                p = [exp(x) / total for x in row]
                scale = sqrt(sum(t) / N)
                result.append([[scale * ((sqrt(p[i]) if i == k else 0) - p[i] * sqrt(p[k])) for k in range(len(p))] for i in range(len(p))])
            else:
                q = [1 / ((1 + exp(x)) * (1 + exp(-x)) * N * self.classes) for x in row]
                result.append([[sqrt(q[i]) if i == k else mpf(0) for k in range(len(q))] for i in range(len(q))])
        return result

    def moved(self, theta, *steps):
        theta = list(theta)
        for i, step in steps:
            theta[i] += step
        return theta

    def jacobian(self, theta):
        """The derivatives of the outputs in the parameters: [P][N][C]."""
        def column(i):
            up, down = (self.outputs(self.moved(theta, (i, s))) for s in (STEP, -STEP))
            return [[(a - b) / (2 * STEP) for a, b in zip(*rows)] for rows in zip(up, down)]
        return [column(i) for i in range(len(theta))]

    def rows(self, theta):
        """S^T J: [P][N C]."""
        roots, jacobian = self.roots(self.outputs(theta)), self.jacobian(theta)
        c = range(self.classes)
        return [[sum(roots[n][i][k] * column[n][i] for i in c) for n in range(N) for k in c] for column in jacobian]

    def summed(self, theta):
        """The estimate of the Gauss-Newton trace from the signs s: the squared norm of J^T S s."""
        signs = numbers(self.signs)
        return sum(sum(a * s for a, s in zip(row, signs)) ** 2 for row in self.rows(theta))

    def form(self, theta):
        v = numbers(self.v)
        along = lambda s: self.value([a + s * b for a, b in zip(theta, v)])
        return (along(STEP) - 2 * along(mpf(0)) + along(-STEP)) / STEP**2

    def gradient(self, f):
        return [(f(self.moved(self.theta, (i, STEP))) - f(self.moved(self.theta, (i, -STEP)))) / (2 * STEP) for i in range(len(self.theta))]

    def hessian(self):
        p = range(len(self.theta))
        f = lambda *steps: self.value(self.moved(self.theta, *steps))
        h = [[mpf(0)] * len(p) for _ in p]
        for i in p:
            for j in p[: i + 1]:
                signs = [(STEP, STEP, 1), (STEP, -STEP, -1), (-STEP, STEP, -1), (-STEP, -STEP, 1)]
                h[i][j] = h[j][i] = sum(w * f((i, a), (j, b)) for a, b, w in signs) / (4 * STEP**2)
        return h

    def results(self):
        hessian, rows = self.hessian(), self.rows(self.theta)
        gauss_newton = [[sum(a * b for a, b in zip(one, other)) for other in rows] for one in rows]
        residual = [[a - b for a, b in zip(*pair)] for pair in zip(hessian, gauss_newton)]
        tensors = {"x": self.x, "t": self.t, "v": self.v, "signs": self.signs, **self.parameters}
        truth = {"hessian": hessian, "gauss-newton": gauss_newton, "residual": residual, "loss": [self.value(self.theta)],
                 "gradient": self.gradient(self.value), "form": [self.form(self.theta)], "form-gradient": self.gradient(self.form),
                 "summed": [self.summed(self.theta)], "summed-gradient": self.gradient(self.summed)}
        tensors |= {"truth." + name: np.array([[float(x) for x in row] if isinstance(row, list) else float(row) for row in value]) for name, value in truth.items()}
        return tensors


def save(path, tensors):
    """Writes the safetensors format: length of the header, header, numbers."""
    header, data = {}, b""
    for name, array in sorted(tensors.items()):
        raw = array.tobytes()
        kind = {"float32": "F32", "float64": "F64"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def hard(t):
    return t


def weighted(t):
    """Targets with class weights and an ignored sample, scaled to the mean over the others."""
    t = t * np.array([0.5, 2.0, 1.25])
    t[2] = 0
    return t * N / t.sum()


def smoothed(t):
    return 0.9 * t + 0.1 / t.shape[1]


if __name__ == "__main__":
    cases = [("softmax", "cross-entropy", 3, loss, hard) for loss in (1e-3, 1e-6, 1e-9, 1e-12)]
    cases += [("sigmoid", "binary-cross-entropy", 2, loss, hard) for loss in (1e-3, 1e-6, 1e-9, 1e-12)]
    cases += [("weighted", "cross-entropy", 3, loss, weighted) for loss in (1e-6, 1e-12)]
    cases += [("smoothed", "cross-entropy", 3, 1e-9, smoothed)]
    for seed, (name, loss, classes, target, rows) in enumerate(cases, 1):
        tensors = Case(loss, classes, target, seed, rows).results()
        print(name, target, "loss", tensors["truth.loss"], "largest of H", abs(tensors["truth.hessian"]).max(), "of R", abs(tensors["truth.residual"]).max())
        save(f"{name}_{target:.0e}.safetensors", tensors)
