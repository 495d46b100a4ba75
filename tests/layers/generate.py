"""Writes the cases of this folder: derivatives of small networks that together use all layers,
computed by PyTorch in float64.

    pip install torch safetensors
    python tests/layers/generate.py

Cases have the format of tests/reference/README.md, with layers as in files of the architecture
`sequential`. A layer whose third derivative PyTorch lacks is written as a formula, whose forward
pass is checked against PyTorch's layer; all other layers are PyTorch's."""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

HERE = Path(__file__).parent
EPS = 1e-5


def agree(ours, theirs):
    assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12), (ours - theirs).abs().max()
    return ours


def pair(sides):
    return tuple(sides) if isinstance(sides, list) else (sides, sides)


def uniform(*shape, bound):
    return (torch.rand(shape) * 2 - 1) * bound


def conv_transpose2d(x, w, b, l):
    """The convolution of x, with zeros between and around its pixels, with the flipped kernel."""
    groups, stride, dilation = l.get("groups", 1), l.get("stride", 1), l.get("dilation", 1)
    padding, extra = l.get("padding", 0), l.get("output_padding", 0)
    n, c, h, width = x.shape
    spread = x.new_zeros(n, c, (h - 1) * stride + 1, (width - 1) * stride + 1)
    spread[:, :, ::stride, ::stride] = x
    border = [dilation * (k - 1) - padding for k in w.shape[2:]]
    spread = F.pad(spread, [border[1], border[1] + extra, border[0], border[0] + extra])
    flipped = w.flip(2, 3).unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    y = F.conv2d(spread, flipped, b, 1, 0, dilation, groups)
    return agree(y, F.conv_transpose2d(x, w, b, stride, padding, extra, groups, dilation))


def cell(op, l, of_input, of_state, h, c):
    """The next hidden state and cell state."""
    if op == "rnn":
        return (torch.relu if l.get("nonlinearity") == "relu" else torch.tanh)(of_input + of_state), c
    if op == "lstm":
        i, f, g, o = (of_input + of_state).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    (ri, zi, ni), (rs, zs, ns) = of_input.chunk(3, 1), of_state.chunk(3, 1)
    z = (zi + zs).sigmoid()
    return (1 - z) * (ni + (ri + rs).sigmoid() * ns).tanh() + z * h, c


class Net:
    """A network that creates its parameters in the first pass and reads `params` later."""

    def __init__(self, layers, mode):
        self.layers, self.mode = layers, mode
        self.params, self.buffers, self.declaring = {}, {}, True

    def __call__(self, x, params=None):
        self.declaring = params is None
        if params is not None:
            self.params = params
        return self.chain(x, self.layers, "")

    def chain(self, x, layers, prefix):
        for i, layer in enumerate(layers):
            x = self.layer(x, layer, f"{prefix}{i}.")
        return x

    def param(self, name, *shape, around=0.0, bound=0.7):
        if self.declaring:
            self.params[name] = around + uniform(*shape, bound=bound)
        return self.params[name]

    def linear(self, x, out, name, bias=True):
        w = self.param(name + "weight", out, x.shape[-1], bound=1.3 / math.sqrt(x.shape[-1]))
        return F.linear(x, w, self.param(name + "bias", out) if bias else None)

    def affine(self, x, l, name, axes, bias=True):
        """Scales x by the weight and adds the bias of the layer, if it has any, along the axes."""
        if not l.get("affine", True):
            return x
        shape = [x.shape[a] for a in axes]
        spread = [x.shape[a] if a in axes else 1 for a in range(x.dim())]
        x = x * self.param(name + "weight", *shape, around=1.0, bound=0.4).reshape(spread)
        return x + self.param(name + "bias", *shape).reshape(spread) if bias and l.get("bias", True) else x

    def batch_norm(self, x, l, name):
        eps, c = l.get("eps", EPS), x.shape[1]
        if self.declaring:
            self.buffers[name + "running_mean"] = uniform(c, bound=0.5)
            self.buffers[name + "running_var"] = 1.0 + uniform(c, bound=0.5)
        mean, var = self.buffers[name + "running_mean"], self.buffers[name + "running_var"]
        view = lambda t: t.reshape([1, c] + [1] * (x.dim() - 2))
        train = self.mode == "train"
        theirs = F.batch_norm(x, mean.clone(), var.clone(), training=train, eps=eps)
        if train:
            axes = [a for a in range(x.dim()) if a != 1]
            mean = x.mean(axes)
            var = ((x - view(mean)) ** 2).mean(axes)
        return self.affine(agree((x - view(mean)) / (view(var) + eps).sqrt(), theirs), l, name, [1])

    def normalise(self, x, axes, eps):
        centred = x - x.mean(axes, keepdim=True)
        return centred / ((centred**2).mean(axes, keepdim=True) + eps).sqrt()

    def attention(self, x, l, name):
        n, t, d = x.shape
        heads, bias, kind = l["heads"], l.get("bias", True), l.get("projections", "fused")
        if kind == "separate":
            q, k, v = (self.linear(x, d, f"{name}{p}_proj.", bias) for p in "qkv")
            last = "o_proj."
        elif kind == "torch":
            w = self.param(name + "in_proj_weight", 3 * d, d)
            q, k, v = F.linear(x, w, self.param(name + "in_proj_bias", 3 * d) if bias else None).chunk(3, -1)
            last = "out_proj."
        else:
            q, k, v = self.linear(x, 3 * d, name + "qkv.", bias).chunk(3, -1)
            last = "proj."
        split = lambda y: y.reshape(n, t, heads, d // heads).transpose(1, 2)
        scores = split(q) @ split(k).transpose(2, 3) / math.sqrt(d // heads)
        if l.get("causal"):
            scores = scores.masked_fill(torch.ones(t, t).triu(1).bool(), -math.inf)
        mixed = (scores.softmax(-1) @ split(v)).transpose(1, 2).reshape(n, t, d)
        y = self.linear(mixed, d, name + last, bias)
        if kind == "torch":
            module = torch.nn.MultiheadAttention(d, heads, bias=bias, batch_first=True)
            module.load_state_dict({k.removeprefix(name): p for k, p in self.params.items() if k.startswith(name)})
            agree(y, module(x, x, x, need_weights=False)[0])
        return y

    def recurrent(self, x, l, name):
        """A recurrent layer, one time step after the other; checked against PyTorch's module."""
        op, hidden, bias = l["op"], l["hidden_size"], l.get("bias", True)
        layers, both = l.get("num_layers", 1), l.get("bidirectional", False)
        rows = {"rnn": 1, "lstm": 4, "gru": 3}[op] * hidden
        y = x
        for i in range(layers):
            outputs = []
            for suffix in ["", "_reverse"] if both else [""]:
                at = f"_l{i}{suffix}"
                w_ih = self.param(f"{name}weight_ih{at}", rows, y.shape[-1])
                w_hh = self.param(f"{name}weight_hh{at}", rows, hidden)
                # Inactive ReLU units would make more groups affine than can be proved.
                around = 0.6 if l.get("nonlinearity") == "relu" else 0.0
                b_ih = self.param(f"{name}bias_ih{at}", rows, around=around) if bias else None
                b_hh = self.param(f"{name}bias_hh{at}", rows) if bias else None
                h = c = x.new_zeros(x.shape[0], hidden)
                times = list(range(x.shape[1]))
                states = {}
                for t in reversed(times) if suffix else times:
                    h, c = cell(op, l, F.linear(y[:, t], w_ih, b_ih), F.linear(h, w_hh, b_hh), h, c)
                    states[t] = h
                outputs.append(torch.stack([states[t] for t in times], 1))
            y = torch.cat(outputs, 2)
        settings = {"nonlinearity": l.get("nonlinearity", "tanh")} if op == "rnn" else {}
        module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[op]
        module = module(x.shape[2], hidden, layers, bias=bias, batch_first=True, bidirectional=both, **settings)
        module.load_state_dict({k.removeprefix(name): p for k, p in self.params.items() if k.startswith(name)})
        return agree(y, module(x)[0])

    def layer(self, x, l, name):
        op, bias = l["op"], l.get("bias", True)
        last = x.dim() - 1
        if op == "linear":
            return self.linear(x, l["out"], name, bias)
        if op in ("conv1d", "conv2d", "conv3d"):
            kernel = pair(l["kernel"]) if op == "conv2d" else (l["kernel"],) * (x.dim() - 2)
            groups, padding = l.get("groups", 1), l.get("padding", 0)
            w = self.param(name + "weight", l["out"], x.shape[1] // groups, *kernel)
            b = self.param(name + "bias", l["out"]) if bias else None
            return getattr(F, op)(x, w, b, l.get("stride", 1), padding, l.get("dilation", 1), groups)
        if op == "conv_transpose2d":
            w = self.param(name + "weight", x.shape[1], l["out"] // l.get("groups", 1), *pair(l["kernel"]))
            return conv_transpose2d(x, w, self.param(name + "bias", l["out"]) if bias else None, l)
        if op in ("batch_norm1d", "batch_norm2d"):
            return self.batch_norm(x, l, name)
        if op == "layer_norm":
            sizes = l.get("features", x.shape[-1])
            sizes = sizes if isinstance(sizes, list) else [sizes]
            axes = list(range(x.dim() - len(sizes), x.dim()))
            eps = l.get("eps", EPS)
            return self.affine(agree(self.normalise(x, axes, eps), F.layer_norm(x, sizes, eps=eps)), l, name, axes)
        if op == "rms_norm":
            eps = l.get("eps", EPS)
            y = x / ((x**2).mean(-1, keepdim=True) + eps).sqrt()
            return self.affine(agree(y, F.rms_norm(x, x.shape[-1:], eps=eps)), l, name, [last], bias=False)
        if op == "group_norm":
            eps = l.get("eps", EPS)
            y = self.normalise(x.reshape(x.shape[0], l["groups"], -1), [2], eps).reshape(x.shape)
            return self.affine(agree(y, F.group_norm(x, l["groups"], eps=eps)), l, name, [1])
        if op == "embedding":
            return F.embedding(x, self.param(name + "weight", l["num"], l["dim"]))
        if op == "positional_embedding":
            return x + self.param(name + "weight", l.get("num", x.shape[1]), x.shape[2])[: x.shape[1]]
        if op == "sinusoidal_embedding":
            t, d = x.shape[1:]
            angle = torch.arange(t)[:, None] / 1e4 ** (torch.arange(0, d, 2) / d)
            return x + torch.stack([angle.sin(), angle.cos()], 2).reshape(t, -1)[:, :d]
        if op == "patch_embed":
            p = l["patch"]
            w = self.param(name + "proj.weight", l["dim"], x.shape[1], p, p)
            y = F.conv2d(x, w, self.param(name + "proj.bias", l["dim"]) if bias else None, p)
            return y.flatten(2).transpose(1, 2)
        if op == "class_token":
            return torch.cat([self.param(name + "cls_token", 1, 1, x.shape[2]).expand(x.shape[0], 1, -1), x], 1)
        if op == "token":
            return x[:, l.get("index", 0)]
        if op == "token_mean":
            return x.mean(1)
        if op in ("rnn", "lstm", "gru"):
            return self.recurrent(x, l, name)
        if op == "attention":
            return self.attention(x, l, name)
        if op == "swiglu":
            bias = l.get("bias", False)
            gate = F.silu(self.linear(x, l["hidden"], name + "w1.", bias))
            value = self.linear(x, l["hidden"], name + "w3.", bias)
            return self.linear(gate * value, x.shape[-1], name + "w2.", bias)
        if op == "layer_scale":
            axis = l.get("axis", -1) % x.dim()
            gamma = self.param(name + "gamma", x.shape[axis])
            return x * gamma.reshape([-1 if a == axis else 1 for a in range(x.dim())])
        if op == "softmax":
            return x.softmax(l.get("axis", -1))
        if op == "log_softmax":
            return x.log_softmax(l.get("axis", -1))
        if op == "dropout":
            return x
        if op == "max_pool2d":
            stride = l.get("stride", l["kernel"])
            return F.max_pool2d(x, pair(l["kernel"]), pair(stride), pair(l.get("padding", 0)))
        if op == "avg_pool2d":
            stride, counted = l.get("stride", l["kernel"]), l.get("count_include_pad", True)
            return F.avg_pool2d(x, pair(l["kernel"]), pair(stride), pair(l.get("padding", 0)), count_include_pad=counted)
        if op in ("max_pool1d", "max_pool3d", "avg_pool1d", "avg_pool3d"):
            keys = {"padding": l.get("padding", 0), "ceil_mode": l.get("ceil_mode", False)}
            if op.startswith("avg"):
                keys["count_include_pad"] = l.get("count_include_pad", True)
            return getattr(F, op)(x, l["kernel"], l.get("stride", l["kernel"]), **keys)
        if op in ("adaptive_avg_pool1d", "adaptive_avg_pool3d"):
            return getattr(F, op)(x, l["out"])
        if op == "upsample":
            if l.get("mode", "nearest") == "nearest":
                return F.interpolate(x, scale_factor=l["scale"])
            mode = ["linear", "bilinear", "trilinear"][x.dim() - 3]
            return F.interpolate(x, scale_factor=l["scale"], mode=mode, align_corners=l.get("align_corners", False))
        if op == "adaptive_avg_pool2d":
            return F.adaptive_avg_pool2d(x, pair(l["out"]))
        if op == "adaptive_max_pool2d":
            return F.adaptive_max_pool2d(x, pair(l["out"]))
        if op == "global_avg_pool":
            return x.mean((2, 3), keepdim=True)
        if op == "flatten":
            return x.flatten(1)
        if op == "reshape":
            return x.reshape(x.shape[0], *l["shape"])
        if op == "residual":
            body = self.chain(x, l["body"], name + "body.")
            return l.get("scale", 1.0) * body + self.chain(x, l.get("shortcut", []), name + "shortcut.")
        if op == "concat":
            return torch.cat([self.chain(x, b, f"{name}branches.{i}.") for i, b in enumerate(l["branches"])], 1)
        if op == "prelu":
            w = self.param(name + "weight", l.get("num", 1), around=0.3, bound=0.2)
            view = w if l.get("num", 1) == 1 else w.reshape([1, -1] + [1] * (x.dim() - 2))
            return agree(torch.where(x > 0, x, view * x), F.prelu(x, w))
        if op == "gelu":
            if l.get("approximate") != "tanh":
                return agree(x * 0.5 * (1 + torch.erf(x / math.sqrt(2))), F.gelu(x))
            inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
            return agree(0.5 * x * (1 + inner.tanh()), F.gelu(x, approximate="tanh"))
        if op == "silu":
            return agree(x * x.sigmoid(), F.silu(x))
        if op == "mish":
            return agree(x * ((1 + x.exp()).log()).tanh(), F.mish(x))
        if op == "hardswish":
            return agree(x * (x + 3).clamp(0, 6) / 6, F.hardswish(x))
        if op == "hardsigmoid":
            return agree((x + 3).clamp(0, 6) / 6, F.hardsigmoid(x))
        if op == "hardtanh":
            return agree(x.clamp(l.get("min", -1.0), l.get("max", 1.0)), F.hardtanh(x, l.get("min", -1.0), l.get("max", 1.0)))
        if op == "relu6":
            return agree(x.clamp(0, 6), F.relu6(x))
        if op == "leaky_relu":
            return agree(torch.where(x > 0, x, l.get("slope", 0.01) * x), F.leaky_relu(x, l.get("slope", 0.01)))
        if op in ("elu", "selu"):
            alpha = 1.6732632423543772848170429916717 if op == "selu" else l.get("alpha", 1.0)
            scale = 1.0507009873554804934193349852946 if op == "selu" else 1.0
            theirs = F.selu(x) if op == "selu" else F.elu(x, alpha)
            return agree(scale * torch.where(x > 0, x, alpha * (x.clamp(max=0).exp() - 1)), theirs)
        if op == "softplus":
            beta = l.get("beta", 1.0)
            return agree((1 + (beta * x).exp()).log() / beta, F.softplus(x, beta))
        if op == "identity":
            return x
        return {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[op](x)


def loss_of(z, y, case):
    if case["loss"] == "cross_entropy":
        settings = {"label_smoothing": case.get("label_smoothing", 0.0), "ignore_index": case.get("ignore_index", -100)}
        return F.cross_entropy(z.flatten(0, -2), y.flatten(), **settings)
    return F.mse_loss(z, y) if case["loss"] == "mse" else F.binary_cross_entropy_with_logits(z, y)


def dense(gradient, inputs):
    rows = [torch.autograd.grad(g, inputs, retain_graph=True, allow_unused=True) for g in gradient]
    flat = lambda row: torch.cat([torch.zeros_like(p).flatten() if r is None else r.flatten() for r, p in zip(row, inputs)])
    return torch.stack([flat(row) for row in rows])


def write(name, layers, x, y, loss, mode="eval", **extra):
    case = {"name": name, "loss": loss, "mode": mode, "dtype": "f64"} | extra
    net = Net(layers, mode)
    logits = net(x)
    if y is None:
        y = torch.rand_like(logits).detach()
    names = list(net.params)
    params = [net.params[n].detach().requires_grad_() for n in names]
    v = [uniform(*p.shape, bound=1.0) for p in params]
    logits = net(x, dict(zip(names, params)))
    mean = loss_of(logits, y, case)
    unflat = lambda flat: [t.reshape(p.shape) for t, p in zip(flat.split([p.numel() for p in params]), params)]
    grad = torch.autograd.grad(mean, params, create_graph=True)
    hv = torch.autograd.grad(sum((g * d).sum() for g, d in zip(grad, v)), params, create_graph=True)
    vhv = sum((h * d).sum() for h, d in zip(hv, v))
    vhv_grad = torch.autograd.grad(vhv, params, retain_graph=True, allow_unused=True)
    vhv_grad = [torch.zeros_like(p) if g is None else g for g, p in zip(vhv_grad, params)]
    hessian = dense(torch.cat([g.flatten() for g in grad]), params)
    z = logits.detach().requires_grad_()
    slope = torch.autograd.grad(loss_of(z, y, case), z, create_graph=True)[0]
    out = dense(slope.flatten(), [z])
    jacobian = dense(logits.flatten(), params)
    ggn = jacobian.T @ out @ jacobian
    flat_v = torch.cat([d.flatten() for d in v])
    agree(hessian @ flat_v, torch.cat([h.flatten() for h in hv]).detach())

    blocks = dict(zip(names, [(s, s + p.numel()) for s, p in zip([0] + torch.tensor([p.numel() for p in params]).cumsum(0).tolist(), params)]))
    block = lambda m, n: m[slice(*blocks[n]), slice(*blocks[n])]
    scale = hessian.abs().max()
    same = {n: bool((block(hessian, n) - block(ggn, n)).abs().max() <= 1e-12 * scale) for n in names}
    zero = [n for n in names if block(hessian, n).abs().max() <= 1e-12 * scale]
    eigenvalues = lambda m: torch.linalg.eigvalsh((m + m.T) / 2)
    tensors = {"x": x, "y": y, "logits": logits, "loss": mean, "vhv": vhv}
    for prefix, values in [("param", params), ("v", v), ("grad", grad), ("hv", hv), ("vhv_grad", vhv_grad), ("ggnv", unflat(ggn @ flat_v))]:
        tensors |= {f"{prefix}.{n}": t for n, t in zip(names, values)}
    tensors |= {f"buffer.{n}": t for n, t in net.buffers.items()}
    tensors |= {"hessian_eigenvalues": eigenvalues(hessian), "ggn_eigenvalues": eigenvalues(ggn)}
    tensors |= {f"block_eigenvalues.{n}": eigenvalues(block(hessian, n)) for n in names}
    tensors |= {f"block_trace.{n}": block(hessian, n).trace() for n in names}
    save_file({k: t.detach().clone().contiguous() for k, t in tensors.items()}, HERE / f"{name}.safetensors")
    case |= {
        "parameters": {n: list(p.shape) for n, p in zip(names, params)},
        "num_parameters": sum(p.numel() for p in params),
        "block_hessian_equals_block_ggn": same,
        "block_is_zero": zero,
        "layers": layers,
    }
    (HERE / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n")
    print(f"{name:24} {case['num_parameters']:4} parameters, loss {mean.item():.4f}, affine in {sum(same.values())} of {len(same)}, zero {zero}")


def op(name, **keys):
    return {"op": name} | keys


def labels(*shape, classes, ignored=0.0):
    y = torch.randint(classes, shape)
    return torch.where(torch.rand(shape) < ignored, torch.full_like(y, -100), y)


def cases():
    cross_entropy = "cross_entropy"
    write("residual_train", [
        op("conv2d", **{"in": 1}, out=3, kernel=3, padding=1, bias=False), op("batch_norm2d", features=3), op("relu"),
        op("residual", scale=0.5, body=[
            op("conv2d", **{"in": 3}, out=4, kernel=3, stride=2, padding=1, bias=False), op("batch_norm2d", features=4), op("silu"),
            op("conv2d", **{"in": 4}, out=4, kernel=3, padding=1, bias=False), op("batch_norm2d", features=4, eps=1e-3),
        ], shortcut=[op("conv2d", **{"in": 3}, out=4, kernel=1, stride=2, bias=False), op("batch_norm2d", affine=False)]),
        op("relu"), op("global_avg_pool"), op("flatten"), op("linear", out=3), op("batch_norm1d"), op("tanh"), op("linear", out=3),
    ], torch.randn(5, 1, 5, 5), labels(5, classes=3), cross_entropy, mode="train", label_smoothing=0.1)
    write("gpt_tokens", [
        op("embedding", num=7, dim=6), op("positional_embedding", num=8),
        op("residual", body=[op("layer_norm", bias=False), op("attention", heads=2, causal=True, bias=False, projections="separate")]),
        op("residual", scale=0.5, body=[op("rms_norm"), op("swiglu", hidden=5)]),
        op("rms_norm", eps=1e-3, affine=False), op("linear", out=7, bias=False),
    ], torch.randint(7, (3, 5)), labels(3, 5, classes=7, ignored=0.3), cross_entropy, label_smoothing=0.1, ignore_index=-100)
    write("patches_mean", [
        op("patch_embed", **{"in": 1}, dim=6, patch=2), op("positional_embedding"),
        op("residual", body=[op("layer_norm", features=6), op("attention", dim=6, heads=3, projections="torch")]),
        op("residual", body=[op("linear", out=5), op("gelu", approximate="tanh"), op("linear", out=6)]),
        op("token_mean"), op("linear", out=3),
    ], torch.randn(4, 1, 4, 6), labels(4, classes=3), cross_entropy)
    write("class_token", [
        op("patch_embed", dim=5, patch=3, bias=False), op("class_token"), op("sinusoidal_embedding"), op("dropout", p=0.3),
        op("residual", body=[op("attention", heads=1, bias=False), op("layer_scale", init=0.1)]),
        op("token"), op("linear", out=4),
    ], torch.randn(3, 2, 3, 6), labels(3, classes=4), cross_entropy, label_smoothing=0.2)
    write("causal_mse_tokens", [
        op("linear", out=4), op("attention", heads=2, causal=True), op("softmax", axis=1), op("linear", out=2),
    ], torch.randn(3, 4, 3), None, "mse")
    write("decoder", [
        op("linear", out=8), op("tanh"), op("reshape", shape=[2, 2, 2]),
        op("conv_transpose2d", **{"in": 2}, out=4, kernel=3, stride=2, padding=1, output_padding=1), op("relu"),
        op("conv_transpose2d", out=2, kernel=[2, 3], groups=2, dilation=2, padding=1, bias=False), op("flatten"),
    ], torch.randn(4, 3), None, "mse")
    write("swiglu", [
        op("linear", out=6), op("rms_norm", features=6), op("swiglu", dim=6, hidden=7, bias=True), op("layer_scale"), op("linear", out=3),
    ], torch.randn(5, 4), labels(5, classes=3), cross_entropy)
    write("depthwise", [
        op("conv2d", **{"in": 2}, out=4, kernel=3, stride=2, padding=1), op("hardswish"),
        op("conv2d", **{"in": 4}, out=8, kernel=3, groups=4, dilation=2, padding=[2, 1], bias=False), op("batch_norm2d", affine=False), op("relu6"),
        op("conv2d", out=3, kernel=1), op("hardsigmoid"), op("adaptive_avg_pool2d", out=[2, 1]), op("flatten"), op("linear", out=3),
    ], torch.randn(4, 2, 7, 9), labels(4, classes=3), cross_entropy)
    write("odd_convolutions", [
        op("conv2d", **{"in": 4}, out=6, kernel=[3, 1], padding=[1, 0], groups=2, stride=2), op("prelu", num=6),
        op("conv2d", out=4, kernel=[1, 3], padding=[0, 2], dilation=2, groups=2), op("group_norm", groups=2, affine=False), op("prelu"),
        op("max_pool2d", kernel=[2, 3], stride=[1, 2], padding=1), op("avg_pool2d", kernel=2, stride=1, padding=1, count_include_pad=False),
        op("adaptive_max_pool2d", out=2), op("flatten"), op("linear", out=3),
    ], torch.randn(4, 4, 9, 7), labels(4, classes=3), cross_entropy, label_smoothing=0.05)
    write("adaptive_pool", [
        op("conv2d", out=3, kernel=2), op("relu"), op("adaptive_avg_pool2d", out=[3, 2]), op("conv2d", out=2, kernel=2), op("hardtanh", min=-0.5, max=1.5),
        op("adaptive_avg_pool2d", out=3), op("flatten"), op("linear", out=3),
    ], torch.randn(4, 1, 6, 5), labels(4, classes=3), cross_entropy)
    write("activations", [
        op("linear", out=5), op("leaky_relu", slope=0.2), op("linear", out=5), op("elu", alpha=0.7), op("linear", out=5), op("softplus", beta=2.0),
        op("linear", out=5), op("mish"), op("linear", out=5), op("selu"), op("linear", out=5), op("hardtanh"), op("identity"), op("linear", out=2),
    ], torch.randn(5, 4), None, "bce_with_logits")
    write("sequence", [
        op("conv1d", **{"in": 2}, out=4, kernel=3, stride=2, padding=2, dilation=2), op("layer_norm", features=[4, 4]), op("silu"),
        op("conv1d", out=4, kernel=2, groups=4, bias=False), op("log_softmax", axis=1), op("flatten"), op("linear", out=3),
    ], torch.randn(4, 2, 7), labels(4, classes=3), cross_entropy)
    write("rnn", [op("rnn", hidden_size=3), op("token", index=-1), op("linear", out=3)], torch.randn(4, 5, 2), labels(4, classes=3), cross_entropy)
    write("rnn_relu", [
        op("rnn", input_size=2, hidden_size=3, nonlinearity="relu", num_layers=2, bidirectional=True), op("token_mean"), op("linear", out=3),
    ], torch.randn(5, 6, 2), labels(5, classes=3), cross_entropy)
    write("lstm", [op("lstm", hidden_size=2, batch_first=True), op("token", index=-1), op("linear", out=3)], torch.randn(4, 5, 3), labels(4, classes=3), cross_entropy)
    write("lstm_layers", [
        op("lstm", hidden_size=2, num_layers=2, bidirectional=True, bias=False), op("token", index=-2), op("linear", out=2),
    ], torch.randn(3, 4, 2), None, "mse")
    write("gru_tokens", [op("embedding", num=5, dim=2), op("gru", hidden_size=3), op("linear", out=5)], torch.randint(5, (3, 4)), labels(3, 4, classes=5, ignored=0.2), cross_entropy, ignore_index=-100)
    write("gru_layers", [
        op("gru", hidden_size=2, bidirectional=True), op("gru", hidden_size=2, bias=False), op("flatten"), op("linear", out=2),
    ], torch.randn(3, 3, 2), None, "bce_with_logits")
    write("volumes", [
        op("conv3d", **{"in": 1}, out=2, kernel=3, padding=1, stride=2, bias=False), op("tanh"), op("upsample", scale=2, mode="linear"),
        op("conv3d", out=4, kernel=2, groups=2, dilation=2), op("silu"), op("max_pool3d", kernel=2, ceil_mode=True),
        op("upsample", scale=3), op("avg_pool3d", kernel=3, stride=2, padding=1, count_include_pad=False), op("adaptive_avg_pool3d", out=2),
        op("flatten"), op("linear", out=2),
    ], torch.randn(4, 1, 5, 4, 6), labels(4, classes=2), cross_entropy)
    write("sequence_pools", [
        op("conv1d", **{"in": 2}, out=3, kernel=2), op("max_pool1d", kernel=3, stride=2, padding=1, ceil_mode=True), op("mish"),
        op("upsample", scale=3, mode="linear", align_corners=True), op("avg_pool1d", kernel=3, stride=2, padding=1, ceil_mode=True),
        op("adaptive_avg_pool1d", out=3), op("flatten"), op("linear", out=3),
    ], torch.randn(4, 2, 9), labels(4, classes=3), cross_entropy)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    cases()
