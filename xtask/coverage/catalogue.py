"""Every model, with what takes long to import imported once."""

import timm_models
import torch
import torchvision_models
import transformers_models


def catalogue():
    torch.set_num_threads(1)
    # What torch.export imports at its first use, so that no model's time has it.
    torch.export.export(torch.nn.Linear(1, 1), (torch.zeros(2, 1),))
    for library in (transformers_models, torchvision_models, timm_models):
        yield from library.models()
