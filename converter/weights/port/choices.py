"""Walks until one gets through: where names and order have chosen wrongly, the other choices are tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from converter.weights.port.calls import Array
from converter.weights.port.sources import SourceLayer
from converter.weights.port.walk import PortWalk, WrongChoice

MOST_TRIED = 120


def walked(
    model: Any, sources: Sequence[SourceLayer], inputs: Sequence[Array], told: Mapping[str, str]
) -> tuple[PortWalk, list[Array]]:
    """Give the model's layers their numbers; the walk that got furthest, and what the model puts out.

    Args:
        model: as `feed` takes it. Its variables are changed.
        inputs: in its own order.
        told: by the path of a variable the name of the tensor that it holds, where that is known.
    """
    settled: dict[str, int] = {}
    while True:
        walk = PortWalk(sources, told, settled)
        try:
            return walk, walk.through(model, inputs)
        except WrongChoice:
            better = _better(walk, model, sources, inputs, told, settled)
        if better is None:
            walk = PortWalk(sources, told, settled, patient=True)
            return walk, walk.through(model, inputs)
        settled = better


def _better(
    walk: PortWalk,
    model: Any,
    sources: Sequence[SourceLayer],
    inputs: Sequence[Array],
    told: Mapping[str, str],
    settled: Mapping[str, int],
) -> dict[str, int] | None:
    """Choices with which a walk gets further; None where there are none."""
    for chosen in orders(walk.open):
        attempt = PortWalk(sources, told, {**settled, **chosen})
        try:
            attempt.through(model, inputs)
        except WrongChoice:
            if len(attempt.matched) <= len(walk.matched):
                continue
        return dict(attempt.chosen)
    return None


def orders(open_choices: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Other ways to choose: the partners are taken one after another, so that the first of three has three."""
    names = list(open_choices)
    counts = [open_choices[name] for name in names]
    for number in range(1, min(prod(counts), MOST_TRIED)):
        chosen, rest = {}, number
        for name, count in zip(names, counts, strict=True):
            rest, chosen[name] = divmod(rest, count)
        yield chosen
