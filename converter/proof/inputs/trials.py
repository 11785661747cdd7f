"""The trials of a verification: inputs that the source itself accepts, and what the oracle says about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.inputs.arrays import IntegerRanges, choices_of
from converter.proof.inputs.cases import ATTEMPTS, Case, TriedSizes, dynamic_axes, plan, settled_dimensions
from converter.proof.inputs.examples import fitting, of_export, states_of
from converter.proof.noise import spread
from converter.proof.oracle import Oracle
from converter.proof.random_numbers.given import feeds_of
from converter.sources import Source
from passes.dims.polynomial import Dim
from passes.errors import BadSource
from passes.normalize.explicit_axes import kept_axes
from passes.shapes.fitting import demanded_sizes

Array = np.ndarray[Any, np.dtype[Any]]


STEPS = 4
SEED_OF_STEPS = 100

REDRAWN = (100.0, 3.0, 0.3, 1.0)
SEED_OF_REDRAWN = 1000

SCALES = (100.0, 10.0, 0.1)
SEED_OF_SCALES = 200
"""What floats are multiplied by when a case is drawn again, and the seeds: detectors want pixels of 0 to 255."""


GIVE_SIZES = "Give example inputs, --example FILE, or fix the dynamic sizes with --input."


@dataclass(frozen=True)
class Trial:
    """One case with its inputs, axes as in the source, and the outputs that are expected, by which graph."""

    case: Case
    feeds: dict[str, Array]
    expected: list[Array]
    by: str = ""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: np.shape(array) for name, array in self.feeds.items()}


@dataclass(frozen=True)
class Trials:
    """What makes the trials of one source.

    Attributes:
        source: as loaded.
        oracle: for it.
        ranges: of integer inputs.
        never_one: dimensions at whose size 1 the source drops an axis.
        settled: of `settled_dimensions`.
        demanded: of `demanded_sizes`.
        quick: one trial is enough: of the user's own inputs, or of a batch of two.
    """

    source: Source
    oracle: Oracle
    ranges: IntegerRanges = field(default_factory=IntegerRanges)
    never_one: Collection[str] = ()
    settled: Mapping[str, int | str] = field(default_factory=dict)
    demanded: Mapping[Dim, int] = field(default_factory=dict)
    quick: bool = False

    @classmethod
    def knowing(cls, source: Source, oracle: Oracle, known: ir.Model, *, quick: bool = False) -> Trials:
        """With what a graph whose shapes are known, axes as in the source, says of sizes."""
        settled = settled_dimensions(source.asked, known.graph)
        return cls(
            source, oracle, IntegerRanges.of(known.graph), kept_axes(known), settled, demanded_sizes(known), quick
        )

    def planned(self, known: Mapping[str, Array], use_examples: bool, sizes: TriedSizes) -> list[Case]:
        """The cases to try."""
        cases = plan(
            self.source.asked,
            known,
            use_examples=use_examples,
            sizes=sizes,
            never_one=self.never_one,
            settled=self.settled,
            demanded=self.demanded,
        )
        if not self.quick:
            return cases
        return cases[:1] if cases[0].examples else cases[1:2]

    def at(self, case: Case, examples: Mapping[str, Array] | None = None) -> Trial:
        """The trial of a case.

        Raises:
            BadSource: onnxruntime does not run the source so.
        """
        given = feeds_of(self.source, case, examples, self.ranges)
        answer = self.oracle.ask(given)
        return Trial(case, given, answer.outputs, answer.by)

    def asks_the_source(self, trial: Trial) -> bool:
        """Whether the source itself has answered, not the normalised graph in its place; that is asked at sizes that
        the file fixes and a user has opened.
        """
        return self.source.opened is not None or trial.by == self.oracle.description

    def running(self, cases: Iterable[Case], examples: Mapping[str, Array]) -> Iterator[Trial]:
        """Those that the source itself runs."""
        for case in cases:
            with suppress(BadSource):
                trial = self.at(case, examples)
                if self.asks_the_source(trial):
                    yield trial

    def redrawn(self, trials: Sequence[Trial]) -> Iterator[list[Trial]]:
        """The same sizes with other numbers, one attempt for each of the trials after the other."""
        for attempt, scale in enumerate(REDRAWN if trials else ()):
            again = []
            for trial in trials:
                note = f"drawn again, for the inputs of seed {trial.case.seed} are ill-conditioned"
                seed = SEED_OF_REDRAWN * (attempt + 1) + trial.case.seed
                with suppress(BadSource):
                    again.append(self.at(Case(seed, trial.case.dims, note, scale=scale)))
            yield again

    def moving(self, trial: Trial) -> Iterator[Trial]:
        """The same sizes with much smaller and much larger numbers: a saturated output moves then."""
        for place, scale in enumerate(SCALES):
            with suppress(BadSource):
                yield self.at(Case(SEED_OF_SCALES + place, trial.case.dims, f"inputs × {scale:g}", scale=scale))


def make_trials(
    making: Trials, examples: Mapping[str, Array], notes: list[str], *, proving: Callable[[Trial], bool]
) -> list[Trial]:
    """Every case that the source itself runs, at sizes at which its outputs are whole and move.

    Args:
        making: the source and its oracle.
        examples: the user's own inputs; without any, those that the module was exported with give the sizes.
        notes: what could not be tried is added here.
        proving: whether every output of a trial moves by enough to be compared.

    Raises:
        UsageError: the examples do not fit the source.
        BadSource: onnxruntime runs the source in no case at all.
    """
    source = making.source
    given = fitting(source, examples, notes)
    known = given or of_export(source)
    refusals: list[str] = []
    first: tuple[list[Trial], list[str]] | None = None
    for sizes in ATTEMPTS:
        trials, refused = _attempt(making, given, known, sizes)
        refusals = refusals or refused
        if trials and _moves(trials, source) and (making.asks_the_source(trials[0]) or not dynamic_axes(source.asked)):
            first = trials, refused
            break
        first = first or ((trials, refused) if trials else None)
    if first is not None:
        trials, refused = first
        notes.extend(refused)
        trials = _whole(trials, notes)
        trials += _other_choices(making, trials, given, known, notes)
        if not any(map(proving, trials)):
            trials += islice(filter(proving, making.moving(trials[0])), 1)
        return [*trials, *_steps(making, trials[0].case)] if source.states else trials
    raise BadSource(
        f"onnxruntime runs the source at no size that was tried. {refusals[0] if refusals else ''}".strip(),
        hint=GIVE_SIZES,
    )


def running_trials(making: Trials, examples: Mapping[str, Array], count: int = 1) -> list[Trial]:
    """The first cases that the source itself runs, at sizes at which its outputs move, if there are such.

    Raises:
        BadSource: onnxruntime runs the source in no case at all.
    """
    given = fitting(making.source, examples, [])
    known = given or of_export(making.source)
    still: list[Trial] = []
    for sizes in ATTEMPTS:
        trials = list(islice(making.running(making.planned(known, bool(given), sizes), given), count))
        if trials and _moves(trials, making.source):
            return trials
        still = still or trials
    if still:
        return still
    raise BadSource("onnxruntime runs the source at no size that was tried.", hint=GIVE_SIZES)


def _other_choices(
    making: Trials, trials: Sequence[Trial], examples: Mapping[str, Array], known: Mapping[str, Array], notes: list[str]
) -> list[Trial]:
    """A trial of each number of a mode with which the source has not run yet: a sampling rate may want other sizes."""
    found: list[Trial] = []
    for value in making.source.asked:
        name, numbers = value.name or "", choices_of(value)
        for number in {*numbers} - {int(trial.feeds[name].reshape(-1)[0]) for trial in trials if numbers}:
            fixed = {name: np.full(np.shape(trials[0].feeds[name]), number, trials[0].feeds[name].dtype)}
            cases = chain.from_iterable(making.planned(known, bool(examples), sizes) for sizes in ATTEMPTS)
            told = f"{name} = {number}"
            with_number = (replace(case, examples={**case.examples, **fixed}, note=told) for case in cases)
            running = next(making.running(with_number, examples), None)
            found += [] if running is None else [running]
            if running is None:
                notes.append(f"Not compared with {told}: the source runs so at no size that was tried.")
    return found


def _moves(trials: Sequence[Trial], source: Source) -> bool:
    """Whether larger sizes would show nothing new: there are none, or each output has different numbers."""
    sizes = [role for role in dynamic_axes(source.asked).values() if role != "batch"]
    answers = zip(*(trial.expected for trial in trials), strict=True)
    return not sizes or all(any(array.size and spread(array) > 0 for array in output) for output in answers)


def _whole(trials: list[Trial], notes: list[str]) -> list[Trial]:
    """Those in which every output has numbers, if there are any: an empty one proves nothing."""
    whole = [trial for trial in trials if all(np.size(array) for array in trial.expected)]
    if not whole or len(whole) == len(trials):
        return trials
    empty = next(trial for trial in trials if trial not in whole)
    shapes = ", ".join(f"{name} {np.shape(array)}" for name, array in empty.feeds.items())
    notes.append(f"Not compared at sizes at which an output is empty, such as {shapes}.")
    return whole


def _attempt(
    making: Trials, examples: Mapping[str, Array], known: Mapping[str, Array], sizes: TriedSizes
) -> tuple[list[Trial], list[str]]:
    """The cases that run, and what was said about those that do not. None counts where the plain size fails."""
    trials: list[Trial] = []
    refused: list[str] = []
    for case in making.planned(known, bool(examples), sizes):
        try:
            trial = making.at(case, examples)
            if trials and making.asks_the_source(trials[0]) and not making.asks_the_source(trial):
                raise BadSource(trial.by)  # where the source runs at others, it is not onnxruntime that fails
            trials.append(trial)
        except BadSource as error:
            given = feeds_of(making.source, case, examples, making.ranges)
            shapes = ", ".join(f"{name} {np.shape(array)}" for name, array in given.items())
            refused.append(f"The source itself does not run at {shapes}: {error.message}")
            if not trials:
                return [], refused
    return trials, refused


def _steps(making: Trials, first: Case) -> list[Trial]:
    """Calls in a row: each is given the state that the one before has left."""
    source = making.source
    outputs = [value.name or "" for value in source.model.graph.outputs]
    state = states_of(source)
    trials: list[Trial] = []
    for step in range(STEPS):
        case = Case(SEED_OF_STEPS + step, first.dims, f"step {step + 1}", state, continues=step > 0)
        trials.append(making.at(case))
        found = dict(zip(outputs, trials[-1].expected, strict=True))
        state = {name: found[output] for name, output in source.states.items()}
    return trials
