"""The legs of the way, and which of them has drifted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.golden.observe import MEMORY, MODULE, ORACLE
from converter.proof.compare import Tolerance, compare, largest
from converter.proof.noise import TIMES

Array = np.ndarray[Any, np.dtype[Any]]
Answers = Mapping[str, Sequence[Array]]

LEGS = {
    ORACLE: "torch ↔ onnxruntime",
    MEMORY: "onnxruntime ↔ Keras in memory",
    "reloaded": "Keras in memory ↔ reloaded file",
}
SOURCE = "the source itself"
GREW = 3.0
"""An error that is this many times its record is told, where it is more than a few roundings."""

ROUNDINGS = 16


@dataclass(frozen=True)
class Finding:
    """Something about one leg in one case. `level` is "fail" or "warn"."""

    level: str
    leg: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return {"level": self.level, "leg": self.leg, "message": self.message}


def chain(answers: Answers) -> list[str]:
    """Who was asked, in the order of the way: each leg is from the one before."""
    files = sorted(who for who in answers if who.startswith("reloaded:"))
    return [who for who in (MODULE, ORACLE, MEMORY, *files) if who in answers]


def leg_of(who: str) -> str:
    name, _, backend = who.partition(":")
    return LEGS[name] + (f" on {backend}" if backend else "")


def errors(answers: Answers, outputs: Sequence[str]) -> dict[str, list[float | None]]:
    """For each leg the greatest difference of every output; None where shapes differ."""
    found: dict[str, list[float | None]] = {}
    for before, after in _legs(answers):
        pairs = zip(outputs, answers[before], answers[after], strict=True)
        found[after] = [compare(a, b, name=name).to_dict()["max_abs"] for name, a, b in pairs]
    return found


def findings(
    outputs: Sequence[str],
    now: Answers,
    recorded: Answers,
    kept: Mapping[str, Any],
    tolerances: Mapping[str, Tolerance],
    *,
    is_changed: bool = False,
) -> Iterator[Finding]:
    """What is wrong or has grown, leg by leg.

    A leg fails where its two ends differ by more than the tolerance, and where everybody up to it answers as recorded
    and its own end does not: who has moved first is to blame.

    Args:
        now, recorded: outputs by who gave them.
        kept: of the case: "errors" by leg, and the "uncertainty" of onnxruntime, for each output.
        tolerances: of outputs whose dtype does not tell, see precision.py.
        is_changed: whether the source is another one than the one that was recorded.
    """
    noise = kept["uncertainty"]
    moved = _moved(outputs, now, recorded, noise, tolerances)
    if moved is not None:
        who, message = moved
        is_source = who == MODULE or (who == ORACLE and is_changed)  # nobody before it could have moved
        yield Finding("fail", SOURCE if is_source else leg_of(who), message)
    for before, after in _legs(now):
        for place, name in enumerate(outputs):
            a, b = now[before][place], now[after][place]
            found = compare(a, b, tolerances.get(name), name=name)
            if not found.passed and not found.max_abs <= TIMES * noise[place]:
                yield Finding("fail", leg_of(after), f"output {name!r}: {found.reason}")
                continue
            then = kept["errors"].get(after, [None] * len(outputs))[place]
            floor = ROUNDINGS * float(np.finfo(np.float32).eps) * _size(a)
            if then is not None and found.max_abs > max(GREW * then, floor):
                yield Finding(
                    "warn", leg_of(after), f"output {name!r}: the error grew from {then:.3g} to {found.max_abs:.3g}"
                )


def _moved(
    outputs: Sequence[str],
    now: Answers,
    recorded: Answers,
    uncertainty: Sequence[float],
    tolerances: Mapping[str, Tolerance],
) -> tuple[str, str] | None:
    """Who is the first to answer otherwise than recorded, and how."""
    for who in chain(now):
        if who not in recorded:
            continue
        for name, then, here, noise in zip(outputs, recorded[who], now[who], uncertainty, strict=True):
            found = compare(then, here, tolerances.get(name), name=name)
            if not found.passed and not found.max_abs <= TIMES * noise:
                return who, f"output {name!r} of {who} is not what was recorded: {found.reason}"
    return None


def _legs(answers: Answers) -> Iterator[tuple[str, str]]:
    order = chain(answers)
    for before, after in itertools.pairwise(order):
        yield (MEMORY if after.startswith("reloaded:") else before), after


def _size(array: Array) -> float:
    return largest(np.abs(np.asarray(array, np.float64))) if array.dtype.kind in "fiub" else 0.0
