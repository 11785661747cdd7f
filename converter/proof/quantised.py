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


def sampled(source: Source, oracle: Oracle, given: Sequence[Mapping[str, Array]]) -> list[Trial]:
    """What to measure with: inputs of the kind that a file was calibrated with; without any they are drawn."""
    cases = plan(source.asked)[:CASES]
    drawn = [feeds(source.asked, case, {}, lengths_of(source.model.graph)) for case in cases]
    chosen = [dict(each) for each in given[:MOST_CASES]] or drawn
    return [Trial(cases[0], each, oracle.run(each)) for each in chosen]


def signals(
    saved: Path,
    trials: Sequence[Trial],
    *,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    source: Source,
    backend: str,
) -> list[Signal]:
    """What is left in each floating-point output.

    Raises:
        NotEquivalent: the file does not run.
    """
    with replaying(saved, inputs, outputs, source, backend) as answer:
        answers = answer(trials)
    failure = next((answer for answer in answers if isinstance(answer, str)), None)
    if failure is not None:
        raise NotEquivalent(f"The file with fewer bits does not run: {failure}")
    found = [to_source(outputs, answer) for answer in answers if not isinstance(answer, str)]
    return [
        _signal(port.name, [trial.expected[place] for trial in trials], [answer[place] for answer in found])
        for place, port in enumerate(outputs)
        if trials[0].expected[place].dtype.kind == "f"
    ]


def refuse_faint(found: Sequence[Signal], least: float, kind: str, hint: str) -> None:
    """Say which output keeps least, where that is too little.

    Raises:
        NotEquivalent: it keeps less than `least` decibels.
    """
    worst = min(found, key=lambda signal: signal.snr_db, default=None)
    if worst is not None and worst.snr_db < least:
        raise NotEquivalent(
            f"The {kind} file keeps {worst.snr_db:.1f} dB of signal to noise in output {worst.name!r}, "
            f"{least:g} are asked for.",
            hint=hint,
        )


def _signal(name: str, expected: Sequence[Array], found: Sequence[Array]) -> Signal:
    pairs = list(zip(expected, found, strict=True))
    rows = [(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in pairs if _is_of_rows(a) and a.shape == b.shape]
    return Signal(name, _decibels(pairs), float(np.mean(np.concatenate(rows))) if rows else None)


def _is_of_rows(array: Array) -> bool:
    return array.ndim == 2 and array.shape[-1] > 1


def _decibels(pairs: Sequence[tuple[Array, Array]]) -> float:
    """Of all arrays together: none where a number is not finite, or a size another, that is so in one of two only."""
    power = error = 0.0
    for expected, found in pairs:
        if expected.shape != found.shape:
            return -float("inf")
        whole, got = expected.astype(np.float64), found.astype(np.float64)
        same = (whole == got) | (np.isnan(whole) & np.isnan(got))
        power += float(np.sum(np.square(whole[np.isfinite(whole)])))
        error += float(np.sum(np.square(whole[~same] - got[~same])))
    if error == 0:
        return float("inf")
    return float(10 * np.log10(power / error)) if power and np.isfinite(error) else -float("inf")
