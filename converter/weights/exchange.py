"""Numbers between a state_dict of torch and the variables of a Keras model, by the record of the conversion."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from converter.sources.checkpoints.fit import check_fit, listed, without_counters
from converter.weights.computed import digest_of, parted, summed
from converter.weights.record import Record, WeightPlace
from passes.errors import BadSource
from passes.graph.view_steps import apply_view, shape_after


def into_variables(record: Record, state: Mapping[str, np.ndarray], what: str) -> dict[str, np.ndarray]:
    """The numbers for each variable, by its path.

    Raises:
        BadSource: names or shapes do not fit (all of them in one error), or a variable was computed from several
            tensors, so that it cannot be made anew here.
    """
    if record.computed:
        raise BadSource(
            f"Variables of the model were computed from tensors of the source: {listed(sorted(record.computed))}.",
            hint="Convert the source with the new weights: with --checkpoint FILE, or an ONNX file that has them.",
        )
    expected = {name: SimpleNamespace(shape=shape) for name, shape in record.shapes.items()}
    given = {name: array for name, array in state.items() if name in expected or name not in record.others}
    check_fit(without_counters(expected), without_counters(given), what, record.source)
    added = {path: summed(names, state) for path, (names, _) in record.sums.items()}
    return {path: apply_view(state[place.source], place.view) for path, place in record.places.items()} | added


def into_state(record: Record, values: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The state_dict of the source that the variables hold, and the names of what cannot be told from them.

    Raises:
        BadSource: the model lacks a variable of the record, one has another shape, or two of one tensor differ.
    """
    state: dict[str, np.ndarray] = dict(record.kept)
    for path, names in record.computed.items():
        if path not in values or digest_of(values[path]) != record.digests[path]:
            for name in names:  # what the file keeps of it is older than the variable
                state.pop(name, None)
    for path, (names, _) in record.sums.items():
        state |= parted(_known(values, path), names, record.kept)
    for path, place in record.places.items():
        array = undone(_known(values, path), place, path)
        if place.source in state and not np.array_equal(state[place.source], array, equal_nan=True):
            raise BadSource(f"Variables that are one tensor of the source, {place.source!r}, differ: {path!r} is one.")
        state[place.source] = array
    lost = {*itertools.chain(*record.computed.values()), *record.others} - state.keys()
    return state, sorted(lost)


def _known(values: Mapping[str, np.ndarray], path: str) -> np.ndarray:
    if path not in values:
        raise BadSource(f"The model has no variable {path!r}: it is not the one that the record is of.")
    return values[path]


def undone(array: np.ndarray, place: WeightPlace, path: str) -> np.ndarray:
    """An array of a variable as it lies in the source.

    Raises:
        BadSource: it has not the variable's shape.
    """
    shapes = [place.shape]
    for step in place.view:
        shapes.append(shape_after(shapes[-1], step))
    if tuple(array.shape) != shapes[-1]:
        raise BadSource(f"The variable {path!r} has the shape {array.shape}, not {shapes[-1]}.")
    for (kind, numbers), before in zip(reversed(place.view), reversed(shapes[:-1]), strict=True):
        array = array.transpose(np.argsort(numbers)) if kind == "transpose" else array.reshape(before)
    return np.array(array, order="C")  # ascontiguousarray makes a vector of a scalar


def assign(model: Any, values: Mapping[str, np.ndarray]) -> None:
    """Give the variables these numbers; all of them are checked before the first is changed.

    Raises:
        BadSource: the model has no such variable, or one of another shape.
    """
    variables = {variable.path: variable for variable in model.variables}
    for path, array in values.items():
        if path not in variables or tuple(variables[path].shape) != array.shape:
            raise BadSource(f"The model has no variable {path!r} of the shape {array.shape}.")
    for path, array in values.items():
        variables[path].assign(array)
