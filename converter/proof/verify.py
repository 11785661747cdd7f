"""A saved model against its source: the same inputs through both, and every output compared."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.ports import Port, to_keras, to_source
from converter.processes.replay import Carry, Replay
from converter.proof.compare import Comparison, Tolerance, compare, compare_all, tolerance_for
from converter.proof.oracle import Oracle
from converter.proof.torch_reference import ask_module
from converter.proof.trials import Trial, example_arrays, make_trials
from converter.proof.verdict import CaseResult, Verification
from converter.sources import Source
from passes.errors import NotEquivalent

__all__ = ["Comparison", "Tolerance", "compare", "default_backend", "example_arrays", "tolerance_for", "verify"]

Array = np.ndarray[Any, np.dtype[Any]]


def default_backend() -> str:
    """The Keras backend that the user has chosen, TensorFlow where none was."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def verify(
    saved: Path,
    *,
    source: Source,
    oracle: Oracle,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    examples: Mapping[str, Array] | None = None,
    backend: str | None = None,
    tolerance: Tolerance | None = None,
) -> Verification:
    """Replay a saved model in plain Keras, in a process of its own, and compare it with the oracle.

    Args:
        saved: the .keras file.
        source: as loaded; its graph's inputs say which sizes are dynamic, its module is asked as well.
        oracle: `Oracle.for_source`.
        inputs, outputs: how the tensors of the source relate to those of the model.
        examples: inputs to use as they are in one more case, and for values that cannot be made up.
        backend: Keras's, by default the one in KERAS_BACKEND.
        tolerance: for floating-point outputs, instead of the one of their dtype.

    Raises:
        BadSource: onnxruntime runs the source in no case at all.
        UsageError: the examples do not fit the source.
    """
    backend = backend or default_backend()
    result = Verification("", backend)
    trials = make_trials(source, oracle, examples or {}, result.notes)
    result.oracle = _oracles([trial.by for trial in trials])
    outcomes = _replayed(saved, inputs, outputs, source.states, trials, backend)
    for trial, outcome in zip(trials, outcomes, strict=True):
        judged = _judge(trial, outputs, outcome, tolerance)
        result.cases.append(judged)
        if result.counterexample is None and not judged.passed:
            result.counterexample = trial.feeds
    if source.torch_module is not None:
        # The last case before the other image sizes: the largest batch.
        place = max(range(len(trials)), key=lambda i: (not trials[i].case.note, i))
        outcome = outcomes[place]
        ask_module(source, outputs, trials[place], None if isinstance(outcome, str) else outcome, result)
    return result


def _oracles(answers: Sequence[str]) -> str:
    """Who was asked, the most frequent first; with numbers where that differs from case to case."""
    counts = Counter(answers).most_common()
    if len(counts) == 1:
        return answers[0]
    return "; ".join(f"{by} ({count} of {len(answers)} cases)" for by, count in counts)


def _replayed(
    saved: Path,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    states: Mapping[str, str],
    trials: Sequence[Trial],
    backend: str,
) -> list[list[Array] | str]:
    """What Keras makes of every trial, or the message with which it stops. A file that does not load fails them all."""
    cases = [to_keras(inputs, [trial.feeds[port.name] for port in inputs]) for trial in trials]
    carried = [_carry(inputs, outputs, states) if trial.case.continues else [] for trial in trials]
    try:
        names = [port.keras_name or port.name for port in outputs]
        return Replay.warm(backend).replay(saved, cases, carried=carried, outputs=names).cases
    except NotEquivalent as error:
        return [error.message] * len(cases)


def _carry(inputs: Sequence[Port], outputs: Sequence[Port], states: Mapping[str, str]) -> Sequence[Carry]:
    """Which outputs of one call are inputs of the next, and how their axes turn on the way."""
    places = {port.name: place for place, port in enumerate(outputs)}
    found: list[Carry] = []
    for place, port in enumerate(inputs):
        if port.name in states:
            output = outputs[places[states[port.name]]]
            rank = len(port.shape)
            back = np.argsort(output.permutation) if output.permutation else np.arange(rank)
            turn = [int(back[axis]) for axis in port.permutation or range(rank)]
            found.append((place, places[output.name], turn))
    return found


def _judge(trial: Trial, ports: Sequence[Port], outcome: list[Array] | str, tolerance: Tolerance | None) -> CaseResult:
    case = trial.case
    if isinstance(outcome, str):
        return CaseResult(trial.shapes, case.seed, case.note, [], outcome, oracle=trial.by)
    found = to_source(ports, outcome) if len(outcome) == len(ports) else outcome
    judged = compare_all([port.name for port in ports], trial.expected, found, tolerance)
    return CaseResult(trial.shapes, case.seed, case.note, *judged, oracle=trial.by)
