"""How much of a difference is the oracle's own: its rounding, and what a rounding of the inputs does to the outputs.

Measured, never assumed: onnxruntime computes the same inputs without its optimisations, and inputs that lie one unit in
the last place away, or rounds otherwise in front of every step of a quantised graph; PyTorch computes them in float64
where there is a module that can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from converter.proof.compare import Comparison, largest
from converter.proof.oracle import Oracle
from converter.proof.oracle.steps import Steps
from passes.errors import BadSource

Array = np.ndarray[Any, np.dtype[Any]]
Measure = Callable[[Array, Array], float]

TIMES = 3.0
"""A difference may be this many times what was measured: the measurement is a sample of what rounding does."""

MOST = 0.01
"""Of an output's size: a case in which rounding does more than this proves nothing about the layers."""

MOST_BY_STEPS = 0.25
"""The same behind quantised numbers, where one rounding is a step: there, each layer by itself is what proves."""

NUDGES = 2

ULPS = 8
"""Roundings of the output itself."""

PROVING = 100.0
"""An output proves something where it moves by this many times what it may differ by."""


def uncertainty(
    oracle: Oracle,
    feeds: Mapping[str, Array],
    expected: Sequence[Array],
    measure: Measure | None = None,
    *,
    steps: Steps | None = None,
) -> list[float]:
    """For each output, how far the oracle's own other answers are from `expected`; 0 for what is no float.

    Args:
        measure: of how far two arrays are apart; by default the greatest difference.
        steps: of a quantised graph, whose first step swallows what moves an input.
    """
    answers: list[tuple[Sequence[Array], Sequence[Array]]] = []
    asked: list[Callable[[], Sequence[Array]]] = [
        lambda: oracle.unoptimised.run(feeds),
        *(lambda seed=seed: oracle.run(nudged(feeds, seed)) for seed in range(NUDGES)),
    ]
    for ask in asked:
        with suppress(BadSource):  # then this one says nothing
            answers.append((expected, ask()))
    found = [
        max(((measure or apart)(one[place], other[place]) for one, other in answers), default=0.0)
        for place in range(len(expected))
    ]
    if steps is None or not steps.are_quantised:
        return found
    on_the_way = noise_of(steps, feeds, len(expected), measure)
    return found if on_the_way is None else [max(pair) for pair in zip(found, on_the_way, strict=True)]


def noise_of(
    steps: Steps, feeds: Mapping[str, Array], count: int, measure: Measure | None = None
) -> list[float] | None:
    """For each of `count` outputs, how far roundings on the way move it; None where onnxruntime stops."""
    with suppress(BadSource):
        plain, others = steps.answers(feeds)
        return [max((measure or apart)(plain[place], other[place]) for other in others) for place in range(count)]
    return None


def nudged(feeds: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Every float moved by one unit in the last place, up or down: all one way would be another mean, and no more."""
    generator = np.random.default_rng(seed)
    return {
        name: np.nextafter(array, np.where(generator.random(array.shape) < 0.5, np.inf, -np.inf).astype(array.dtype))
        if array.dtype.name in ("float32", "float64")
        else array
        for name, array in feeds.items()
    }


def apart(a: Array, b: Array) -> float:
    """The greatest difference where both are finite floats of one shape; 0 for anything else."""
    if a.dtype.kind != "f" or a.shape != b.shape:
        return 0.0
    with np.errstate(invalid="ignore"):  # infinities of a mask
        return largest(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)))


def weighed(comparison: Comparison, reference: Array, noise: float, most: float = MOST) -> Comparison:
    """The verdict on an output that differs by more than its tolerance, once the oracle's uncertainty is known.

    Where rounding alone makes another output of it, as large as the output is, no difference says anything.

    Args:
        most: of the output's size, that the uncertainty may excuse.
    """
    size = largest(np.abs(np.asarray(reference, np.float64))) if reference.dtype.kind == "f" else 0.0
    allowed = TIMES * noise + ULPS * float(np.finfo(reference.dtype).eps) * size if size else 0.0
    found = replace(comparison, uncertainty=noise)
    is_chaos = TIMES * noise > size > 0
    if not np.isfinite(comparison.max_abs) or (comparison.max_abs > allowed and not is_chaos):
        return found
    if TIMES * noise > most * size:
        reason = f"ill-conditioned: the oracle itself moves by {noise:.3g} when its inputs are rounded"
        return replace(found, ill_conditioned=True, reason=reason)
    return replace(found, passed=True, reason="", by="uncertainty", allowed=allowed)


def spread(array: Array) -> float:
    """Greatest minus smallest of the finite numbers; infinite for what is no float, which is compared exactly."""
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return float("inf")
    finite = np.asarray(array, np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.max() - finite.min()) if finite.size else 0.0
