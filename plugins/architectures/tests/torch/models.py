"""The architectures in PyTorch, with the parameter names of the published modules (see the files in
`src/`)."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class LeNet(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        side = ((shape[1] - 4) // 2 - 4) // 2
        self.conv1, self.conv2 = nn.Conv2d(shape[0], 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * side**2, 120), nn.Linear(120, 84), nn.Linear(84, outputs)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class SimpleMnist(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        height, width = ((side // 2 - 2) // 2 for side in shape[1:])
        self.conv1, self.conv2 = nn.Conv2d(shape[0], 32, 3, padding=1), nn.Conv2d(32, 64, 3)
        self.lin3, self.lin4 = nn.Linear(64 * height * width, 128), nn.Linear(128, outputs)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.lin4(F.relu(self.lin3(x.flatten(1))))


class Mlp(nn.Sequential):
    def __init__(self, shape, outputs, widths):
        sizes = [math.prod(shape), *widths]
        hidden = [[nn.Linear(a, b), nn.ReLU()] for a, b in zip(sizes, sizes[1:])]
        super().__init__(*sum(hidden, []), nn.Linear(sizes[-1], outputs))

    def forward(self, x):
        return super().forward(x.flatten(1))


class FullyConnectedBlock(nn.Module):
    def __init__(self, width, skip):
        super().__init__()
        self.skip = skip
        self.lin = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x):
        y = F.relu(self.lin(x))
        return x + y if self.skip else y


class FullyConnected(nn.Module):
    def __init__(self, shape, outputs, blocks, width=500, skip=False):
        super().__init__()
        self.layers = nn.Sequential()
        self.layers.add_module("init", nn.Linear(math.prod(shape), width))
        for i in range(blocks):
            self.layers.add_module(f"hidden{i}", FullyConnectedBlock(width, skip))
        self.layers.add_module("last", nn.Linear(width, outputs))

    def forward(self, x):
        return self.layers(x.flatten(1))


class Vgg(nn.Module):
    def __init__(self, shape, outputs, counts, norm):
        super().__init__()
        layers, channels = [], shape[0]
        for count, width in zip(counts, [64, 128, 256, 512, 512]):
            for _ in range(count):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if norm else []
                layers.append(nn.ReLU())
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        # The Identity is in the place of torchvision's Dropout.
        pair = (lambda: [nn.BatchNorm1d(4096), nn.ReLU()]) if norm else (lambda: [nn.ReLU(), nn.Identity()])
        self.classifier = nn.Sequential(
            nn.Linear(512 * (shape[1] // 32) ** 2, 4096, bias=not norm),
            *pair(),
            nn.Linear(4096, 4096, bias=not norm),
            *pair(),
            nn.Linear(4096, outputs),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Residual(nn.Module):
    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        if bottleneck:
            convolutions = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)]
        else:
            convolutions = [(width, 3, stride), (width, 3, 1)]
        self.count, inputs = len(convolutions), channels
        for i, (outputs, kernel, step) in enumerate(convolutions, 1):
            setattr(self, f"conv{i}", nn.Conv2d(inputs, outputs, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.downsample = nn.Identity()
        if stride != 1 or channels != inputs:
            self.downsample = nn.Sequential(nn.Conv2d(channels, inputs, 1, stride, bias=False), nn.BatchNorm2d(inputs))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.count else y
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self, shape, outputs, bottleneck, depths):
        super().__init__()
        self.large = max(shape[1:]) >= 64
        stem = (7, 2, 3) if self.large else (3, 1, 1)
        self.conv1, self.bn1 = nn.Conv2d(shape[0], 64, *stem, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for stage, depth in enumerate(depths):
            blocks, width = [], 64 << stage
            for i in range(depth):
                blocks.append(Residual(channels, width, 2 if stage > 0 and i == 0 else 1, bottleneck))
                channels = 4 * width if bottleneck else width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, outputs)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, 1) if self.large else x
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class NormReluConv(nn.Module):
    def __init__(self, channels, outputs, kernel):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, outputs, kernel, padding=kernel // 2, bias=False)

    def forward(self, x):
        return self.conv1(F.relu(self.bn1(x)))


class DenseBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Sequential(*[NormReluConv(channels + 12 * i, 12, 3) for i in range(12)])

    def forward(self, x):
        for layer in self.layer:
            x = torch.cat([x, layer(x)], 1)
        return x


class DenseNet(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 24, 3, padding=1, bias=False)
        self.block1, self.trans1 = DenseBlock(24), NormReluConv(168, 168, 1)
        self.block2, self.trans2 = DenseBlock(168), NormReluConv(312, 312, 1)
        self.block3, self.bn1 = DenseBlock(312), nn.BatchNorm2d(456)
        self.fc = nn.Linear(456, outputs)

    def forward(self, x):
        x = F.avg_pool2d(self.trans1(self.block1(self.conv1(x))), 2)
        x = F.avg_pool2d(self.trans2(self.block2(x)), 2)
        return self.fc(F.relu(self.bn1(self.block3(x))).mean((2, 3)))


class Separable(nn.Module):
    def __init__(self, channels, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, outputs, 1, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class MobileNet(nn.Module):
    def __init__(self, shape, outputs):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(shape[0], 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        widths = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
        strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
        self.layers = nn.Sequential(*[Separable(*sizes) for sizes in zip(widths, widths[1:], strides)])
        self.linear = nn.Linear(1024, outputs)

    def forward(self, x):
        return self.linear(self.layers(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def attend(qkv, heads, causal):
    """Self-attention from queries, keys and values [N, T, 3D]."""
    samples, tokens, width = qkv.shape
    q, k, v = (part.reshape(samples, tokens, heads, -1).transpose(1, 2) for part in qkv.chunk(3, 2))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return mixed.transpose(1, 2).reshape(samples, tokens, width // 3)


class VitAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        return self.proj(attend(self.qkv(x), self.heads, causal=False))


class VitBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), VitAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, shape, outputs, width, heads, patch=None):
        super().__init__()
        patch = patch or (4 if max(shape[1:]) < 64 else 16)
        count = shape[1] // patch * (shape[2] // patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + count, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(shape[0], width, patch, patch)})
        self.blocks = nn.Sequential(*[VitBlock(width, heads) for _ in range(12)])
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, outputs)

    def forward(self, x):
        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class GptAttention(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width, bias), nn.Linear(width, width, bias)

    def forward(self, x):
        return self.c_proj(attend(self.c_attn(x), self.heads, causal=True))


class GptBlock(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width, bias=bias), GptAttention(width, heads, bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        hidden = {"c_fc": nn.Linear(width, 4 * width, bias), "c_proj": nn.Linear(4 * width, width, bias)}
        self.mlp = nn.ModuleDict(hidden)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp.c_proj(F.gelu(self.mlp.c_fc(self.ln_2(x))))


class Gpt(nn.Module):
    def __init__(self, shape, outputs, n_layer=12, n_head=12, n_embd=768, block_size=None, bias=True):
        super().__init__()
        parts = {
            "wte": nn.Embedding(outputs, n_embd),
            "wpe": nn.Embedding(block_size or shape[0], n_embd),
            "h": nn.ModuleList([GptBlock(n_embd, n_head, bias) for _ in range(n_layer)]),
            "ln_f": nn.LayerNorm(n_embd, bias=bias),
        }
        self.transformer = nn.ModuleDict(parts)
        self.lm_head = nn.Linear(n_embd, outputs, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, x):
        y = self.transformer.wte(x.long()) + self.transformer.wpe.weight[: x.shape[1]]
        for block in self.transformer.h:
            y = block(y)
        return self.lm_head(self.transformer.ln_f(y))


VGG = {11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}
RESNET = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}

MODELS = {
    "mlp": Mlp,
    "lenet": LeNet,
    "simple-mnist": SimpleMnist,
    "densenet3-40": DenseNet,
    "mobilenet": MobileNet,
    "vit-tiny": lambda *sizes, **settings: Vit(*sizes, 192, 3, **settings),
    "vit-small": lambda *sizes, **settings: Vit(*sizes, 384, 6, **settings),
    "gpt": Gpt,
}
for name, blocks in [("3", 1), ("5", 2), ("8", 3)]:
    MODELS[f"fully-connected-{name}"] = lambda *sizes, blocks=blocks, **settings: FullyConnected(*sizes, blocks, **settings)
for depth, counts in VGG.items():
    MODELS[f"vgg{depth}"] = lambda *sizes, counts=counts: Vgg(*sizes, counts, norm=False)
    MODELS[f"vgg{depth}_bn"] = lambda *sizes, counts=counts: Vgg(*sizes, counts, norm=True)
for depth, depths in RESNET.items():
    MODELS[f"resnet{depth}"] = lambda *sizes, depth=depth, depths=depths: ResNet(*sizes, depth >= 50, depths)
