"""A saved model against its source: the same inputs through both, and every output compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converter.ports import Port, to_keras
from converter.processes.replay import Carry, Replay
from converter.processes.replay_link import default_backend
from converter.proof.claim import Claim, FindGuilty
from converter.proof.inputs.trials import Trial, make_trials
from converter.proof.judge import accepted, look_inside
from converter.proof.random_numbers.drawn import Draw, draws_of
from converter.proof.torch_reference import ask_module
from converter.proof.verdict import ENOUGH, CaseResult, Inner, Verification
from passes.errors import NotEquivalent

Array = np.ndarray[Any, np.dtype[Any]]


def verify_on_all(backends: Sequence[str], saved: Path, claim: Claim) -> Verification:
    """`verify` on each of these Keras backends, by default on one; the first one's verification has the others.

    Where one quick case says nothing, because rounding alone decides it, all are tried.
    """
    first, *rest = backends or [default_backend()]
    result = verify(saved, claim, backend=first)
    if result.is_quick and not result.is_conditioned:
        return verify_on_all(backends, saved, replace(claim, quick=False))
    result.others = [verify(saved, claim, backend=backend) for backend in rest]
    return result


Answer = Callable[[Sequence[Trial]], list[list[Array] | str]]
"""Trials → the outputs of each, axes as the model has them, or the message with which it stops."""


def verify(
    saved: Path | None, claim: Claim, *, backend: str | None = None, answer: Answer | None = None
) -> Verification:
    """Replay a saved model in plain Keras, in a process of its own, and compare it with the oracle.

    Args:
        saved: the .keras file, or a SavedModel folder or .tflite file with the names of the claim's inputs and outputs.
        backend: Keras's, by default the one in KERAS_BACKEND.
        answer: what gives the outputs, in place of a process that loads the file: a model that only this one knows.

    Raises:
        BadSource: onnxruntime runs the source in no case at all.
        UsageError: the examples do not fit the source.
    """
    source, find_guilty = claim.source, claim.find_guilty
    backend = backend or default_backend()
    result = Verification("", backend, is_quick=claim.quick)
    making, judge = claim.trials(), claim.judge()
    asking = nullcontext(answer) if answer else replaying(saved, claim, backend, result.draws)
    with asking as answers:
        trials = make_trials(making, claim.examples, result.notes, proving=judge.proves)
        result.first = trials[0].feeds
        result.oracle = oracles([trial.by for trial in trials])
        outcomes = answers(trials)
        judged = [(trial, judge.case(trial, outcome)) for trial, outcome in zip(trials, outcomes, strict=True)]
        for again in making.redrawn([trial for trial, case in judged if case.ill_conditioned]):
            judged += [(trial, judge.case(trial, found)) for trial, found in zip(again, answers(again), strict=True)]
            if sum(case.passed for _, case in judged) >= ENOUGH:
                break
    result.unproven = judge.unproven([trial for trial, _ in judged])
    result.inner = look_inside(judged, result.unproven, find_guilty)
    if result.inner is not None and result.inner.guilty is None:
        judged = [(trial, accepted(case)) for trial, case in judged]
    result.cases = [case for _, case in judged]
    result.trials = [trial for trial, case in judged if case.passed]
    result.counterexample = _counterexample(judged, result.inner)
    if source.noise:
        result.notes.append("The source draws random numbers: here they were inputs, the same for it and the model.")
    if source.torch_module is not None and source.noise:
        result.notes.append("The module draws numbers of its own, so the export was not compared with it.")
    elif source.torch_module is not None:
        # The last case before the other image sizes: the largest batch.
        place = max(range(len(trials)), key=lambda i: (not trials[i].case.note, i))
        outcome = outcomes[place]
        ask_module(source, judge, trials[place], None if isinstance(outcome, str) else outcome, result)
        _settle_precision(result, trials[place], find_guilty)
    return result


def _settle_precision(result: Verification, trial: Trial, find_guilty: FindGuilty | None) -> None:
    """Outputs that are further from float64 than onnxruntime's: is it a layer, or the rounding of them all?"""
    far = next((precision for precision in result.precision if not precision.passed), None)
    if far is None or find_guilty is None or not all(case.passed or case.ill_conditioned for case in result.cases):
        return
    if result.inner is None:
        why = f"Output {far.output!r} is further from float64 than onnxruntime's."
        result.inner = Inner(why, find_guilty(trial.feeds), trial.feeds)
    if result.inner.guilty is None:
        result.precision = [
            precision if precision.passed else replace(precision, is_rounding=True) for precision in result.precision
        ]
    elif result.counterexample is None:
        result.counterexample = result.inner.feeds


def _counterexample(judged: Sequence[tuple[Trial, CaseResult]], inner: Inner | None) -> Mapping[str, Array] | None:
    if inner is not None and inner.guilty is not None:
        return inner.feeds
    wrong = (trial.feeds for trial, case in judged if not case.passed and not case.ill_conditioned)
    return next(wrong, None)


def oracles(answers: Sequence[str]) -> str:
    """Who was asked, the most frequent first; with numbers where that differs from case to case."""
    counts = Counter(answers).most_common()
    if len(counts) == 1:
        return answers[0]
    return "; ".join(f"{by} ({count} of {len(answers)} cases)" for by, count in counts)


@contextmanager
def replaying(saved: Path | None, claim: Claim, backend: str, draws: list[Draw] | None = None) -> Iterator[Answer]:
    """A process that loads the file, while the cases are drawn, and keeps it for all of them.

    Args:
        draws: gets what the file's noise layers draw by themselves.
    """
    if saved is None:
        raise ValueError("There is neither a file nor what answers in its place.")
    replay = Replay.warm(backend)
    inputs, outputs, source = claim.inputs, claim.outputs, claim.source
    noise = {port.name: port.called for port in inputs if port.name in source.noise}
    taken = [port for port in inputs if port.name not in source.noise]
    given, names = ([port.called for port in ports] for ports in (taken, outputs))

    def answer(trials: Sequence[Trial]) -> list[list[Array] | str]:
        """A file that does not load fails them all."""
        cases = [to_keras(inputs, [trial.feeds[port.name] for port in inputs]) for trial in trials]
        carried = [_carry(inputs, outputs, source.states) if trial.case.continues else [] for trial in trials]
        try:
            found = replay.replay(
                saved, cases, carried=carried, inputs=given, outputs=names, noise=list(noise.values())
            )
            if draws is not None:
                draws[:] = draws_of(found.draws, noise, source.noise)
            return found.cases
        except NotEquivalent as error:
            return [error.message] * len(cases)

    replay.open(saved, inputs=given, outputs=names)
    try:
        yield answer
    finally:
        replay.forget()


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
