"""What two layers that should be the same differ in, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converter.weights.port.partners import Matched, path_of

TOLD = (
    "epsilon", "strides", "padding", "dilation_rate", "groups", "pool_size", "negative_slope", "max_value",
    "approximate", "reset_after", "go_backwards", "scale", "offset", "rate", "size", "interpolation", "activation",
)  # fmt: skip
"""Of configurations: what changes what is computed, but no variable's shape."""

DEFAULTS = {"strides": (1, 1), "dilation_rate": (1, 1), "groups": 1, "padding": "valid", "negative_slope": 0.0}


@dataclass(frozen=True)
class Parting:
    """One way in which the model is not the source, and the layers at which it shows.

    Attributes:
        layers: (path in the model, module of the source), in the order of calls.
        difference: the greatest between a layer's output and its partner's, as a part of the largest number; 0 where
            they could only differ at other inputs.
    """

    why: str
    layers: tuple[tuple[str, str], ...]
    difference: float = 0.0

    def __str__(self) -> str:
        path, source = self.layers[0]
        more = len(self.layers) - 1
        others = "" if not more else f", and {more} more layer{'s' if more > 1 else ''}"
        return f"{path} (source: {source}){others}: {self.why}"


def partings(matched: Sequence[Matched]) -> list[Parting]:
    """Where the two architectures part, in the order of calls; the same reason is told once."""
    found: dict[str, list[Matched]] = {}
    for each in matched:
        for why in _reasons(each):
            found.setdefault(why, []).append(each)
    return [
        Parting(
            why,
            tuple((path_of(each.layer), each.reading.source.path) for each in those),
            max(0.0 if each.is_equal else each.difference for each in those),
        )
        for why, those in found.items()
    ]


def _reasons(found: Matched) -> list[str]:
    source = found.reading.source
    reasons = []
    if not found.given_same:
        before, theirs = _listed(found.before), _listed(source.before)
        reasons.append(f"it is given something else, after {before}; in the source after {theirs}")
    own = [] if source.is_table else _settings(found.layer, source.layer)
    if found.reading.lost:
        own.append(f"there is no place for the source's {', '.join(found.reading.lost)}")
    if not found.made_same:
        reasons.append(", ".join(own) or f"it makes something else of the same input ({found.difference:.1e})")
    elif numbers := [text for text in own if text.startswith("epsilon")]:
        reasons.append(", ".join(numbers))
    return reasons


def _settings(layer: Any, other: Any) -> list[str]:
    ours, theirs = (_config(each) for each in (layer, other))
    both = [key for key in TOLD if key in ours and key in theirs and key != "activation"]
    return [f"{key} is {ours[key]}, in the source {theirs[key]}" for key in both if ours[key] != theirs[key]]


def _config(layer: Any) -> dict[str, Any]:
    config = layer.get_config() if hasattr(layer, "get_config") else {}
    return {key: _plain(value) for key, value in config.items() if key in TOLD}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return value.get("config", value.get("class_name")) if "class_name" in value else str(value)
    return getattr(value, "__name__", value)


def _listed(layers: Sequence[Any]) -> str:
    return ", ".join(_described(layer) for layer in layers if type(layer).__name__ != "InputLayer") or "nothing"


def _described(layer: Any) -> str:
    told = [
        f"{key}={value}" for key, value in _config(layer).items() if value is not None and DEFAULTS.get(key) != value
    ]
    return f"{type(layer).__name__}({', '.join(told)})" if told else type(layer).__name__
