"""Ten families of transformers, each of two layers and few channels."""

import torch
import transformers as hf
from model import CLASSES, SAMPLES, Model, images
from torch import nn

VOCABULARY, LENGTH = 29, 7
SIZES = dict(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
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


def bert():
    config = hf.BertConfig(**SIZES, max_position_embeddings=16, num_labels=CLASSES)
    return Classifier(hf.BertForSequenceClassification(config))


def distilbert():
    config = hf.DistilBertConfig(
        vocab_size=VOCABULARY, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=16, num_labels=CLASSES
    )
    return Classifier(hf.DistilBertForSequenceClassification(config))


def roberta():
    config = hf.RobertaConfig(**SIZES, max_position_embeddings=16, num_labels=CLASSES, pad_token_id=PADDING)
    return Classifier(hf.RobertaForSequenceClassification(config))


def gpt2():
    config = hf.GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=16)
    return LanguageModel(hf.GPT2LMHeadModel(config))


def gpt_neox():
    return LanguageModel(hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**SIZES, rotary_pct=0.5, max_position_embeddings=16)))


def llama():
    config = hf.LlamaConfig(**SIZES, num_key_value_heads=1, max_position_embeddings=16)
    return LanguageModel(hf.LlamaForCausalLM(config))


def mistral():
    config = hf.MistralConfig(**SIZES, num_key_value_heads=1, max_position_embeddings=16, sliding_window=4)
    return LanguageModel(hf.MistralForCausalLM(config))


def qwen():
    config = hf.Qwen2Config(**SIZES, num_key_value_heads=1, max_position_embeddings=16)
    return LanguageModel(hf.Qwen2ForCausalLM(config))


def t5():
    config = hf.T5Config(
        vocab_size=VOCABULARY, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, relative_attention_num_buckets=8,
        relative_attention_max_distance=10,
    )
    return Pooled(hf.T5EncoderModel(config), 16)


def vit():
    layers = {name: value for name, value in SIZES.items() if name != "vocab_size"}
    return Images(hf.ViTForImageClassification(hf.ViTConfig(**layers, image_size=32, patch_size=8, num_labels=CLASSES)))


CLASSIFIERS = {"BERT": bert, "DistilBERT": distilbert, "RoBERTa": roberta, "T5's encoder": t5}
LANGUAGE_MODELS = {"GPT-2": gpt2, "GPT-NeoX": gpt_neox, "Llama": llama, "Mistral": mistral, "Qwen2": qwen}


def models():
    for name, make in CLASSIFIERS.items():
        yield Model("transformers", name, make, padded)
    for name, make in LANGUAGE_MODELS.items():
        yield Model("transformers", name, make, sequences, loss="tokens")
    yield Model("transformers", "ViT", vit, images(32, "pixel_values"))
