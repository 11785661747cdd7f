"""Loops and branches that are kept: their bodies are models of their own, in a layer of `keraport.layers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from converter.backends.keras.build.live_constants import live_constant
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput
from keraport.layers.branches import If
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
    live = next(value for value in inputs if not isinstance(value, ConstantInput))
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
    return layer(_live(inputs, live, name))


@op("keraport::If")
def branches(condition: Any, *inputs: Any, then_branch: keras.Model, else_branch: keras.Model, name: str) -> Any:
    """[condition, taken …] → what one of two models makes of them."""
    return If(then_branch, else_branch, name=name)(_live((condition, *inputs), condition, name))


def _live(inputs: Sequence[Any], live: Any, name: str) -> list[Any]:
    """The inputs as tensors, constants among them made of a live one."""
    return [
        live_constant(value, live, name=f"{name}.{place}") if isinstance(value, ConstantInput) else value
        for place, value in enumerate(inputs)
    ]
