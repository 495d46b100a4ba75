"""Networks of many rare operations, one for each family: python operations.py [NAME]...

Needs torch 2.15 and safetensors.
"""

import sys

import torch
import torch.nn.functional as F
from recipe import FOLDER, mean_loss, write
from safetensors.torch import load_file
from torch import nn
from torch.func import functional_call

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def rows(samples, size):
    return torch.randn(samples, size, dtype=torch.float64)


class Sorted(nn.Module):
    """Order, positions and what is at them."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 20) * 0.4)
        self.register_buffer("bounds", torch.tensor([-0.5, 0.0, 0.5]))
        self.register_buffer("fixed", torch.tensor([3.0, 1.0, 2.0, 1.0]))

    def forward(self, x):
        h = x @ self.w
        few, places = h.topk(3, 1)
        low, _ = h.topk(2, 1, largest=False)
        full, order = torch.sort(h[:, :17], 1, descending=True)
        many, _ = h.topk(18, 1)
        up = h.gather(1, torch.argsort(h, 1))
        largest, place = h.unflatten(1, (4, 5)).max(1)
        least = h.unflatten(1, (4, 5)).min(2)[0]
        ranked = h.reshape(-1, 2, 10).sort(2)[0].sum(1)
        middle, at = h.median(1)
        third = h.kthvalue(3, 1, keepdim=True)[0]
        row = h[torch.arange(x.shape[0]), h.argmax(1)]
        buckets = torch.bucketize(h, self.bounds, right=True) + torch.searchsorted(self.bounds, h)
        known = self.fixed[torch.argsort(self.fixed, stable=True)] * self.fixed.topk(4)[0]
        hidden = h.masked_fill(h.detach() > 0.3, float("-inf")).amax(1, keepdim=True)
        e = few.sum(1, keepdim=True) * low + full[:, :2] * full[:, 5:7] + up[:, 3:5] * many[:, 9:11]
        f = largest.exp()[:, :4] * least + ranked[:, 2:6].tanh() + known
        g = (buckets * h.square()).sum(1, keepdim=True) + third * middle.unsqueeze(1) + row.sin().unsqueeze(1)
        weights = (places.to(h.dtype) + 1).sum(1, keepdim=True) + (place + order[:, :5]).sum(1, keepdim=True)
        return torch.cat([e, f, g * weights * 0.01, hidden * h.logsumexp(1, keepdim=True)], 1) + at.unsqueeze(1)


@case
def sorted():
    write("sorted", Sorted(), "mse", {"x": rows(5, 6)}, rows(5, 8))


class Placed(nn.Module):
    """Elements put at places, constant and computed ones."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 6) * 0.4)
        self.v = nn.Parameter(torch.randn(3, 6) * 0.4)

    def forward(self, x):
        n = x.shape[0]
        h = torch.tanh(x @ self.w)
        index = torch.tensor([[0, 2, 2, 5]]).expand(n, -1)
        a = h.scatter_add(1, index, h[:, 1:5] ** 2).sin()
        b = h.scatter(1, index[:, 2:], h[:, :2].exp()) * h.scatter(1, index[:, :1], 0.3)
        c = h.index_add(1, torch.tensor([1, 0, 1]), torch.stack([h[:, 0].sin(), h[:, 1], h[:, 4]], 1), alpha=0.5)
        d = h.index_copy(1, torch.tensor([4, 1]), (h[:, :2] * 2).sin()) + h.index_fill(1, torch.tensor([3]), 0.7)
        e = torch.zeros(n, 6, dtype=h.dtype)
        e[:, [1, 3]] = h[:, 2:4] * h[:, :2]
        e[h > 0.2] = 0.1
        f = h.clone()
        f[:, -1] = 0.0
        f[torch.arange(n), h.argmax(1)] = h[:, 0].square()
        g = torch.zeros(n, 4, dtype=h.dtype).scatter(1, h[:, :4].topk(2, 1)[1], h[:, :2])
        m = h.new_zeros(n, 3).scatter_reduce(1, torch.tensor([[0, 1, 1, 0, 2, 1]]).expand(n, -1), h.square(), "mean")
        s = h.select_scatter(h[:, 1] * 3, 1, 2) + h.slice_scatter(h[:, :2] ** 2, 1, 1, 5, 2)
        twice = (torch.arange(n).unsqueeze(1), torch.tensor([1, 1]))
        t = torch.index_put(h, twice, self.v[2, :2], accumulate=True)
        u = torch.diag_embed(h)[:, 1:3].sum(2) + torch.diagonal(h.unsqueeze(2) * self.v[0], dim1=1, dim2=2)[:, :2]
        return torch.cat([a * b, c * d, e + f * s, g, m, t, u], 1)


@case
def placed():
    write("placed", Placed(), "mse", {"x": rows(5, 6)}, rows(5, 33))


class Functions(nn.Module):
    """Functions of one and two numbers, norms and products."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 6) * 0.4)
        self.b = nn.Bilinear(6, 6, 4)
        self.v = nn.ParameterList([torch.randn(5, 6), torch.randn(5, 6)])
        self.g = nn.ParameterList([torch.rand(5, 1) + 0.5, torch.rand(1, 6) + 0.5])

    def weight(self, dim):
        """A normalised weight. PyTorch's own second derivative of `_weight_norm` is not that of its first one."""
        v, g = self.v[dim], self.g[dim]
        if torch.compiler.is_exporting():
            return torch._weight_norm(v, g, dim)
        return v * (g / v.norm(dim=1 - dim, keepdim=True))

    def forward(self, x):
        h = x @ self.w
        p = torch.sigmoid(h)
        a = torch.expm1(h) + torch.sinh(h) * torch.cosh(h) + torch.asinh(h) + torch.atanh(p - 0.5)
        b = torch.acosh(1.1 + p) + torch.logit(p * 0.9) + torch.erfc(h) + torch.log2(p) * torch.log10(p) + torch.log1p(p)
        c = torch.logaddexp(h, a) + torch.hypot(h, p) + torch.xlogy(p, p + 1) + F.hardshrink(h, 0.2) + F.softshrink(h, 0.2)
        s, m = torch.std_mean(h, 1, keepdim=True)
        d = torch.linalg.vector_norm(h, 3, dim=1, keepdim=True) + h.norm(dim=1, keepdim=True) + h.norm(p=float("inf"), dim=1, keepdim=True)
        d = d + torch.linalg.norm(h, dim=1, keepdim=True) + h.norm(1, dim=1, keepdim=True)
        e = F.cosine_similarity(h, a, dim=1).unsqueeze(1) + F.pairwise_distance(h, b).unsqueeze(1) + s * m
        f = torch.cdist(h.unflatten(1, (2, 3)), p.unflatten(1, (3, 2)).transpose(1, 2)).flatten(1)
        g = h.cumprod(1) + p.prod(1, keepdim=True) + h.logsumexp(1, keepdim=True) + torch.aminmax(h, dim=1, keepdim=True)[1]
        i = torch.einsum("...i,ij", h, self.w.roll(7)) + torch.einsum("bi,ij,bj->bi", h, self.w, p)
        j = torch.einsum("b...,...->b...", h.unflatten(1, (2, 3)), self.w[:2, :3]).flatten(1)
        k = self.b(h, p) + torch.tensordot(h, self.w, ([1], [0]))[:, :4] + torch.inner(h, self.w)[:, 2:]
        r = torch.hstack([h[:, :2], p[:, 1:3], torch.nan_to_num(a[:, :2])])
        q = F.linear(h, self.weight(0)) * F.linear(p, self.weight(1)) + torch.isfinite(h).to(h.dtype)[:, :5]
        return torch.cat([a * 0.1 + b, c + d + e, f, g, i, j, k, r.tanh(), q], 1)


@case
def functions():
    write("functions", Functions(), "mse", {"x": rows(5, 6)}, rows(5, 49))


class Rounded(nn.Module):
    """Whole numbers near computed ones, and angles."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 6))

    def forward(self, x):
        h = x @ self.w
        t = torch.tanh(h)
        a = torch.atan(h) + torch.asin(0.9 * t) * torch.acos(0.8 * t)
        b = torch.atan2(h, h.flip(1)) + torch.atan2(t, torch.tensor(-0.3))
        c = h * h.floor() + t * h.ceil() + h.sin() * h.trunc() + t * (2 * h).round() + h.frac().square()
        d = torch.remainder(h, 0.7) * t + torch.fmod(h, 0.7) * torch.div(h, 0.5, rounding_mode="floor")
        e = t * (h.detach() // 0.3) + h * torch.div(h, 0.4, rounding_mode="trunc") + t * h.int() + h * h.long()
        quantized = t + (torch.round(t * 4) / 4 - t).detach()
        return torch.cat([a + b, c, d + e, quantized**2, t * torch.round(torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 3.0]))], 1)


@case
def rounded():
    write("rounded", Rounded(), "mse", {"x": rows(5, 6)}, rows(5, 30))


class Padded(nn.Module):
    """An embedding of which one row takes no part in derivatives."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 5, padding_idx=-1)
        nn.init.normal_(self.table.weight)
        self.out = nn.Linear(5, 4)

    def forward(self, tokens):
        h = self.table(tokens)
        return self.out(torch.tanh(h).mean(1) * (self.table.weight**2).sum(0))


@case
def padded():
    tokens = torch.tensor([[0, 6, 2, 6], [6, 6, 6, 6], [1, 2, 3, 4], [5, 6, 0, 1]])
    write("padded", Padded(), "cross-entropy", {"tokens": tokens}, torch.tensor([0, 3, 1, 2]))


class Lengths(nn.Module):
    """Sequences of any length between bounds."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(2, 3, 3, padding=1)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        weights = torch.arange(x.shape[2]) / x.shape[2]
        return (h * weights).mean(2)


@case
def lengths():
    sizes = {"x": {2: torch.export.Dim("length", min=4, max=64)}}
    write("lengths", Lengths(), "mse", {"x": torch.randn(4, 2, 7, dtype=torch.float64)}, rows(4, 3), sizes=sizes)


class Normed(nn.Module):
    """Norms of vectors of zeros, whose gradient is 0 in PyTorch, and whose second derivative is NaN there and 0 here."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 3)

    def forward(self, x):
        h = self.a(x)
        if torch.compiler.is_exporting():
            return self.b(F.normalize(h, dim=-1) + x) * h.norm(dim=1, keepdim=True)
        square = (h * h).sum(1, keepdim=True)
        none = square == 0
        norm = torch.where(none, 1.0, square).sqrt() * ~none
        return self.b(h / norm.clamp(min=1e-12) + x) * norm


@case
def normed():
    x = rows(5, 4)
    x[2] = 0
    write("normed", Normed(), "mse", {"x": x}, rows(5, 3))


class Decomposed(nn.Module):
    """Layers that PyTorch decomposes into operations of other names."""

    def __init__(self):
        super().__init__()
        self.a, self.n = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.g, self.l = nn.GroupNorm(2, 4), nn.LayerNorm(5)
        self.t = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.b, self.rnn = nn.Bilinear(5, 5, 3), nn.GRU(9, 5, batch_first=True)

    def forward(self, x):
        h = F.gelu(self.g(self.n(self.a(x))))
        h = F.max_pool2d(self.t(h), 2, padding=1) + F.adaptive_avg_pool2d(h[:, :2], (7, 7))
        h, last = self.rnn(F.pad(h.flatten(0, 1), (1, 1), mode="reflect")[:, :3])
        h = self.l(h).reshape(x.shape[0], 6, 5)
        far = torch.cdist(h, last[0].reshape(x.shape[0], 2, 5))
        return torch.cat([self.b(h[:, 0], h[:, 1]), far.flatten(1), torch.softmax(h[:, 2], 1).log()], 1)


@case
def decomposed():
    x = torch.randn(4, 2, 6, 6, dtype=torch.float64)
    write("decomposed", Decomposed(), "mse", {"x": x}, rows(4, 20), decomposed=True)


class Windows(nn.Module):
    """Dilated pooling, unfold and fold, interpolation by cubic kernels."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 3, 3, padding=1)
        self.b = nn.Conv2d(12, 4, 1)
        self.w = nn.Parameter(torch.randn(3, 8, 5) * 0.3)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        u = F.max_pool2d(h, (3, 2), stride=(2, 1), padding=(1, 1), dilation=(2, 3), ceil_mode=True)
        v = F.max_pool1d(h.flatten(2), 4, 3, 2, dilation=5)
        w = F.max_pool3d(h.unsqueeze(1), (2, 3, 2), (1, 2, 1), (1, 1, 1), dilation=(2, 2, 3))
        c = F.unfold(h, (2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2))
        d = F.fold(c.sin(), (8, 9), (2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2))
        e = F.interpolate(d, size=(5, 11), mode="bicubic", align_corners=False)
        f = F.interpolate(h, scale_factor=1.5, mode="bicubic", align_corners=True)
        g = F.interpolate(h, size=(3, 4), mode="bicubic", antialias=True) + F.interpolate(h, (3, 4), mode="bilinear", antialias=True)
        i = F.interpolate(h, size=(6, 7), mode="nearest-exact")
        return torch.stack([part.square().flatten(1).mean(1) for part in (u, v, w, c, d, e, f, g, i)], 1)


@case
def windows():
    write("windows", Windows(), "mse", {"x": torch.randn(4, 1, 8, 9, dtype=torch.float64)}, rows(4, 9))


class Projected(nn.Module):
    """LSTMs whose states are projected."""

    def __init__(self):
        super().__init__()
        self.a = nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2)
        self.b = nn.LSTM(4, 4, batch_first=True, proj_size=3, bias=False)

    def forward(self, x):
        h, (last, cell) = self.a(x.transpose(0, 1))
        start = (torch.tanh(h[:1, :, :3]), torch.tanh(h[-1:]))
        h, (end, c) = self.b(h.transpose(0, 1), start)
        return torch.cat([h[:, 1], end[0], c[0], last[3], cell[2]], 1)


@case
def projected():
    write("projected", Projected(), "mse", {"x": torch.randn(4, 5, 3, dtype=torch.float64)}, rows(4, 17))


class Criteria(nn.Module):
    """PyTorch's losses, of which the sum is a sample's own loss."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 12)
        self.register_buffer("weight", torch.rand(3) + 0.5)

    def forward(self, x, y, labels):
        z = torch.tanh(self.net(x))
        own = {"reduction": "none"}
        label = labels[:, 0]
        p, q = torch.sigmoid(z[:, :3]), F.log_softmax(z[:, 3:6], 1)
        t = torch.softmax(y[:, :3], 1)
        elements = F.mse_loss(z[:, :3], y[:, :3], **own) + F.l1_loss(z[:, 1:4], y[:, :3], **own)
        elements = elements + F.huber_loss(z[:, 2:5], y[:, :3], delta=0.4, **own)
        elements = elements + F.smooth_l1_loss(z[:, 2:5], y[:, :3], beta=0.3, **own)
        elements = elements + F.binary_cross_entropy(p, t, **own) + F.kl_div(q, t, **own)
        elements = elements + F.binary_cross_entropy_with_logits(z[:, 6:9], t, pos_weight=self.weight, **own)
        rows = F.cross_entropy(z[:, :3], label, weight=self.weight, label_smoothing=0.1, **own)
        rows = rows + F.nll_loss(q, label, **own) + F.cross_entropy(z[:, 4:7], t, **own)
        pixels = F.cross_entropy(z.unflatten(1, (3, 4)), labels, ignore_index=1, **own)
        return elements.sum(1) + rows + pixels.sum(1)


@case
def criteria():
    given = {"x": rows(5, 4), "y": rows(5, 3), "labels": torch.randint(0, 3, (5, 4))}
    write("criteria", Criteria(), "output", given)


class Cells(nn.Module):
    """Single steps of recurrent layers."""

    def __init__(self):
        super().__init__()
        self.lstm, self.bare = nn.LSTMCell(3, 4), nn.LSTMCell(4, 2, bias=False)
        self.gru, self.plain = nn.GRUCell(3, 4), nn.GRUCell(4, 3, bias=False)
        self.tanh, self.relu = nn.RNNCell(3, 4), nn.RNNCell(4, 3, nonlinearity="relu", bias=False)

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], 4, dtype=x.dtype)
        g = r = torch.tanh(x[:, 0, :1]).expand(-1, 4)
        for t in range(x.shape[1]):
            h, c = self.lstm(x[:, t], (h, c))
            g, r = self.gru(x[:, t], g), self.tanh(x[:, t], r)
        low, state = self.bare(c)
        return torch.cat([h, low, state, self.plain(g), self.relu(r)], 1)


@case
def cells():
    write("cells", Cells(), "mse", {"x": torch.randn(5, 3, 3, dtype=torch.float64)}, rows(5, 14))


def bag(tokens, table, mode, padding_idx=None, weights=None, offsets=None):
    """F.embedding_bag of tokens [B, S] or of a list with offsets. PyTorch has no second derivative of it: where
    derivatives are evaluated, its sums, means and maxima are computed from each bag's rows."""
    own = F.embedding_bag(
        tokens, table, offsets, mode=mode, padding_idx=padding_idx, per_sample_weights=weights
    )
    if torch.compiler.is_exporting():
        return own
    ends = [] if offsets is None else [*offsets.tolist()[1:], len(tokens)]
    bags = tokens if offsets is None else [tokens[a:b] for a, b in zip(offsets.tolist(), ends)]
    results = []
    for place, tokens in enumerate(bags):
        kept = tokens != (padding_idx if padding_idx is None or padding_idx >= 0 else len(table) + padding_idx)
        found = table[tokens if padding_idx is None else tokens[kept]]
        if weights is not None:
            found = found * weights[place].unsqueeze(1)
        empty = not len(found)
        results.append(found.sum(0) if mode == "sum" or empty else getattr(found, "a" + mode if mode == "max" else mode)(0))
    formula = torch.stack(results)
    assert torch.allclose(formula, own, rtol=1e-14)
    return formula


class Bags(nn.Module):
    """Embeddings of bags of tokens."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.randn(7, 3)) for _ in range(3))
        self.scale = nn.Parameter(torch.randn(4))
        self.register_buffer("list", torch.tensor([1, 4, 4, 6, 0, 2]))
        self.register_buffer("offsets", torch.tensor([0, 2, 2, 5]))

    def forward(self, tokens):
        weights = (self.scale * (tokens + 1)).tanh()
        h = bag(tokens, self.a, "mean", padding_idx=2) + bag(tokens, self.b, "sum", weights=weights)
        h = h * bag(tokens, self.c, "max", padding_idx=-1) + bag(tokens, self.b, "mean").sin()
        for mode in ("sum", "mean", "max"):
            known = bag(self.list, self.a, mode, padding_idx=0 if mode == "mean" else None, offsets=self.offsets)
            h = h + torch.tanh(h @ known.T).square() @ known
        return h


@case
def bags():
    tokens = torch.tensor([[2, 2, 2, 2], [0, 2, 6, 1], [6, 6, 6, 6], [3, 3, 4, 2], [5, 1, 0, 4]])
    write("bags", Bags(), "mse", {"tokens": tokens}, rows(5, 3))


class Strided(nn.Module):
    """The largest elements so far, Kronecker's products, and views by strides."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 12) * 0.4)

    def forward(self, x):
        n = x.shape[0]
        h = x @ self.w
        up, at = h.cummax(1)
        low, place = h.unflatten(1, (3, 4)).cummin(2)
        hidden = h.masked_fill(h.detach() > 0.3, float("-inf"))
        first = hidden[:, ::2].cummax(1)[0].exp()
        flat, _ = self.w[0].cummax(0)
        k = torch.kron(torch.tanh(self.w[0, :2]), torch.tanh(self.w[:2, :3]))  # [2, 6]
        windows = torch.as_strided(h.contiguous(), (n, 4, 3), (12, 2, 2)).square().sum(2)
        below = self.w.as_strided((3, 2), (24, 5), 7)
        inner = (self.w[1:4]).as_strided((2, 3), (1, 12)).prod(0)
        a = up * (at + 1) * 0.1 + (low.sin() * (place + 1)).flatten(1)
        return torch.cat([a, first, h[:, :2] @ k, windows[:, 2:] @ below.T, h[:, :3] * inner], 1) + flat.sum()


@case
def strided():
    write("strided", Strided(), "mse", {"x": rows(5, 6)}, rows(5, 30))


class Weighted(nn.Module):
    """Weights by direction and length, by PyTorch's new and old functions, before bilinear layers and learned slopes."""

    def __init__(self):
        super().__init__()
        new, old = nn.utils.parametrizations.weight_norm, nn.utils.weight_norm
        self.table = nn.Embedding(9, 4)
        self.a, self.b = new(nn.Linear(4, 5)), old(nn.Linear(3, 5), dim=1)
        self.conv, self.out = old(nn.Conv1d(1, 3, 2)), new(nn.Linear(6, 3), dim=None)
        self.shared, self.slopes, self.bilinear = nn.PReLU(), nn.PReLU(5), nn.Bilinear(5, 5, 3)

    def forward(self, tokens, x):
        h = self.bilinear(self.slopes(self.a(self.table(tokens).mean(1))), self.shared(self.b(x)))
        return self.out(torch.tanh(self.conv(h.unsqueeze(1))).flatten(1))


@case
def weighted():
    """PyTorch's Hessian of the fused operation is not symmetric, as central differences of its gradients show. The
    reference is that of the formula, and is compared with these differences."""
    fused, places = torch._weight_norm, (torch, sys.modules["torch.nn.utils.weight_norm"])

    def formula(v, g, dim):
        return v * (g / torch.norm_except_dim(v, 2, dim))

    def derived(v, g, dim=0):
        return (fused if torch.compiler.is_exporting() else formula)(v, g, dim)

    given, y = {"tokens": torch.randint(9, (5, 4)), "x": rows(5, 3)}, torch.randint(3, (5,))
    net = Weighted()
    try:
        for place in places:
            place._weight_norm = derived
        write("weighted", net, "cross-entropy", given, y)
    finally:
        for place in places:
            place._weight_norm = fused
    compare_with_differences("weighted", net, "cross-entropy", given, y)


def compare_with_differences(name, net, kind, given, y, step=1e-5):
    """Compares the written Hessian product with a central difference of PyTorch's gradients."""
    written = load_file(FOLDER / f"{name}.safetensors")
    parameters = dict(net.named_parameters())

    def gradient(distance):
        moved = {n: (p + distance * written[f"v.{n}"]).detach().requires_grad_() for n, p in parameters.items()}
        loss = mean_loss(kind, functional_call(net, moved, tuple(given.values())), y)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(moved.values()))])

    difference = (gradient(step) - gradient(-step)) / (2 * step)
    product = torch.cat([written[f"hv.{n}"].flatten() for n in parameters])
    error = (product - difference).norm() / difference.norm()
    assert error < 1e-8, error
    print(f"{name}: the Hessian product differs by {error:.0e} from a difference of gradients")


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        torch.manual_seed(sum(map(ord, name)))
        CASES[name]()
