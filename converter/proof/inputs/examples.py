"""The user's example inputs, and those that a module was exported with, by the names of the graph's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from converter.example_files import ExampleFiles
from converter.proof.inputs.cases import base_sizes
from converter.sources import Source
from passes.errors import UsageError

Array = np.ndarray[Any, np.dtype[Any]]


def example_arrays(source: Source, example_inputs: Any) -> dict[str, Array]:
    """The user's example inputs by the name of the graph's input, as numpy arrays.

    Raises:
        UsageError: there are more or fewer than inputs, or a name is unknown.
    """
    if example_inputs is None:
        return {}
    names = [value.name or "" for value in source.asked]
    if isinstance(example_inputs, ExampleFiles):
        example_inputs = example_inputs.arrays(source.asked)
    if isinstance(example_inputs, Mapping):
        unknown = sorted({name for name, _ in _named_tensors(example_inputs)} - set(names))
        if unknown:
            raise UsageError(
                f"There is no input {', '.join(map(repr, unknown))}.", hint=f"The inputs are {', '.join(names)}."
            )
        return states_of(source) | {name: _as_array(value) for name, value in _named_tensors(example_inputs)}
    tensors = [value for _, value in _named_tensors({"": example_inputs})]
    states = states_of(source)
    if len(tensors) == len(names) - len(states):
        tensors += states.values()
    if len(tensors) != len(names):
        raise UsageError(
            f"{len(tensors)} example inputs for {len(names)} inputs.", hint=f"The inputs are {', '.join(names)}."
        )
    return {name: _as_array(value) for name, value in zip(names, tensors, strict=True)}


def fitting(source: Source, examples: Mapping[str, Array], notes: list[str]) -> Mapping[str, Array]:
    """The examples, unless the export fixed a size that they do not have: then they cannot be tried."""
    try:
        base_sizes(source.asked, examples)
    except UsageError as error:
        if source.torch_module is None:
            raise
        notes.append(f"The example inputs were not tried: {error.message}")
        return {}
    return examples


def of_export(source: Source) -> dict[str, Array]:
    """The inputs that the module was exported with: their values mean nothing, their sizes are known to work."""
    try:
        known = example_arrays(source, source.example_inputs)
        base_sizes(source.asked, known)
    except UsageError:
        return {}
    return known


def states_of(source: Source) -> dict[str, Array]:
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
