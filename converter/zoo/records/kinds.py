"""What kind of source a text names, by its form alone: nothing is opened or imported."""

from __future__ import annotations

import re
from enum import Enum

from converter.sources import CHECKPOINT_SUFFIXES

ZOOS = ("torchvision", "timm")
MODEL_SUFFIXES = (".onnx", ".pt2", *CHECKPOINT_SUFFIXES)
TRANSFORMERS = "transformers:"

_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class Kind(Enum):
    """The kinds of SOURCE, in the order in which `converter.sources.load` tells them apart."""

    URL = "a URL"
    FILE = "a file"
    NAMED = "a model of a library"
    TRANSFORMERS = "a folder of transformers"
    FACTORY = "a factory"
    FOLDER = "a folder of models"
    """Also whatever is none of the others."""


def kind_of(source: str) -> Kind:
    if is_url(source):
        return Kind.URL
    if source.lower().endswith(MODEL_SUFFIXES):
        return Kind.FILE
    zoo, colon, _ = source.partition(":")
    if colon and zoo in ZOOS:
        return Kind.NAMED
    if source.startswith(TRANSFORMERS):
        return Kind.TRANSFORMERS
    return Kind.FACTORY if _FACTORY.fullmatch(source) else Kind.FOLDER


def is_url(text: str) -> bool:
    """Such as `s3://bucket/model.onnx`, also behind `transformers:`."""
    return "://" in text


def is_wildcard(text: str) -> bool:
    return any(char in text for char in "*?[")
