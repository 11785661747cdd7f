"""The verdict on a case: within the tolerance, within the oracle's own uncertainty, or wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from converter.ports import Port, to_source
from converter.proof.compare import FLOAT32, Comparison, Tolerance, by_spread, compare, compare_all, tolerance_for
from converter.proof.inputs.trials import Trial
from converter.proof.noise import MOST, MOST_BY_STEPS, PROVING, noise_of, uncertainty, weighed
from converter.proof.oracle import Oracle
from converter.proof.oracle.steps import Steps
from converter.proof.precision import QUANTISED
from converter.proof.verdict import CaseResult, Inner

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Judge:
    """What is known of all cases of a verification.

    Attributes:
        oracle: which is asked how certain it is.
        ports: the outputs.
        tolerance: of the user, for floating-point outputs.
        tolerances: of outputs whose dtype does not tell: see precision.py.
        steps: of the normalised graph.
    """

    oracle: Oracle
    ports: Sequence[Port]
    tolerance: Tolerance | None = None
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    steps: Steps | None = None

    def case(self, trial: Trial, outcome: list[Array] | str) -> CaseResult:
        """What Keras made of a trial, or the message with which it stopped, against what the oracle says."""
        if isinstance(outcome, str):
            return CaseResult(trial.shapes, trial.case.seed, trial.case.note, [], outcome, oracle=trial.by)
        found = to_source(self.ports, outcome) if len(outcome) == len(self.ports) else outcome
        compared, failure = compare_all(self._names, trial.expected, found, self.tolerance, self.tolerances)
        if self.tolerance is None:
            compared = [self._by_steps(by_spread(comparison, PROVING)) for comparison in compared]
        outputs = self._weighed(trial, compared)
        return CaseResult(trial.shapes, trial.case.seed, trial.case.note, outputs, failure, oracle=trial.by)

    def export(self, trial: Trial, by_module: Sequence[Array]) -> CaseResult:
        """What the oracle says, against the module: that is the truth, what the export made of it is judged."""
        compared, failure = compare_all(self._names, by_module, trial.expected, tolerances=self.tolerances)
        outputs = self._weighed(trial, compared)
        return CaseResult(trial.shapes, trial.case.seed, trial.case.note, outputs, failure, oracle="the module itself")

    def proves(self, trial: Trial) -> bool:
        """Whether each output moves by enough to be compared."""
        return not any(map(_is_still, trial.expected))

    def is_decided_by_rounding(self, trial: Trial) -> bool:
        """Whether rounding alone moves an output by so much that a difference would say nothing."""
        noise = uncertainty(self.oracle, trial.feeds, trial.expected, steps=self.steps)
        return any(
            weighed(compare(array, array), array, own, self._most(name)).ill_conditioned
            for name, array, own in zip(self._names, trial.expected, noise, strict=True)
        )

    def unproven(self, trials: Sequence[Trial]) -> dict[str, str]:
        """The outputs that no trial moves, and by how much they do move."""
        found: dict[str, str] = {}
        for place, name in enumerate(self._names):
            arrays = [trial.expected[place] for trial in trials]
            if arrays and all(map(_is_still, arrays)):
                most = max((compare(array, array).spread or 0.0 for array in arrays), default=0.0)
                found[name] = (
                    f"It moves by {most:.3g} only, whatever the inputs are."
                    if any(array.size for array in arrays)
                    else "It is empty at all sizes that were tried."
                )
        return found

    @property
    def _names(self) -> list[str]:
        return [port.name for port in self.ports]

    def _by_steps(self, comparison: Comparison) -> Comparison:
        """An output behind quantised numbers may differ by a step; then each layer by itself has to be right."""
        if not self._goes_by_steps(comparison.name) or comparison.spread is None:
            return comparison
        usual = FLOAT32.atol + FLOAT32.rtol * comparison.max_abs / max(comparison.max_rel, 1e-30)
        return replace(comparison, by="quantisation") if comparison.max_abs > usual else comparison

    def _most(self, name: str) -> float:
        return MOST_BY_STEPS if self._goes_by_steps(name) else MOST

    def _goes_by_steps(self, name: str) -> bool:
        return self.tolerances.get(name) == QUANTISED

    def _weighed(self, trial: Trial, compared: Sequence[Comparison]) -> list[Comparison]:
        """Those that differ by too much are judged again, by what the oracle does not know itself."""
        if self.tolerance is not None or all(c.passed or not np.isfinite(c.max_abs) for c in compared):
            return list(compared)
        noise = uncertainty(self.oracle, trial.feeds, trial.expected, steps=self.steps)
        found = self._weighed_by(noise, trial, compared)
        if self.steps is None or self.steps.are_quantised or all(c.passed or c.ill_conditioned for c in found):
            return found
        on_the_way = noise_of(self.steps, trial.feeds, len(noise))
        if on_the_way is None:
            return found
        return self._weighed_by([max(pair) for pair in zip(noise, on_the_way, strict=True)], trial, compared)

    def _weighed_by(self, noise: Sequence[float], trial: Trial, compared: Sequence[Comparison]) -> list[Comparison]:
        return [
            comparison if comparison.passed else weighed(comparison, reference, own, self._most(comparison.name))
            for comparison, reference, own in zip(compared, trial.expected, noise, strict=True)
        ]


def _is_still(array: Array) -> bool:
    found = compare(array, array)
    return not array.size or (found.spread is not None and found.spread <= PROVING * found.allowed)


def look_inside(
    judged: Sequence[tuple[Trial, CaseResult]],
    unproven: Mapping[str, str],
    find_guilty: Callable[[Mapping[str, Array]], dict[str, Any] | None] | None,
) -> Inner | None:
    """Compare layer by layer where the outputs leave it open: a wrong layer must not hide behind rounding.

    Returns:
        None where the outputs decide, or where there is nobody to ask.
    """
    if find_guilty is None:
        return None
    for trial, case in judged:
        resting = [
            output for output in case.outputs if output.ill_conditioned or (output.by != "tolerance" and output.max_abs)
        ]
        if resting:
            why = f"Output {resting[0].name!r} rests on the oracle's uncertainty or on its own small spread."
        elif unproven:
            why = f"Output {next(iter(unproven))!r} hardly moves."
        else:
            continue
        if not case.failure:
            return Inner(why, find_guilty(trial.feeds), trial.feeds)
    return None


def accepted(case: CaseResult) -> CaseResult:
    """A case whose outputs differ by less than their magnitude allows and by more than their small spread does, once
    every layer by itself is known to be right."""
    outputs = [
        replace(output, passed=True, reason="", by="inner values")
        if not output.passed and output.by == "spread" and not output.ill_conditioned and _is_small(output)
        else output
        for output in case.outputs
    ]
    return replace(case, outputs=outputs)


def _is_small(output: Comparison) -> bool:
    tolerance = tolerance_for(np.dtype(output.dtype))
    return output.max_abs <= tolerance.atol + tolerance.rtol * output.max_abs / max(output.max_rel, 1e-30)
