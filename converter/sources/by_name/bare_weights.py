"""A checkpoint with no architecture beside it: the one that its names and shapes, or a config.json, show."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.options import Options
from converter.sources.by_name import load_built
from converter.sources.checkpoints.load import state_dicts
from converter.sources.fingerprints.nearest import nearest
from converter.sources.fingerprints.recognise import recognise
from converter.sources.source import Source
from passes.errors import UsageError

MOST_SHOWN = 5

_PUBLISHED = re.compile(r"(?P<name>\w+)-(?P<digest>[0-9a-f]{8,64})\.pth")

MAX_CONFIG = 1_000_000
"""Bytes of a config.json that is looked into."""


def load_bare(path: Path, content: Any, options: Options) -> Source:
    """Build the architecture of the weights in `content`, which was read from `path`, and export it with them.

    Raises:
        UsageError: it is not known, or several would fit.
    """
    config = _config_beside(path)
    found = recognise(content, path.name, {**_published_as(path), f"timm:{config.get('architecture')}": "config.json"})
    if found is None:
        sentences = (_first_weights(content), nearest(content), _of_transformers(config))
        known = [sentence for sentence in sentences if sentence]
        raise UsageError(
            " ".join([f"{path.name} holds weights only; the model they belong to is not in it.", *known]),
            hint=f"Give the model as package.module:factory, torchvision:NAME or timm:NAME with --checkpoint {path}.",
        )
    arguments = {**found.arguments, **options.model_args}
    loaded = load_built(found.source, replace(options, checkpoint=path, model_args=arguments))
    return replace(loaded, notes=[found.note, *loaded.notes])


def load_saved_pretrained(path: Path, options: Options) -> Source | None:
    """The model that transformers saved in the folder of `path`; None where it did not."""
    name = _class_of(_config_beside(path))
    if name is None or path.name != "model.safetensors":
        return None
    folder = path.parent
    loaded = load_built(f"transformers:{folder}", options)
    note = f"config.json beside {path.name} says {name}: it was read as transformers:{folder}."
    return replace(loaded, notes=[note, *loaded.notes])


def _published_as(path: Path) -> dict[str, str]:
    """The sources that the name of a file says, where it is as torch.hub has it: with the hash of the content in it."""
    match = _PUBLISHED.fullmatch(path.name)
    if match is None:
        return {}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(match["digest"]):
        return {}
    return dict.fromkeys((f"{zoo}:{match['name']}" for zoo in ("torchvision", "timm")), "the file's name and hash")


def _class_of(config: Mapping[str, Any]) -> str | None:
    """The class of transformers that a config.json names."""
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else None


def _of_transformers(config: Mapping[str, Any]) -> str | None:
    name = _class_of(config)
    wanted = "transformers:FOLDER takes what save_pretrained writes, model.safetensors"
    return None if name is None else f"config.json beside it says {name}: {wanted}."


def _config_beside(path: Path) -> dict[str, Any]:
    config = path.parent / "config.json"
    try:
        if config.stat().st_size > MAX_CONFIG:
            return {}
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # there is none, or it is somebody else's
        return {}
    return content if isinstance(content, dict) else {}


def _first_weights(content: Any) -> str:
    """The first of them with their shapes, by which their owner may know them."""
    states = state_dicts(content)
    if not states:
        return ""
    _, weights = max(states, key=lambda pair: len(pair[1]))
    shown = [f"{name} [{', '.join(map(str, tensor.shape))}]" for name, tensor in list(weights.items())[:MOST_SHOWN]]
    more = len(weights) - len(shown)
    return f"They are {', '.join(shown)}{f' and {more} more' if more > 0 else ''}."
