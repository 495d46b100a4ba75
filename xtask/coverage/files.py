"""Models of the three libraries that are small enough for the project's own tests, which walk tests/exported.

    python coverage.py --files
"""

import timm_models
import transformers_models
from model import Model, images
from reference import prepared, recipe
from timm_models import SIDE
from torchvision.models.swin_transformer import PatchMerging, SwinTransformer, SwinTransformerBlock
from torchvision.models.vision_transformer import VisionTransformer

CLASSES = 10


def swin():
    """One stage, of which the second block has its windows shifted."""
    return SwinTransformer([4, 4], 8, [2], [2], [2, 2], num_classes=CLASSES, block=SwinTransformerBlock, downsample_layer=PatchMerging)


def vit():
    return VisionTransformer(16, 8, 1, 2, 8, 12, num_classes=CLASSES)


def files():
    """By the file's name."""
    of_transformers = {model.name: model for model in transformers_models.models(layers=1, channels=8)}
    for name in ("DistilBERT", "Mistral", "Qwen2", "ViT"):
        yield f"transformers_{name.lower()}", of_transformers[name]
    yield "torchvision_swin", Model("torchvision", "swin_t", swin, images(16))
    yield "torchvision_vit", Model("torchvision", "vit_b_16", vit, images(16))
    for name, size, factor, options in TIMM:
        yield f"timm_{name.split('_')[0]}", timm_models.model(name, size, factor, options)


TIMM = [
    ("beit_base_patch16_224", 16, 1, dict(img_size=SIDE, patch_size=8, embed_dim=8, depth=1, num_heads=2)),
    ("convmixer_768_32", 16, 1, dict(dim=8, depth=2, kernel_size=3, patch_size=4)),
    ("sequencer2d_s", 14, 1, dict(img_size=SIDE, layers=(1,), patch_sizes=(7,), embed_dims=(8,), hidden_sizes=(2,), mlp_ratios=(2.0,))),
]


def write():
    for name, model in files():
        module, inputs, y = prepared(model)
        recipe.write(name, module, model.loss, inputs, y, samples=2)
