"""How a type is built: its configuration with small numbers, the model, and a module of plain tensors around it."""

from __future__ import annotations

import copy
import importlib.util
from typing import Any

import torch
from torch import nn

from converter.sources.torchvision_import import import_torchvision

TEXT: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""The names that most configurations of text models have, or map to their own."""

GROUPED: dict[str, Any] = {**TEXT, "num_key_value_heads": 2}
"""Two heads of queries share one of keys and values."""

VISION: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 16,
}
"""Likewise, of vision transformers."""

Tensors = torch.Tensor | tuple[torch.Tensor, ...]


class Plain(nn.Module):
    """Its subclasses name the tensors that a kind of model takes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def call(self, **tensors: torch.Tensor) -> Tensors:
        """What the model gives, without what it gives in tuples or not at all."""
        found = tuple(value for value in self.model(**tensors).values() if isinstance(value, torch.Tensor))
        return found[0] if len(found) == 1 else found


class MaskedText(Plain):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Tensors:
        return self.call(input_ids=input_ids, attention_mask=attention_mask)


class Text(Plain):
    """Without a mask: no text is shorter than the others."""

    def forward(self, input_ids: torch.Tensor) -> Tensors:
        return self.call(input_ids=input_ids)


class Translation(Plain):
    """One step of a translation: what was read, and what has been written so far."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, decoder_input_ids: torch.Tensor
    ) -> Tensors:
        return self.call(input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids)


class Image(Plain):
    def forward(self, pixel_values: torch.Tensor) -> Tensors:
        return self.call(pixel_values=pixel_values)


class Wave(Plain):
    """Sound as samples, or as a spectrogram that is treated like an image."""

    def forward(self, input_values: torch.Tensor) -> Tensors:
        return self.call(input_values=input_values)


class Speech(Plain):
    """A spectrogram, and the text that has been written so far."""

    def forward(self, input_features: torch.Tensor, decoder_input_ids: torch.Tensor) -> Tensors:
        return self.call(input_features=input_features, decoder_input_ids=decoder_input_ids)


class ImageAndText(Plain):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, pixel_values: torch.Tensor) -> Tensors:
        return self.call(input_ids=input_ids, attention_mask=attention_mask, pixel_values=pixel_values)


def build(kind: type[Plain], architecture: str, **configuration: Any) -> Plain:
    """The class of transformers that is called `architecture`, made from a configuration of its own."""
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()  # transformers imports it too, and does not get it past its missing operators
    import transformers

    model_class = getattr(transformers, architecture)
    config = model_class.config_class(**copy.deepcopy(configuration))  # some take parts out of what they are given
    config.use_cache = False
    return kind(model_class(config))
