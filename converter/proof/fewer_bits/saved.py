"""A `.keras` file whose layers have a dtype policy of fewer bits, against its source: by the signal that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converter.ports import Port, to_source
from converter.proof.claim import Claim
from converter.proof.compare import Comparison, compare_all
from converter.proof.fewer_bits.measure import FewerBits, Signal, signals
from converter.proof.inputs.trials import Trial, Trials, make_trials
from converter.proof.judge import Judge
from converter.proof.torch_reference import ask_module
from converter.proof.verdict import ENOUGH, CaseResult, Verification
from converter.proof.verify import oracles, replaying

Array = np.ndarray[Any, np.dtype[Any]]

NO_SIGNAL = "It has whole numbers, of which no signal is measured."


def verify_signal_on_all(backends: Sequence[str], saved: Path, fewer: FewerBits, claim: Claim) -> Verification:
    """`verify_signal` on each of these Keras backends; the first one's verification has the others."""
    first, *rest = (verify_signal(saved, backend, fewer, claim) for backend in backends)
    first.others = rest
    return first


def verify_signal(saved: Path, backend: str, fewer: FewerBits, claim: Claim) -> Verification:
    """Replay it as `verify` does, in cases that rounding alone does not decide, and measure what is left.

    Whole numbers beside others are not judged: a conversion does not judge them either. Alone they have to be equal.

    Raises:
        BadSource: onnxruntime runs the source in no case at all.
        UsageError: the examples do not fit the source.
    """
    result = Verification("", backend, fewer=fewer)
    source, outputs = claim.source, claim.outputs
    making, judge = claim.trials(), claim.judge()
    with replaying(saved, claim, backend, result.draws) as answer:
        trials = make_trials(making, claim.examples, result.notes, proving=judge.proves)
        result.first, result.oracle = trials[0].feeds, oracles([trial.by for trial in trials])
        result.trials = _conditioned(making, judge, trials)
        answers = answer(result.trials)
    result.cases = [_compared(trial, found, outputs) for trial, found in zip(result.trials, answers, strict=True)]
    if result.cases and not any(case.failure for case in result.cases):
        result.signals = signals(result.trials, answers, outputs)
    if result.signals:
        result.cases = [_by_signal(case, result.signals, fewer.least) for case in result.cases]
        measured = {signal.name for signal in result.signals}
        result.unproven = {port.name: NO_SIGNAL for port in outputs if port.name not in measured}
    if source.torch_module is not None and not source.noise:
        ask_module(source, judge, trials[0], None, result)  # without Keras' answer: it is not to be near to float64
    return result


def _conditioned(making: Trials, judge: Judge, trials: Sequence[Trial]) -> list[Trial]:
    """Those that say something, and others in the place of the rest where there are too few."""
    decided = [judge.is_decided_by_rounding(trial) for trial in trials]
    sound = [trial for trial, is_chance in zip(trials, decided, strict=True) if not is_chance]
    rest = [trial for trial, is_chance in zip(trials, decided, strict=True) if is_chance]
    for again in making.redrawn(rest):
        if len(sound) >= ENOUGH:
            break
        sound += [trial for trial in again if not judge.is_decided_by_rounding(trial)]
    return sound


def _compared(trial: Trial, answer: list[Array] | str, outputs: Sequence[Port]) -> CaseResult:
    """By how much the outputs differ, whatever their bits."""
    told = CaseResult(trial.shapes, trial.case.seed, trial.case.note, [], oracle=trial.by)
    if isinstance(answer, str):
        return replace(told, failure=answer)
    if len(answer) != len(outputs):
        return replace(told, failure=f"{len(answer)} outputs, expected {len(outputs)}")
    found = [
        array.astype(expected.dtype) if expected.dtype.kind == "f" else array
        for array, expected in zip(to_source(outputs, answer), trial.expected, strict=True)
    ]
    compared, failure = compare_all([port.name for port in outputs], trial.expected, found)
    return replace(told, outputs=compared, failure=failure)


def _by_signal(case: CaseResult, found: Sequence[Signal], least: float) -> CaseResult:
    """The outputs that have a signal, each passed where enough of it is left in all cases together."""
    kept = {signal.name: signal.snr_db for signal in found}
    floats = [output for output in case.outputs if output.name in kept]
    return replace(case, outputs=[_judged(output, kept[output.name], least) for output in floats])


def _judged(output: Comparison, decibels: float, least: float) -> Comparison:
    is_enough = decibels >= least
    reason = "" if is_enough else f"it keeps {decibels:.1f} dB of signal to noise, {least:g} are asked for"
    return replace(output, passed=is_enough, reason=reason, by="signal")
