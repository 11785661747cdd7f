"""Variables that were computed from tensors of the source: which of them can be computed anew, and undone.

An LSTM of torch has two biases for each gate, Keras one, which is their sum. Everything else that was computed (a
folded BatchNormalization, gates in another order) is known by its numbers: while they are as they were, so are the
tensors.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


MOST_SUMMANDS = 4
"""The biases of a layer in both directions."""


def describe_computed(
    origins: Mapping[str, dict[str, Any]], variables: Iterable[Any], state: Mapping[str, Array]
) -> None:
    """Complete what is told of each variable: that it is the sum of two tensors, or else the digest of its numbers.

    Args:
        origins: by path of a variable, as `Conversion.weights`.
        variables: of the Keras model.
        state: tensors of the source that no variable holds.
    """
    for variable in variables:
        entry = origins.get(variable.path)
        if entry is None or entry["view"] != "derived" or entry["source"] is None:
            continue
        array = np.asarray(variable.numpy())
        names = _summands(array, [name for name in entry["computed_from"] if name in state], state)
        if names is not None:
            entry["sum"], entry["shape"] = list(names), list(array.shape)
        else:
            entry["digest"] = digest_of(array)


def digest_of(array: Array) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()


def summed(names: Sequence[str], state: Mapping[str, Array]) -> Array:
    """The numbers of a variable that is the sum of two tensors."""
    first, second = (state[name] for name in names)
    return np.asarray(first + second)


def parted(array: Array, names: Sequence[str], kept: Mapping[str, Array]) -> dict[str, Array]:
    """Two tensors of which a variable is the sum: those of the source, where their sum is what it was."""
    before = [kept.get(name) for name in names]
    if before[0] is not None and before[1] is not None and _is_sum(array, before[0], before[1]):
        return dict(zip(names, (before[0], before[1]), strict=True))
    return {names[0]: array, names[1]: np.zeros_like(array)}


def _summands(array: Array, names: Sequence[str], state: Mapping[str, Array]) -> tuple[str, str] | None:
    """The two tensors of which it is the sum, by their numbers.

    Where one is zero, as another framework leaves it, others fit as well, and an exporter takes it from any place where
    there are zeros: then the one is what torch calls like the other.
    """
    alike = {tuple(sorted((name, name.replace("_ih_", "_hh_")))) for name in names if "_ih_" in name}
    for pairs in (alike, itertools.combinations(names, 2) if len(names) <= MOST_SUMMANDS else ()):
        fitting = [(a, b) for a, b in pairs if b in state and a in state and _is_sum(array, state[a], state[b])]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _is_sum(array: Array, first: Array, second: Array) -> bool:
    if not array.shape == first.shape == second.shape or not array.dtype == first.dtype == second.dtype:
        return False
    return bool(np.array_equal(array, first + second))
