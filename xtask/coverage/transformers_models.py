"""Ten families of transformers, each of few layers and channels."""

from functools import partial

import torch
import transformers as hf
from model import CLASSES, SAMPLES, Model, images
from torch import nn

VOCABULARY, LENGTH = 29, 7
PADDING = 0


class Classifier(nn.Module):
    """Tokens to the classes of their sequence, padding masked."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, input_ids):
        return self.net(input_ids=input_ids, attention_mask=(input_ids != PADDING).long()).logits


class LanguageModel(nn.Module):
    """Tokens to what may follow each of them."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, input_ids):
        return self.net(input_ids=input_ids, use_cache=False).logits


class Pooled(nn.Module):
    """The mean of an encoder's states, padding left out, and a head of its own."""

    def __init__(self, net, channels):
        super().__init__()
        self.net, self.head = net, nn.Linear(channels, CLASSES)

    def forward(self, input_ids):
        mask = (input_ids != PADDING).long()
        hidden = self.net(input_ids=input_ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return self.head((hidden * weights).sum(1) / weights.sum(1))


class Images(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixel_values):
        return self.net(pixel_values=pixel_values).logits


def padded(generator):
    """Sequences of several lengths, and a class of each."""
    ids = torch.randint(3, VOCABULARY, (SAMPLES, LENGTH), generator=generator)
    for row, end in enumerate(torch.randint(LENGTH // 2, LENGTH + 1, (SAMPLES,), generator=generator)):
        ids[row, end:] = PADDING
    return {"input_ids": ids}, torch.randint(CLASSES, (SAMPLES,), generator=generator)


def sequences(generator):
    """Sequences with a label for each token."""
    draw = lambda: torch.randint(3, VOCABULARY, (SAMPLES, LENGTH), generator=generator)  # noqa: E731
    return {"input_ids": draw()}, draw()


def sizes(layers, channels):
    """Two heads, by the names that most configurations have for that."""
    return dict(
        vocab_size=VOCABULARY, hidden_size=channels, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=channels * 3 // 2, max_position_embeddings=16,
    )


def bert(layers, channels):
    config = hf.BertConfig(**sizes(layers, channels), num_labels=CLASSES)
    return Classifier(hf.BertForSequenceClassification(config))


def distilbert(layers, channels):
    config = hf.DistilBertConfig(
        vocab_size=VOCABULARY, dim=channels, n_layers=layers, n_heads=2, hidden_dim=channels * 3 // 2,
        max_position_embeddings=16, num_labels=CLASSES,
    )
    return Classifier(hf.DistilBertForSequenceClassification(config))


def roberta(layers, channels):
    config = hf.RobertaConfig(**sizes(layers, channels), num_labels=CLASSES, pad_token_id=PADDING)
    return Classifier(hf.RobertaForSequenceClassification(config))


def gpt2(layers, channels):
    config = hf.GPT2Config(vocab_size=VOCABULARY, n_embd=channels, n_layer=layers, n_head=2, n_positions=16)
    return LanguageModel(hf.GPT2LMHeadModel(config))


def gpt_neox(layers, channels):
    return LanguageModel(hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**sizes(layers, channels), rotary_pct=0.5)))


def llama(layers, channels):
    return LanguageModel(hf.LlamaForCausalLM(hf.LlamaConfig(**sizes(layers, channels), num_key_value_heads=1)))


def mistral(layers, channels):
    config = hf.MistralConfig(**sizes(layers, channels), num_key_value_heads=1, sliding_window=4)
    return LanguageModel(hf.MistralForCausalLM(config))


def qwen2(layers, channels):
    return LanguageModel(hf.Qwen2ForCausalLM(hf.Qwen2Config(**sizes(layers, channels), num_key_value_heads=1)))


def t5_encoder(layers, channels):
    config = hf.T5Config(
        vocab_size=VOCABULARY, d_model=channels, d_kv=channels // 2, d_ff=channels * 3 // 2, num_layers=layers, num_heads=2,
        relative_attention_num_buckets=8, relative_attention_max_distance=10,
    )
    return Pooled(hf.T5EncoderModel(config), channels)


def vit(layers, channels):
    known = {name: size for name, size in sizes(layers, channels).items() if name in hf.ViTConfig().to_dict()}
    config = hf.ViTConfig(**known, image_size=16, patch_size=4, num_labels=CLASSES)
    return Images(hf.ViTForImageClassification(config))


CLASSIFIERS = {"BERT": bert, "DistilBERT": distilbert, "RoBERTa": roberta, "T5's encoder": t5_encoder}
LANGUAGE_MODELS = {"GPT-2": gpt2, "GPT-NeoX": gpt_neox, "Llama": llama, "Mistral": mistral, "Qwen2": qwen2}


def models(layers=2, channels=16):
    size = (layers, channels)
    for name, make in CLASSIFIERS.items():
        yield Model("transformers", name, partial(make, *size), padded)
    for name, make in LANGUAGE_MODELS.items():
        yield Model("transformers", name, partial(make, *size), sequences, loss="tokens")
    yield Model("transformers", "ViT", partial(vit, *size), images(16, "pixel_values"))
