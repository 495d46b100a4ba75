"""A hundred models of timm: each family once or twice, the smallest of it, with few channels where it has options for that."""

import contextlib
import sys

import timm
from model import CLASSES, Model, images
from thin import thin

# Options of vision transformers: two blocks of two heads.
VIT = dict(embed_dim=24, depth=2, num_heads=2)
STAGES = dict(depths=(1, 1, 2, 1))

# The side of an image, what numbers of channels are divided by, and options. `img_size` is the
# side where it is named.
SIDE = object()
TIMM = {
    "beit_base_patch16_224": (32, 1, dict(img_size=SIDE, **VIT)),
    "caformer_s18": (64, 1, dict(dims=(8, 16, 32, 64), **STAGES)),
    "cait_xxs24_224": (32, 1, dict(img_size=SIDE, **VIT)),
    "coat_tiny": (64, 1, dict(img_size=SIDE, embed_dims=(16, 16, 16, 16), serial_depths=(1, 1, 1, 1), parallel_depth=2)),
    "convit_tiny": (32, 1, dict(img_size=SIDE, embed_dim=24, depth=4, num_heads=2, local_up_to_layer=2)),
    "convmixer_768_32": (32, 16, {}),
    "convnextv2_atto": (64, 1, dict(dims=(6, 12, 24, 48), depths=(1, 1, 2, 1))),
    "cpubone_nano": (64, 1, {}),
    "crossvit_9_240": (120, 1, dict(img_size=SIDE, embed_dim=(16, 32), num_heads=(2, 2))),
    "csatv2": (64, 1, {}),
    "cs3darknet_s": (64, 1, {}),
    "cspnext_tiny": (64, 4, {}),
    "davit_tiny": (64, 8, {}),
    "deepseek_vit_412m": (56, 1, dict(img_size=SIDE, patch_size=7, **VIT)),
    "deit_tiny_distilled_patch16_224": (32, 1, dict(img_size=SIDE, **VIT)),
    "densenetblur121d": (64, 1, dict(growth_rate=8)),
    "dla34": (64, 8, {}),
    "dpn48b": (64, 1, {}),
    "edgenext_xx_small": (64, 1, {}),
    "efficientformer_l1": (224, 1, dict(embed_dims=(8, 16, 32, 64))),
    "efficientformerv2_s0": (64, 1, dict(img_size=SIDE, embed_dims=(8, 16, 24, 40))),
    "efficientvim_m1": (64, 1, {}),
    "efficientvit_b0": (64, 8, {}),
    "efficientvit_m0": (64, 1, dict(img_size=SIDE)),
    "ese_vovnet19b_slim_dw": (64, 8, {}),
    "eva02_tiny_patch14_224": (28, 1, dict(img_size=SIDE, **VIT)),
    "fasternet_t0": (64, 1, dict(embed_dim=8)),
    "fastvit_t8": (64, 1, dict(embed_dims=(8, 16, 32, 64), layers=(1, 1, 2, 1))),
    "focalnet_tiny_srf": (64, 1, dict(embed_dim=8, **STAGES)),
    "gcvit_xxtiny": (64, 1, dict(img_size=SIDE, embed_dim=16, depths=(1, 1, 2, 1))),
    "gemma4_vit_167m": (48, 1, dict(img_size=SIDE, patch_size=8, head_dim=12, intermediate_size=48, position_embedding_size=64, **VIT)),
    "ghostnetv2_100": (64, 4, {}),
    "halonet26t": (256, 1, {}),
    "hardcorenas_a": (64, 8, {}),
    "hgnetv2_b0": (64, 8, {}),
    "hiera_tiny_224": (64, 1, dict(img_size=SIDE, embed_dim=8)),
    "hieradet_small": (64, 1, dict(embed_dim=8)),
    "hrnet_w18_small": (64, 8, {}),
    "iformer_t": (64, 8, {}),
    "inception_next_atto": (64, 1, dict(dims=(8, 16, 32, 64), depths=(1, 1, 2, 1))),
    "inception_resnet_v2": (96, 8, {}),
    "inception_v3": (96, 8, {}),
    "inception_v4": (96, 8, {}),
    "lcnetv2_small": (64, 8, {}),
    "legacy_seresnet18": (64, 8, {}),
    "legacy_xception": (64, 8, {}),
    "levit_128s": (64, 1, dict(img_size=SIDE, embed_dim=(32, 48, 64), key_dim=8, num_heads=(2, 3, 4))),
    "lowformer_b0": (64, 1, dict(width_list=(8, 16, 32, 48, 64))),
    "mambaout_femto": (64, 1, dict(dims=(8, 16, 32, 48), depths=(1, 1, 2, 1))),
    "maxvit_pico_rw_256": (64, 1, dict(img_size=SIDE)),
    "mixer_s32_224": (64, 8, dict(img_size=SIDE)),
    "mixnet_s": (64, 1, {}),
    "mobilenetv3_small_050": (64, 1, {}),
    "mobilenetv4_conv_small_035": (64, 1, {}),
    "mobilenetv5_base": (64, 1, dict(channel_multiplier=0.0625, num_features=64)),
    "mobilevitv2_050": (64, 1, {}),
    "mvitv2_tiny": (64, 1, dict(img_size=SIDE)),
    "naflexvit_base_patch16_gap": (32, 1, dict(VIT)),
    "nasnetalarge": (64, 1, dict(stem_size=16, num_features=192)),
    "nest_tiny": (32, 1, dict(img_size=SIDE, embed_dims=(16, 32, 64), num_heads=(2, 4, 8), depths=(1, 1, 2))),
    "nextvit_small": (64, 1, dict(depths=(1, 1, 5, 1))),
    "nfnet_l0": (64, 8, {}),
    "pit_ti_224": (64, 1, dict(img_size=SIDE, base_dims=(8, 8, 8))),
    "pnasnet5large": (64, 6, {}),
    "pvt_v2_b0": (64, 1, dict(embed_dims=(8, 16, 40, 64))),
    "qwen3_vit_88m": (32, 1, dict(img_size=SIDE, patch_size=8, pos_embed_grid_size=4, **VIT)),
    "rdnet_tiny": (64, 1, dict(num_init_features=16, growth_rates=(8,) * 7)),
    "regnety_002": (64, 8, {}),
    "repghostnet_050": (64, 1, {}),
    "repvgg_a0": (64, 8, {}),
    "repvit_m0_9": (64, 8, {}),
    "res2net50_14w_8s": (64, 1, dict(layers=(1, 1, 1, 1))),
    "resnest14d": (64, 8, {}),
    "ecaresnet26t": (64, 8, {}),
    "resnetv2_50x1_bit": (64, 8, {}),
    "rexnet_100": (64, 1, {}),
    "samvit_base_patch16_224": (64, 1, dict(img_size=SIDE, global_attn_indexes=(1,), window_size=3, **VIT)),
    "selecsls42": (64, 8, {}),
    "sequencer2d_s": (28, 1, dict(img_size=SIDE, layers=(1, 1, 2, 1), embed_dims=(16, 24, 24, 24), hidden_sizes=(4, 6, 6, 6))),
    "shvit_s1": (64, 1, dict(embed_dim=(32, 48, 64), partial_dim=(8, 12, 16))),
    "skresnet18": (64, 1, {}),
    "starnet_s050": (64, 1, {}),
    "swiftformer_xs": (64, 1, dict(embed_dims=(16, 24, 32, 48))),
    "swin_tiny_patch4_window7_224": (56, 1, dict(img_size=SIDE, embed_dim=12, depths=(2, 2, 2, 1))),
    "swinv2_tiny_window8_256": (64, 1, dict(img_size=SIDE, embed_dim=12, depths=(2, 2, 2, 1))),
    "swinv2_cr_tiny_224": (64, 1, dict(img_size=SIDE, embed_dim=12, depths=(2, 2, 2, 1))),
    "tiny_vit_5m_224": (64, 1, dict(embed_dims=(16, 32, 40, 80))),
    "tnt_s_patch16_224": (32, 1, dict(img_size=SIDE, embed_dim=24, inner_dim=8, depth=2, num_heads_outer=2, num_heads_inner=2)),
    "tresnet_m": (64, 1, dict(width_factor=0.25)),
    "twins_svt_small": (64, 1, dict(img_size=SIDE, embed_dims=(16, 16, 32, 64), depths=(1, 2, 2, 1))),
    "vgg11": (32, 16, {}),
    "visformer_tiny": (64, 1, dict(img_size=SIDE, init_channels=8, embed_dim=48, depth=(1, 2, 2), num_heads=2)),
    "vit_relpos_small_patch16_224": (32, 1, dict(img_size=SIDE, **VIT)),
    "vit_small_patch16_dinov3": (32, 1, dict(img_size=SIDE, **VIT)),
    "vit_tiny_patch16_224": (32, 1, dict(img_size=SIDE, **VIT)),
    "vit_tiny_r_s16_p8_224": (64, 1, dict(img_size=SIDE, **VIT)),
    "vitamin_small_224": (64, 1, dict(img_size=SIDE)),
    "volo_d1_224": (64, 1, dict(img_size=SIDE, layers=(1, 1, 2, 1), embed_dims=(24, 32, 32, 32), num_heads=(2, 4, 4, 4))),
    "xception41": (64, 8, {}),
    "xcit_nano_12_p16_224": (64, 1, dict(img_size=SIDE, embed_dim=24, depth=2, num_heads=2)),
}

# Options that the function of a model's name knows, and not the network's class.
FUNCTION = {"channel_multiplier"}


def models():
    for name, (size, factor, options) in TIMM.items():
        yield model(name, size, factor, options)


def model(name, size, factor, options):
    given = {key: size if value is SIDE else value for key, value in options.items()}
    of_function = {key: given.pop(key) for key in FUNCTION & given.keys()}

    def make():
        with thin(factor), overriding(name, given):
            return timm.create_model(name, num_classes=CLASSES, **of_function)

    return Model("timm", name, make, images(size))


@contextlib.contextmanager
def overriding(name, options):
    """Options of the network's class in place of those that the function of this name gives: not every function lets them through."""
    module = sys.modules[timm.model_entrypoint(name).__module__]
    build = module.build_model_with_cfg
    module.build_model_with_cfg = lambda *a, **k: build(*a, **(k | options))
    try:
        yield
    finally:
        module.build_model_with_cfg = build
