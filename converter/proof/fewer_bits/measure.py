"""A file with fewer bits than its source: how much of the signal is left, and how often the greatest entry is the
same. There is this one measure: for files that are written, and for those that were there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.destinations.quantise import KINDS
from converter.options import DTYPE_POLICIES
from converter.ports import Port, to_source
from converter.proof.inputs.arrays import IntegerRanges
from converter.proof.inputs.cases import plan
from converter.proof.inputs.trials import Trial, Trials, running_trials
from converter.proof.oracle import Oracle
from converter.sources import Source
from passes.errors import NotEquivalent, UsageError

Array = np.ndarray[Any, np.dtype[Any]]

CASES = 3
MOST_CASES = 16

LEAST: Mapping[str, float] = {**DTYPE_POLICIES, "int8": KINDS["int8"]}
"""Decibels by what layers compute with."""

FROM = "_from_"
"""In the names of Keras' policies of quantised layers: int8_from_float32."""

HINT = "Take a policy of more bits, or ask for less: --min-signal DB."


@dataclass(frozen=True)
class FewerBits:
    """The dtype policy that layers compute with, and the decibels of signal to noise that every output has to keep."""

    policy: str
    least: float


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


def told_of_policy(fewer: FewerBits, *, is_proven_without: bool) -> dict[str, Any]:
    """What a report has of a dtype policy, nothing measured yet.

    Args:
        is_proven_without: the same model without the policy is equal to its source. Of a file that was there before
            there is no such model.
    """
    least = fewer.least
    return {"name": fewer.policy, "least_signal": least, "measured": [], "proven_without": is_proven_without}


def told_of_signals(backend: str, found: Sequence[Signal]) -> dict[str, Any]:
    """What the report has of it for each backend."""
    return {"backend": backend, "outputs": [signal.to_dict() for signal in found]}


def sampled(source: Source, oracle: Oracle, given: Sequence[Mapping[str, Array]]) -> list[Trial]:
    """What to measure with: inputs of the kind that a file was calibrated with; without any they are drawn."""
    if not given:
        return running_trials(Trials(source, oracle, IntegerRanges.of(source.model.graph)), {}, CASES)
    first = plan(source.asked)[0]
    return [Trial(first, dict(each), oracle.run(each)) for each in given[:MOST_CASES]]


def fewer_bits(policies: Sequence[str], least: float | None) -> FewerBits | None:
    """What a model of layers with these policies has to keep; None where none of them loses anything.

    Args:
        policies: by name.
        least: what was asked for, instead of what goes with the policy.

    Raises:
        UsageError: something was asked for and nothing can be lost, or only the user can tell what has to be kept.
    """
    lossy = [name for name in policies if name in DTYPE_POLICIES or FROM in name]
    if not lossy:
        if least is None:
            return None
        raise UsageError(
            "A least signal is for .keras files whose layers have a dtype policy of fewer bits; here none has.",
            hint="Leave --min-signal out: the outputs are to be equal.",
        )
    kinds = [name.partition(FROM)[0] for name in lossy]
    unknown = next((kind for kind in kinds if kind not in LEAST), None)
    if least is None and unknown is not None:
        raise UsageError(f"What layers of {unknown} have to keep is not known.", hint="Say it: --min-signal DB.")
    return FewerBits(", ".join(lossy), min(LEAST[kind] for kind in kinds) if least is None else least)


def signals(trials: Sequence[Trial], answers: Sequence[list[Array] | str], outputs: Sequence[Port]) -> list[Signal]:
    """What is left in each floating-point output.

    Args:
        answers: what the file makes of the trials, axes as the model has them.

    Raises:
        NotEquivalent: the file does not run.
    """
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
