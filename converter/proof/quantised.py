"""A file with fewer bits than its source: how much of the signal is left, and how often the greatest entry is the
same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter.ports import Port, to_source
from converter.proof.cases import feeds, lengths_of, plan
from converter.proof.oracle import Oracle
from converter.proof.trials import Trial
from converter.proof.verify import replaying
from converter.sources import Source
from passes.errors import NotEquivalent

Array = np.ndarray[Any, np.dtype[Any]]

CASES = 3
MOST_CASES = 16


@dataclass(frozen=True)
class Signal:
    """Of one output over all cases.

    Attributes:
        snr_db: the power of what the source says over that of the difference, in decibels.
        agreement: the share of rows whose greatest entry is the source's; None where there are no such rows.
    """

    name: str
    snr_db: float
    agreement: float | None

    def to_dict(self) -> dict[str, Any]:
        finite = None if np.isinf(self.snr_db) else round(self.snr_db, 2)
        return {"name": self.name, "snr_db": finite, "agreement": self.agreement}


def signals(
    saved: Path,
    *,
    source: Source,
    oracle: Oracle,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    given: Sequence[Mapping[str, Array]],
    backend: str,
) -> list[Signal]:
    """What is left in each floating-point output.

    Args:
        given: inputs of the kind that the file was calibrated with; without any they are drawn.

    Raises:
        NotEquivalent: the file does not run.
    """
    cases = plan(source.asked)[:CASES]
    drawn = [feeds(source.asked, case, {}, lengths_of(source.model.graph)) for case in cases]
    chosen = [dict(each) for each in given[:MOST_CASES]] or drawn
    trials = [Trial(cases[0], each, oracle.run(each)) for each in chosen]
    with replaying(saved, inputs, outputs, source, backend) as answer:
        answers = answer(trials)
    failure = next((answer for answer in answers if isinstance(answer, str)), None)
    if failure is not None:
        raise NotEquivalent(f"The quantised file does not run: {failure}")
    found = [to_source(outputs, answer) for answer in answers if not isinstance(answer, str)]
    return [
        _signal(port.name, [trial.expected[place] for trial in trials], [answer[place] for answer in found])
        for place, port in enumerate(outputs)
        if trials[0].expected[place].dtype.kind == "f"
    ]


def _signal(name: str, expected: Sequence[Array], found: Sequence[Array]) -> Signal:
    power = sum(float(np.sum(np.square(array, dtype=np.float64))) for array in expected)
    pairs = list(zip(expected, found, strict=True))
    error = sum(float(np.sum(np.square(np.subtract(a, b, dtype=np.float64)))) for a, b in pairs)
    rows = [(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in pairs if a.ndim == 2 and a.shape[-1] > 1]
    ratio = float("inf") if error == 0 else 10 * np.log10(power / error) if power else -float("inf")
    return Signal(name, float(ratio), float(np.mean(np.concatenate(rows))) if rows else None)
