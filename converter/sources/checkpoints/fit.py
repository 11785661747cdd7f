"""Whether the names and shapes of a state_dict are those that are expected. Tensors are anything that has a shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passes.errors import BadSource

MAX_LISTED = 10

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "ema.", "ema_model.")
"""What DataParallel, torch.compile and training frameworks put before the names."""

COUNTERS = ("num_batches_tracked", "n_averaged")
"""Counts of training steps (BatchNorm has its own since PyTorch 0.4.1): of no use in evaluation."""


def strip_prefixes(state: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """Remove each prefix as often as all keys have it, unless the module's own names begin with it too.

    torch.compile's `_orig_mod.` goes from within names as well, where a submodule was compiled.
    """
    stripped = {key.replace("._orig_mod.", "."): value for key, value in state.items()}
    while prefix := _foreign_prefix(stripped, expected):
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
    parts = [f"{len(keys)} {word}: {listed(keys)}" for word, keys in lists.items() if keys]
    if parts:
        raise BadSource(
            f"{what} does not fit {name}. {'; '.join(parts)}.",
            hint=_head_hint(expected, state)
            or "It was saved from another model, or from this one with other options (--model-arg NAME=VALUE).",
        )


def common_prefix(state: Mapping[str, Any]) -> str | None:
    """The one of PREFIXES that all names begin with; counters may be without."""
    keys = [key for key in state if not key.endswith(COUNTERS)]
    return next((prefix for prefix in PREFIXES if keys and all(key.startswith(prefix) for key in keys)), None)


def without_counters(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.endswith(COUNTERS)}


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


def _foreign_prefix(state: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    prefix = common_prefix(state)
    return None if prefix is None or all(key.startswith(prefix) for key in expected) else prefix


def _shape(tensor: Any) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def listed(keys: list[str]) -> str:
    more = f", and {len(keys) - MAX_LISTED} more" if len(keys) > MAX_LISTED else ""
    return ", ".join(keys[:MAX_LISTED]) + more
