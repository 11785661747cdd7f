"""The trials of a verification: inputs that the source itself accepts, and what the oracle says about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.proof.cases import ATTEMPTS, Case, Sizes, base_sizes, feeds, graph_inputs, plan
from converter.proof.oracle import Oracle
from converter.sources import Source
from passes.errors import BadSource, UsageError

Array = np.ndarray[Any, np.dtype[Any]]


STEPS = 4
SEED_OF_STEPS = 100


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


def make_trials(source: Source, oracle: Oracle, examples: Mapping[str, Array], notes: list[str]) -> list[Trial]:
    """Every case that the source itself runs.

    Args:
        source: as loaded.
        oracle: for it.
        examples: the user's own inputs; without any, those that the module was exported with give the sizes.
        notes: what could not be tried is added here.

    Raises:
        UsageError: the examples do not fit the source.
        BadSource: onnxruntime runs the source in no case at all.
    """
    given = _fitting(source, examples, notes)
    known = given or _of_export(source)
    refusals: list[str] = []
    for sizes in ATTEMPTS:
        trials, refused = _attempt(source, oracle, given, known, sizes)
        refusals = refusals or refused
        if trials:
            notes.extend(refused)
            return [*trials, *_steps(source, oracle, trials[0].case)] if source.states else trials
    raise BadSource(
        f"onnxruntime runs the source at no size that was tried. {refusals[0] if refusals else ''}".strip(),
        hint="Pass example inputs from Python, or fix the dynamic sizes with --input.",
    )


def example_arrays(source: Source, example_inputs: Any) -> dict[str, Array]:
    """The user's example inputs by the name of the graph's input, as numpy arrays.

    Raises:
        UsageError: there are more or fewer than inputs, or a name is unknown.
    """
    if example_inputs is None:
        return {}
    names = [value.name or "" for value in graph_inputs(source.model)]
    if isinstance(example_inputs, Mapping):
        unknown = sorted({name for name, _ in _named_tensors(example_inputs)} - set(names))
        if unknown:
            raise UsageError(
                f"There is no input {', '.join(map(repr, unknown))}.", hint=f"The inputs are {', '.join(names)}."
            )
        return _states(source) | {name: _as_array(value) for name, value in _named_tensors(example_inputs)}
    tensors = [value for _, value in _named_tensors({"": example_inputs})]
    states = _states(source)
    if len(tensors) == len(names) - len(states):
        tensors += states.values()
    if len(tensors) != len(names):
        raise UsageError(
            f"{len(tensors)} example inputs for {len(names)} inputs.", hint=f"The inputs are {', '.join(names)}."
        )
    return {name: _as_array(value) for name, value in zip(names, tensors, strict=True)}


def _attempt(
    source: Source, oracle: Oracle, examples: Mapping[str, Array], known: Mapping[str, Array], sizes: Sizes
) -> tuple[list[Trial], list[str]]:
    """The cases that run, and what was said about those that do not. None counts where the plain size fails."""
    values = graph_inputs(source.model)
    trials: list[Trial] = []
    refused: list[str] = []
    for case in plan(values, known, use_examples=bool(examples), sizes=sizes):
        given = feeds(values, case, examples)
        try:
            trials.append(_trial(case, given, oracle))
        except BadSource as error:
            shapes = ", ".join(f"{name} {np.shape(array)}" for name, array in given.items())
            refused.append(f"The source itself does not run at {shapes}: {error.message}")
            if not trials:
                return [], refused
    return trials, refused


def _trial(case: Case, given: dict[str, Array], oracle: Oracle) -> Trial:
    answer = oracle.ask(given)
    return Trial(case, given, answer.outputs, answer.by)


def _steps(source: Source, oracle: Oracle, first: Case) -> list[Trial]:
    """Calls in a row: each is given the state that the one before has left."""
    values = graph_inputs(source.model)
    outputs = [value.name or "" for value in source.model.graph.outputs]
    state = _states(source)
    trials: list[Trial] = []
    for step in range(STEPS):
        case = Case(SEED_OF_STEPS + step, first.dims, f"step {step + 1}", state, continues=step > 0)
        given = feeds(values, case)
        trials.append(_trial(case, given, oracle))
        found = dict(zip(outputs, trials[-1].expected, strict=True))
        state = {name: found[output] for name, output in source.states.items()}
    return trials


def _fitting(source: Source, examples: Mapping[str, Array], notes: list[str]) -> Mapping[str, Array]:
    """The examples, unless the export fixed a size that they do not have: then they cannot be tried."""
    try:
        base_sizes(graph_inputs(source.model), examples)
    except UsageError as error:
        if source.torch_module is None:
            raise
        notes.append(f"The example inputs were not tried: {error.message}")
        return {}
    return examples


def _of_export(source: Source) -> dict[str, Array]:
    """The inputs that the module was exported with: their values mean nothing, their sizes are known to work."""
    try:
        known = example_arrays(source, source.example_inputs)
        base_sizes(graph_inputs(source.model), known)
    except UsageError:
        return {}
    return known


def _states(source: Source) -> dict[str, Array]:
    """What the buffers of the module held, by the inputs that were made of them: the last of those of the export."""
    values = (source.example_inputs or ())[-len(source.states) :] if source.states else ()
    return {name: _as_array(value) for name, value in zip(source.states, values, strict=True)}


def _named_tensors(examples: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The tensors in lists, tuples and dictionaries: those of `images` are `images.0`, `images.1`, …"""
    for name, value in examples.items():
        if hasattr(value, "shape"):
            yield name, value
        elif isinstance(value, Mapping):
            yield from _named_tensors({f"{name}.{key}": part for key, part in value.items()})
        elif isinstance(value, (tuple, list)):
            fields = getattr(value, "_fields", range(len(value)))
            yield from _named_tensors({f"{name}.{key}": part for key, part in zip(fields, value, strict=True)})


def _as_array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import ml_dtypes

            return np.asarray(value.float().numpy()).astype(ml_dtypes.bfloat16)
    return np.asarray(value)
