"""Weights from a checkpoint into a module, strictly: every key must fit, or an error lists those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from converter.sources.checkpoints.file import read_checkpoint
from converter.sources.checkpoints.fit import check_fit, listed, strip_prefixes, without_counters
from passes.errors import BadSource

MAX_DEPTH = 4
MAX_PARTS = 16
"""Prefixes under which a module's weights are looked for: each is a walk over all keys of a stranger's file."""

NESTS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "ema", "model_ema")
"""The usual keys of a nested state_dict, the likeliest first."""


def load_checkpoint(
    module: torch.nn.Module, path: Path, *, trust: bool = False, max_bytes: int | None = None
) -> list[str]:
    """Load the weights in `path` into `module`, in place; returns notes for the report.

    Raises:
        BadSource: the file cannot be read safely, or its keys do not fit the module; they are named.
    """
    return copy_weights(module, read_checkpoint(path, trust=trust, max_bytes=max_bytes), path)


def copy_weights(module: torch.nn.Module, content: Any, path: Path) -> list[str]:
    """Copy the weights in what was read from `path` into `module`; returns notes for the report.

    Raises:
        BadSource: as `load_checkpoint`.
    """
    notes, state = fitting(module, content, path)
    try:
        module.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a module with its own way of loading
        raise BadSource(f"The checkpoint {path.name} does not fit {type(module).__name__}: {error}") from error
    return notes


def fitting(module: torch.nn.Module, content: Any, path: Path) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Of what was read from `path` the state_dict that fits `module` best, and notes for the report.

    Raises:
        BadSource: it does not fit, or there is none.
    """
    whole = module.state_dict()
    expected = without_counters(whole)
    found = [(place, strip_prefixes(state, whole)) for place, state in state_dicts(content)]
    candidates = [part for place, state in found for part in _parts(place, state, expected)]
    if not candidates:
        raise BadSource(f"The checkpoint {path.name} holds no state_dict.", hint=f"It holds: {_held(content)}.")
    fits = [len(expected.keys() & state.keys()) for _, state in candidates]
    place, state = candidates[fits.index(max(fits))]
    state = without_counters(state)
    check_fit(expected, state, f"The checkpoint {path.name}", type(module).__name__)
    others = [other for (other, _), fit in zip(candidates, fits, strict=True) if fit == max(fits)]
    return _notes(path, place, others), state


def state_dicts(content: Any, place: str = "", depth: int = 0) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """Every state_dict in a checkpoint with its place, the likeliest first."""
    if isinstance(content, torch.nn.Module):
        return [(place, dict(content.state_dict()))]
    if not isinstance(content, Mapping) or depth > MAX_DEPTH:
        return []
    own = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}
    found = [(place, own)] if own else []
    keys = [key for key in content if isinstance(key, str)]
    for key in sorted(keys, key=lambda key: NESTS.index(key) if key in NESTS else len(NESTS)):
        found += state_dicts(content[key], f"{place}.{key}" if place else key, depth + 1)
    return found


def _parts(
    place: str, state: dict[str, torch.Tensor], expected: Mapping[str, Any]
) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """The state itself; or, where it holds the module's weights under a prefix and others beside them, those."""
    first = next(iter(expected), None)
    if first is None or expected.keys() <= state.keys():
        return [(place, state)]
    prefixes = [key.removesuffix(first) for key in state if key.endswith("." + first)]
    whole = []
    for prefix in prefixes[:MAX_PARTS]:
        part = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        if expected.keys() <= part.keys():
            whole.append((f"{place}.{prefix}".strip("."), part))
    return sorted(whole, key=lambda part: "ema" in part[0]) or [(place, state)]


def _notes(path: Path, place: str, fitting: list[str]) -> list[str]:
    if not place:
        return []
    others = [other for other in fitting if other != place]
    also = f"; {', '.join(map(repr, others))} would fit too" if others else ""
    return [f"The weights are those under {place!r} in {path.name}{also}."]


def _held(content: Any) -> str:
    if isinstance(content, Mapping):
        return listed([str(key) for key in content]) or "nothing"
    return f"a {type(content).__name__}"
