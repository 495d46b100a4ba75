"""Every classifier of torchvision (`list_models(module=torchvision.models)`), with few channels and small images."""

import torchvision.models as tv
from model import CLASSES, Model, images
from thin import thin
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.maxvit import MaxVit
from torchvision.models.swin_transformer import PatchMerging, PatchMergingV2, SwinTransformer, SwinTransformerBlock, SwinTransformerBlockV2
from torchvision.models.vision_transformer import VisionTransformer

# By name or its beginning: what numbers of channels are divided by, the side of an image, and
# options.
THIN = {
    "alexnet": (16, 64, {}),
    "densenet": (8, 32, {}),
    "efficientnet": (8, 64, {}),
    "googlenet": (8, 64, {"aux_logits": False, "init_weights": False}),
    "inception_v3": (8, 75, {"aux_logits": False, "init_weights": False}),
    "mnasnet": (8, 64, {}),
    "mobilenet": (8, 64, {}),
    "regnet": (8, 32, {}),
    "regnet_x_32gf": (24, 32, {}),
    "regnet_y_16gf": (16, 32, {}),
    "regnet_y_32gf": (29, 32, {}),
    "regnet_y_128gf": (24, 32, {}),
    "resnet": (8, 64, {}),
    "resnext": (8, 64, {}),
    "shufflenet": (1, 64, {}),
    "squeezenet": (8, 64, {}),
    "vgg": (16, 32, {}),
    "wide_resnet": (8, 64, {}),
}

# Blocks and channels by stage, the channels divided by 16.
CONVNEXT = {
    "convnext_tiny": ((3, 3, 9, 3), (6, 12, 24, 48)),
    "convnext_small": ((3, 3, 27, 3), (6, 12, 24, 48)),
    "convnext_base": ((3, 3, 27, 3), (8, 16, 32, 64)),
    "convnext_large": ((3, 3, 27, 3), (12, 24, 48, 96)),
}

# Channels, blocks and heads by stage; the channels divided by 8.
SWIN = {
    "swin_t": (12, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_s": (12, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_b": (16, (2, 2, 18, 2), (4, 8, 16, 32)),
}

# Patch, layers, heads and channels; the channels divided by 16.
VIT = {
    "vit_b_16": (16, 12, 12, 48),
    "vit_b_32": (32, 12, 12, 48),
    "vit_l_16": (16, 24, 16, 64),
    "vit_l_32": (32, 24, 16, 64),
    "vit_h_14": (14, 32, 16, 80),
}


def thinned(name):
    beginning = max((key for key in THIN if name.startswith(key)), key=len)
    return thinner(name, *THIN[beginning])


def thinner(name, factor, size, options):
    def make():
        with thin(factor):
            return tv.get_model(name, weights=None, num_classes=CLASSES, **options)

    return make, size


def convnext(name):
    blocks, channels = CONVNEXT[name]
    stages = [CNBlockConfig(c, following, n) for c, following, n in zip(channels, channels[1:] + (None,), blocks)]
    return lambda: ConvNeXt(stages, num_classes=CLASSES), 64


def swin(name):
    channels, blocks, heads = SWIN[name.replace("_v2", "")]
    second = "_v2" in name
    # Windows of 4 need padding in the last stage. The second version divides by the norms of the
    # padding, which are 0: PyTorch's Hv is NaN.
    window = [2, 2] if second else [4, 4]
    block, merging = (SwinTransformerBlockV2, PatchMergingV2) if second else (SwinTransformerBlock, PatchMerging)
    make = lambda: SwinTransformer(  # noqa: E731
        [4, 4], channels, list(blocks), list(heads), window, num_classes=CLASSES, block=block, downsample_layer=merging
    )
    return make, 64


def vit(name):
    patch, layers, heads, channels = VIT[name]
    size = 2 * patch
    return lambda: VisionTransformer(size, patch, layers, heads, channels, 4 * channels, num_classes=CLASSES), size


def maxvit(name):
    make = lambda: MaxVit((64, 64), 8, 2, [8, 16, 32, 64], [2, 2, 5, 2], 4, 0.2, num_classes=CLASSES)  # noqa: E731
    return make, 64


KINDS = {"convnext": convnext, "swin": swin, "vit": vit, "maxvit": maxvit}


def models():
    for name in tv.list_models(module=tv):
        make, size = KINDS.get(name.split("_")[0], thinned)(name)
        yield Model("torchvision", name, make, images(size))
