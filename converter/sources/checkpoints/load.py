"""Weights from a checkpoint into a module, strictly: every key must fit, or an error lists those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from converter.sources.checkpoints.file import read_checkpoint
from passes.errors import BadSource

MAX_LISTED = 10
MAX_DEPTH = 4
MAX_PARTS = 16
"""Prefixes under which a module's weights are looked for: each is a walk over all keys of a stranger's file."""

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "ema.", "ema_model.")
"""What DataParallel, torch.compile and training frameworks put before the names."""

NESTS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "ema", "model_ema")
"""The usual keys of a nested state_dict, the likeliest first."""

COUNTERS = ("num_batches_tracked", "n_averaged")
"""Counts of training steps (BatchNorm has its own since PyTorch 0.4.1): of no use in evaluation."""


def load_checkpoint(
    module: torch.nn.Module, path: Path, *, trust: bool = False, max_bytes: int | None = None
) -> list[str]:
    """Load the weights in `path` into `module`, in place; returns notes for the report.

    Raises:
        BadSource: the file cannot be read safely, or its keys do not fit the module; they are named.
    """
    content = read_checkpoint(path, trust=trust, max_bytes=max_bytes)
    whole = module.state_dict()
    expected = _without_counters(whole)
    found = [(place, strip_prefixes(state, whole)) for place, state in state_dicts(content)]
    candidates = [part for place, state in found for part in _parts(place, state, expected)]
    if not candidates:
        raise BadSource(f"The checkpoint {path.name} holds no state_dict.", hint=f"It holds: {_held(content)}.")
    fits = [len(expected.keys() & state.keys()) for _, state in candidates]
    place, state = candidates[fits.index(max(fits))]
    state = _without_counters(state)
    check_fit(expected, state, f"The checkpoint {path.name}", type(module).__name__)
    try:
        module.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a module with its own way of loading
        raise BadSource(f"The checkpoint {path.name} does not fit {type(module).__name__}: {error}") from error
    return _notes(path, place, [other for (other, _), fit in zip(candidates, fits, strict=True) if fit == max(fits)])


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


def strip_prefixes(state: Mapping[str, torch.Tensor], expected: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Remove each prefix as often as all keys have it, unless the module's own names begin with it too.

    torch.compile's `_orig_mod.` goes from within names as well, where a submodule was compiled.
    """
    stripped = {key.replace("._orig_mod.", "."): value for key, value in state.items()}
    while prefix := _common_prefix(stripped, expected):
        stripped = {key.removeprefix(prefix): value for key, value in stripped.items()}
    return stripped


def check_fit(expected: Mapping[str, Any], state: Mapping[str, Any], what: str, name: str) -> None:
    """Refuse a state_dict with missing, unexpected or misshapen keys.

    Raises:
        BadSource: one error with the three lists, each cut after MAX_LISTED names.
    """
    misshapen = [
        f"{key} ({_shape(state[key])} instead of {_shape(expected[key])})"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    lists = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "misshapen": misshapen,
    }
    parts = [f"{len(keys)} {word}: {_listed(keys)}" for word, keys in lists.items() if keys]
    if parts:
        raise BadSource(
            f"{what} does not fit {name}. {'; '.join(parts)}.",
            hint=_head_hint(expected, state)
            or "It was saved from another model, or from this one with other options (--model-arg NAME=VALUE).",
        )


def _head_hint(expected: Mapping[str, Any], state: Mapping[str, Any]) -> str | None:
    """What to add where all that does not fit is the number of classes."""
    if expected.keys() != state.keys():
        return None
    pairs = [(expected[key].shape, state[key].shape) for key in expected if state[key].shape != expected[key].shape]
    if any(not mine or not theirs or mine[1:] != theirs[1:] for mine, theirs in pairs):
        return None
    sizes = {(mine[0], theirs[0]) for mine, theirs in pairs}
    if len(sizes) != 1:
        return None
    ((_, classes),) = sizes
    return f"It was saved with {classes} classes: add --model-arg num_classes={classes}."


def _common_prefix(state: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    keys = [key for key in state if not key.endswith(COUNTERS)]
    for prefix in PREFIXES:
        if keys and all(key.startswith(prefix) for key in keys):
            own = [key for key in expected if key.startswith(prefix)]
            return None if len(own) == len(expected) else prefix
    return None


def _without_counters(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.endswith(COUNTERS)}


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


def _shape(tensor: Any) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def _listed(keys: list[str]) -> str:
    more = f", and {len(keys) - MAX_LISTED} more" if len(keys) > MAX_LISTED else ""
    return ", ".join(keys[:MAX_LISTED]) + more


def _held(content: Any) -> str:
    if isinstance(content, Mapping):
        return _listed([str(key) for key in content]) or "nothing"
    return f"a {type(content).__name__}"
