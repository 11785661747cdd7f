"""Loops that are kept: the body is a model of its own, in a layer of `keraport.layers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from converter.backends.keras.build.live_constants import live_constant
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import Weight
from keraport.layers.loop import Loop


@op("keraport::Loop")
def loop(
    *inputs: Any,
    body: keras.Model,
    states: int,
    scanned: int,
    turns: int | None = None,
    has_most: int = 0,
    has_condition: int = 0,
    conditional: int = 0,
    backwards: Sequence[int] = (),
    gathered_backwards: Sequence[int] = (),
    name: str,
) -> Any:
    """[most?, condition?, states …, wholes …, given …] → [states …, rows …]."""
    live = next(value for value in inputs if not isinstance(value, Weight))
    layer = Loop(
        body,
        states,
        scanned,
        turns,
        bool(has_most),
        bool(has_condition),
        bool(conditional),
        [bool(back) for back in backwards],
        [bool(back) for back in gathered_backwards],
        name=name,
    )
    given = [
        live_constant(value, live, name=f"{name}.{place}") if isinstance(value, Weight) else value
        for place, value in enumerate(inputs)
    ]
    return layer(given)
