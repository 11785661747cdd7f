"""The state_dicts in a checkpoint that may be a whole model, as the model itself names its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converter.sources.checkpoints.fit import PREFIXES, common_prefix, without_counters
from converter.sources.checkpoints.load import NESTS, state_dicts

WRAPPERS = {*NESTS, "checkpoint", "ema_state_dict", "state_dict_ema"}
"""Keys under which the model is. Under another one, with more beside it, is a part: an encoder, a generator."""

LOSSES = ("criterion", "loss", "metric")
"""What names begin with that training frameworks save beside a model's."""

State = dict[str, Any]


def whole_states(content: Any) -> Iterator[tuple[str, State]]:
    """Each with its place in the checkpoint, once for every prefix that can be taken off."""
    found = state_dicts(content)
    for place, state in found:
        if len(found) == 1 or WRAPPERS.issuperset(place.split(".") if place else ()):
            for named in _unwrapped(state):
                yield place, named


def _unwrapped(state: Mapping[str, Any]) -> Iterator[State]:
    """As it is, and without prefixes; a model under a prefix counts where nothing but a loss or a copy is beside it."""
    own = without_counters({key.replace("._orig_mod.", "."): tensor for key, tensor in state.items()})
    yield own
    prefix = common_prefix(own)
    if prefix is not None:
        yield from _unwrapped({key.removeprefix(prefix): tensor for key, tensor in own.items()})
        return
    parts: dict[str, State] = {}
    for key, tensor in own.items():
        first, _, rest = key.partition(".")
        if not first.startswith(LOSSES):
            parts.setdefault(first, {})[rest] = tensor
    if len({frozenset(part) for part in parts.values()}) == 1:
        yield from (part for first, part in parts.items() if f"{first}." in PREFIXES)
