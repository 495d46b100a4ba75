"""Writes the networks of this folder: python generate.py [NAME]...

Needs torch 2.15, timm, transformers and safetensors. The networks are small versions of
architectures in common use. xtask/coverage writes those whose names begin with a library's name.
"""

import sys

import torch
import torch.nn.functional as F
from recipe import write
from torch import nn

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def settled(module):
    """Replaces constant initial parameters and running statistics by random numbers, as if the
    module had been trained."""
    for name, tensor in list(module.named_parameters()) + list(module.named_buffers()):
        if name.endswith("running_var"):
            tensor.data.uniform_(0.5, 1.5)
        elif name.endswith("running_mean") or (name.endswith("bias") and tensor.dtype.is_floating_point):
            tensor.data.normal_(0, 0.3)
        elif tensor.dim() == 1 and name.endswith("weight"):
            tensor.data.uniform_(0.5, 1.5)
    return module


def labels(samples, classes, *rest):
    return torch.randint(classes, (samples, *rest))


def images(samples, *shape):
    return {"x": torch.randn(samples, *shape, dtype=torch.float64)}


def tokens(samples, length, vocabulary):
    return torch.randint(3, vocabulary, (samples, length))


@case
def mixer():
    from timm.models.mlp_mixer import MlpMixer

    net = MlpMixer(num_classes=4, img_size=16, patch_size=8, num_blocks=2, embed_dim=6)
    write("mixer", settled(net), "cross-entropy", images(5, 3, 16, 16), labels(5, 4))


@case
def convnext():
    from timm.models.convnext import ConvNeXt

    net = ConvNeXt(num_classes=3, depths=(1, 1, 1, 1), dims=(4, 4, 6, 6), ls_init_value=0.5)
    write("convnext", settled(net), "cross-entropy", images(4, 3, 32, 32), labels(4, 3))


@case
def shufflenet():
    from torchvision.models.shufflenetv2 import ShuffleNetV2

    net = ShuffleNetV2([1, 1, 1], [4, 6, 8, 10, 12], num_classes=3)
    write("shufflenet", settled(net), "cross-entropy", images(4, 3, 32, 32), labels(4, 3))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        s = self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)), inplace=True))
        return x * (torch.clamp(s + 3, 0, 6) / 6)


@case
def mobilenet():
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.Hardswish(inplace=True),
        nn.Conv2d(6, 6, 3, 1, 1, groups=6, bias=False), nn.BatchNorm2d(6), nn.ReLU6(inplace=True),
        SqueezeExcite(6), nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8), nn.SiLU(inplace=True),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2, inplace=True), nn.Linear(32, 4),
    )
    write("mobilenet", settled(net), "cross-entropy", images(5, 3, 8, 8), labels(5, 4))


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv3d(1, 4, (3, 2, 3), stride=(1, 2, 1), padding=(1, 0, 1))
        self.n = nn.BatchNorm3d(4)
        self.b = nn.Conv3d(4, 4, 3, padding=2, dilation=2, groups=2)
        self.up = nn.ConvTranspose3d(4, 3, 2, stride=(2, 1, 2), output_padding=(1, 0, 0), padding=(0, 1, 0))
        self.out = nn.Linear(3, 3)

    def forward(self, x):
        x = F.max_pool3d(F.relu(self.n(self.a(x))), 2, ceil_mode=True)
        x = F.avg_pool3d(torch.tanh(self.b(x)), (1, 2, 2), stride=1, count_include_pad=False, padding=(0, 1, 1))
        x = F.interpolate(self.up(x), scale_factor=2, mode="trilinear")
        return self.out(F.adaptive_avg_pool3d(x, (1, 1, 1)).flatten(1))


@case
def volume():
    write("volume", settled(Volume()), "cross-entropy", images(4, 1, 4, 6, 5), labels(4, 3))


class Plane(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2))
        self.b = nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect")
        self.g, self.i = nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True)
        self.up = nn.ConvTranspose2d(4, 3, (3, 2), stride=(2, 1), padding=(1, 0), output_padding=(1, 0), dilation=1)
        self.pool = nn.AdaptiveMaxPool2d((3, 2))

    def forward(self, x):
        x = F.leaky_relu(self.g(self.a(x)), 0.2)
        x = F.max_pool2d(F.pad(self.i(self.b(x)), (1, 0, 0, 1), value=-1.0), 3, 2, 1, ceil_mode=True)
        x = F.avg_pool2d(F.elu(x), 2, 1, ceil_mode=True)
        x = F.interpolate(x, size=(7, 5), mode="bilinear", align_corners=True)
        x = F.interpolate(self.up(F.mish(x)), scale_factor=1.5, mode="nearest")
        return F.pixel_shuffle(torch.cat([x, x[:, :1] * 2], 1), 2)[:, :, ::2].mean((1, 2))[:, :5]


@case
def plane():
    write("plane", settled(Plane()), "cross-entropy", images(4, 2, 9, 8), labels(4, 5))


class Odds(nn.Module):
    """Rare operations, and operations in place."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 6) * 0.4)
        self.s = nn.Parameter(torch.rand(6) + 0.5)
        self.register_buffer("table", torch.randn(4, 6))
        self.register_buffer("scale", torch.tensor(0.7), persistent=False)

    def forward(self, x):
        h = x @ self.w + self.table[torch.tensor([0, 3, 1])].sum(0) * self.scale
        a = torch.sin(h) * torch.cos(h).pow(3) + torch.erf(h) - torch.rsqrt(h * h + 1)
        b = torch.where(h > 0.1, h.abs().clamp(max=1.5), torch.log1p(torch.exp(-h)))
        c = torch.maximum(a, b).cumsum(1).roll(2, 1) - torch.minimum(a, b.flip(1))
        d = F.normalize(c, dim=1) + torch.einsum("bi,bj->bij", c, self.s.expand(x.shape[0], -1)).logsumexp(2)
        e = torch.stack(d.chunk(3, 1), 1).amax(2).repeat_interleave(2, 1)
        f = d.clone()
        f[:, 1:3] = e[:, :2]
        f[:, 0] *= 2
        v, m = torch.var_mean(f, 1, keepdim=True)
        g = (f - m) / (v + 1e-3).sqrt() + c.std(1, keepdim=True) + F.softplus(c) + F.glu(torch.cat([c, d], 1))
        g = g.masked_fill(torch.eye(6, dtype=torch.bool)[0], 0.5).unflatten(1, (2, 3)).transpose(1, 2).flatten(1)
        return torch.addcmul(g, c, d, value=0.1).gather(1, torch.tensor([[0, 2, 2, 5]]).expand(x.shape[0], -1))


@case
def odds():
    write("odds", Odds(), "mse", images(5, 6), torch.randn(5, 4, dtype=torch.float64))


class Tied(nn.Module):
    """An output layer tied to the embedding, a layer that is called twice, a frozen layer, and two
    inputs."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(11, 6, padding_idx=1)
        self.body = nn.Linear(6, 6)
        self.fixed = nn.Linear(6, 6).requires_grad_(False)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, tokens, weights):
        h = torch.tanh(self.body(self.wte(tokens)))
        h = torch.tanh(self.body(h * weights.unsqueeze(-1))) + self.fixed(h)
        return self.head(h)


@case
def tied():
    given = {"tokens": torch.randint(0, 11, (5, 4)), "weights": torch.rand(5, 4, dtype=torch.float64)}
    write("tied", Tied(), "tokens", given, labels(5, 11, 4))


class Logits(nn.Module):
    def __init__(self, net, **kwargs):
        super().__init__()
        self.net, self.kwargs = net, kwargs

    def forward(self, input_ids):
        return self.net(input_ids, use_cache=False, **self.kwargs).logits


class Recurrent(nn.Module):
    """A bidirectional GRU, an LSTM, and an RNN that starts from the final states of the LSTM."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 4, num_layers=2, bidirectional=True, dropout=0.3)
        self.lstm = nn.LSTM(8, 3, batch_first=True, bias=False)
        self.rnn = nn.RNN(3, 3, batch_first=True)
        self.out = nn.Linear(9, 4)

    def forward(self, x):
        h, _ = self.gru(x.transpose(0, 1))
        h, (last, cell) = self.lstm(h.transpose(0, 1))
        h, end = self.rnn(h, last * cell.tanh())
        return self.out(torch.cat([h[:, -1], end[0], cell[0]], 1))


@case
def recurrent():
    write("recurrent", Recurrent(), "cross-entropy", images(4, 6, 3), labels(4, 4))


@case
def gpt_neox():
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=13, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
        rotary_pct=0.5, max_position_embeddings=16, attn_implementation="eager",
    )
    net = Logits(settled(GPTNeoXForCausalLM(config)))
    write("gpt_neox", net, "tokens", {"input_ids": tokens(4, 5, 13)}, labels(4, 13, 5))


@case
def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=13, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=12, max_position_embeddings=16, attn_implementation="sdpa",
    )
    net = Logits(settled(LlamaForCausalLM(config)))
    write("llama", net, "tokens", {"input_ids": tokens(4, 5, 13)}, labels(4, 13, 5))


class Encoded(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.head = net, nn.Linear(8, 3)

    def forward(self, input_ids):
        mask = (input_ids != 0).long()
        hidden = self.net(input_ids=input_ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return self.head((hidden * weights).sum(1) / weights.sum(1))


def padded_tokens(samples, length, vocabulary):
    ids = tokens(samples, length, vocabulary)
    for row, end in enumerate(torch.randint(length // 2, length + 1, (samples,))):
        ids[row, end:] = 0
    return ids


@case
def t5():
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=13, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, relative_attention_num_buckets=8,
        relative_attention_max_distance=10, feed_forward_proj="gated-gelu",
    )
    net = Encoded(settled(T5EncoderModel(config)))
    write("t5", net, "cross-entropy", {"input_ids": padded_tokens(4, 6, 13)}, labels(4, 3))


@case
def bert():
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=13, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=16,
    )
    net = Encoded(settled(BertModel(config, add_pooling_layer=False)))
    write("bert", net, "cross-entropy", {"input_ids": padded_tokens(4, 6, 13)}, labels(4, 3))


class Fixed(nn.Module):
    """Shapes with the number of samples, a constant in an export with static shapes."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.proj, self.out = nn.Linear(6, 4), nn.Linear(8, 3)

    def forward(self, x):
        h = self.proj(x.reshape(x.shape[0] * 2, 6)).view(x.shape[0], 2, 4)
        h = torch.cat([self.token.expand(x.shape[0], -1, -1), h], 1)
        h = h * torch.ones(x.shape[0], 3, 1) + torch.arange(3).view(1, 3, 1)
        return self.out(torch.tanh(h[:, 1:]).reshape(x.shape[0], -1))


@case
def fixed():
    write("fixed", Fixed(), "cross-entropy", images(5, 12), labels(5, 3), fixed=True)


@case
def trained():
    """Exported in train mode, and measured in eval mode."""
    net = nn.Sequential(
        nn.Conv1d(2, 4, 3, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.AvgPool1d(2),
        nn.Flatten(), nn.Linear(12, 3),
    )
    write("trained", settled(net), "cross-entropy", images(5, 2, 8), labels(5, 3), train=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        torch.manual_seed(sum(map(ord, name)))
        CASES[name]()
