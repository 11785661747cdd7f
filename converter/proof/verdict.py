"""The outcome of a verification as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.proof.compare import Comparison
from converter.proof.fewer_bits.measure import FewerBits, Signal, told_of_policy, told_of_signals
from converter.proof.random_numbers.drawn import Draw

if TYPE_CHECKING:
    from converter.proof.inputs.trials import Trial

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class CaseResult:
    """One trial: what went in, who said what comes out, and how every output compares. `failure` is what stopped Keras,
    or ""."""

    shape: Mapping[str, tuple[int, ...]]
    seed: int
    note: str
    outputs: list[Comparison]
    failure: str = ""
    oracle: str = ""

    @property
    def passed(self) -> bool:
        return not self.failure and all(output.passed for output in self.outputs)

    @property
    def ill_conditioned(self) -> bool:
        """Nothing is known to be wrong, and what differs differs by rounding: the case says nothing."""
        wrong = [output for output in self.outputs if not output.passed]
        return not self.failure and bool(wrong) and all(output.ill_conditioned for output in wrong)

    def to_dict(self) -> dict[str, Any]:
        return {
            "shape": {name: list(shape) for name, shape in self.shape.items()},
            "seed": self.seed,
            "note": self.note,
            "oracle": self.oracle,
            "passed": self.passed,
            "ill_conditioned": self.ill_conditioned,
            "failure": self.failure,
            "outputs": [output.to_dict() for output in self.outputs],
        }


MOST_ROUNDING = 3.0
"""How much more than the allowed error may be rounding, where every layer by itself is right: kernels add up in other
orders on other processors, and a hundred layers add up that."""


@dataclass(frozen=True)
class Precision:
    """Against the module in float64: Keras may be three times as far from the truth as onnxruntime, not further.

    `is_rounding`: every layer by itself is known to be right.
    """

    output: str
    rmse_keras: float
    rmse_oracle: float
    allowed: float
    is_rounding: bool = False

    @property
    def passed(self) -> bool:
        return self.rmse_keras <= self.allowed * (MOST_ROUNDING if self.is_rounding else 1.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "output": self.output,
            "rmse_keras": self.rmse_keras,
            "rmse_oracle": self.rmse_oracle,
            "allowed": self.allowed,
            "by": "inner values" if self.is_rounding else "tolerance",
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Inner:
    """Every value of the graph compared as well, each layer by itself: `why` that had to be, and the layer that is
    `guilty`, as guilt/diff.py tells it; None where each computes what it should."""

    why: str
    guilty: dict[str, Any] | None
    feeds: Mapping[str, Array] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {"why": self.why, "passed": self.guilty is None, "guilty": self.guilty}


ENOUGH = 2
"""Cases that are well-conditioned, of those that were planned."""


@dataclass
class Verification:
    """Whether a saved model computes what its source does.

    Attributes:
        oracle: which graph onnxruntime computed, and why not the source itself where it did not; a case says its own.
        backend: the Keras backend of the replay.
        cases: one for each trial.
        export: the same comparisons between the torch module and onnxruntime; None where there is no module. What fails
            here is the export's fault, not the conversion's.
        precision: per output, against float64; empty where the module does not run in float64.
        first_difference: where the two part ways, see guilt/first_difference.py; None where they agree.
        counterexample: inputs that come out wrong, axes as in the source; not part of the report.
        trials: the cases that were equal, for further measurements; not part of the report.
        first: the inputs of the first case, axes as in the source; not part of the report.
        notes: trials that could not be made, and why.
        inner: set where the outputs alone do not decide.
        unproven: outputs that hardly move in any case, and why that proves little about them.
        others: the same on other Keras backends.
        is_quick: one case only, without float64.
        draws: of a model that draws random numbers, what each layer draws by itself: in the cases they were inputs.
        fewer: of a file with a dtype policy of fewer bits: what it has to keep, by which it is judged.
        signals: what it keeps of each output that has a signal; not part of the report's verification.
    """

    oracle: str
    backend: str
    cases: list[CaseResult] = field(default_factory=list)
    export: CaseResult | None = None
    precision: list[Precision] = field(default_factory=list)
    first_difference: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    inner: Inner | None = None
    unproven: dict[str, str] = field(default_factory=dict)
    others: list[Verification] = field(default_factory=list)
    counterexample: Mapping[str, Array] | None = field(default=None, repr=False)
    trials: Sequence[Trial] = field(default=(), repr=False)
    first: Mapping[str, Array] = field(default_factory=dict, repr=False)
    is_quick: bool = False
    draws: list[Draw] = field(default_factory=list)
    fewer: FewerBits | None = None
    signals: Sequence[Signal] = field(default=(), repr=False)

    @property
    def passed(self) -> bool:
        """Every case equal, and at least one; cases that are ill-conditioned do not count."""
        return (
            self.is_conditioned
            and all(case.passed or case.ill_conditioned for case in self.cases)
            and (self.inner is None or self.inner.guilty is None)
            and all(other.passed for other in self.others)
            and (self.export is None or self.export.passed or self.export.ill_conditioned)
            and all(precision.passed for precision in self.precision)
            and not any(draw.reason for draw in self.draws)
        )

    @property
    def max_abs(self) -> float | None:
        """The greatest difference over all outputs and all cases that count; None where one could not be compared."""
        cases = [case for case in self.cases if not case.ill_conditioned]
        return _worst([output.to_dict()["max_abs"] for case in cases for output in case.outputs])

    def summary(self) -> dict[str, Any]:
        """For the line that a report has of each destination."""
        return {"passed": self.passed, "cases": len(self.cases), "max_abs": self.max_abs}

    @property
    def reason(self) -> str:
        """The first thing that failed, in a sentence; "" when nothing did."""
        if self.inner is not None and self.inner.guilty is not None:
            return f"{self.inner.why} One layer by itself computes otherwise: {self.inner.guilty['reason']}."
        for case in self.cases:
            if case.ill_conditioned:
                continue
            where = ", ".join(f"{name} {tuple(shape)}" for name, shape in case.shape.items())
            if case.failure:
                return f"Keras stops at inputs {where}: {case.failure}"
            for output in case.outputs:
                if not output.passed:
                    return f"Output {output.name!r} at inputs {where}: {output.reason}."
        for output in self.export.outputs if self.export is not None and not self.export.ill_conditioned else []:
            if not output.passed:
                return f"PyTorch's export differs from the module itself at output {output.name!r}: {output.reason}."
        for precision in self.precision:
            if not precision.passed:
                return (
                    f"Output {precision.output!r} is further from float64 than onnxruntime's: rmse "
                    f"{precision.rmse_keras:.3g} against {precision.rmse_oracle:.3g}, allowed {precision.allowed:.3g}."
                )
        for draw in self.draws:
            if draw.reason:
                return f"Random numbers: {draw.reason}."
        for other in self.others:
            if not other.passed:
                return f"On {other.backend}: {other.reason}"
        if not self.cases:
            return "No case could be tried."
        return "" if self.is_conditioned else f"Too few cases are well-conditioned: rounding alone moves {self._moved}."

    @property
    def _moved(self) -> str:
        """The output that rounding moves most in the cases that say nothing."""
        moved = [output for case in self.cases for output in case.outputs if output.ill_conditioned]
        worst = max(moved, key=lambda output: output.uncertainty or 0.0, default=None)
        return f"output {worst.name!r} of onnxruntime by {worst.uncertainty:.3g}" if worst else "the outputs"

    @property
    def is_conditioned(self) -> bool:
        """Whether enough cases say something."""
        sound = sum(case.passed for case in self.cases)
        return sound >= min(ENOUGH, sum(not case.ill_conditioned for case in self.cases) or 1)

    def dtype_policy(self) -> dict[str, Any] | None:
        """What the report has of it; None where the file computes with the source's bits."""
        if self.fewer is None:
            return None
        measured = [told_of_signals(each.backend, each.signals) for each in (self, *self.others) if each.signals]
        return {**told_of_policy(self.fewer, is_proven_without=False), "measured": measured}

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "reason": self.reason,
            "max_abs": self.max_abs,
            "oracle": self.oracle,
            "mode": "quick" if self.is_quick else "full",
            "backend": self.backend,
            "cases": [case.to_dict() for case in self.cases],
            "export": None if self.export is None else self.export.to_dict(),
            "precision": [precision.to_dict() for precision in self.precision],
            "first_difference": self.first_difference,
            "inner": None if self.inner is None else self.inner.to_dict(),
            "unproven": self.unproven,
            "draws": [draw.to_dict() for draw in self.draws],
            "others": [other.to_dict() for other in self.others],
            "notes": self.notes,
        }


def _worst(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if values and len(known) == len(values) else None
