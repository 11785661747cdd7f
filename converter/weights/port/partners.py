"""A layer as it is called, its partner in the source, and how alike the two are: in numbers and in names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from converter.weights.port.calls import Array, Run, activated, first_array, linear, own_variables
from converter.weights.port.readings import FilledVariable, Reading

QUERY_KEY_VALUE = re.compile(r"(?:^|[\W_])(?:(q|query)|(k|key)|(v|value))(?:$|[\W_])")


@dataclass(frozen=True)
class Matched:
    """A layer and its partner.

    Attributes:
        given_same, made_same: whether its input is that of the partner, and its output for the same input.
        difference: the greatest between the two outputs, as a part of the largest number.
        before: layers and operations without variables between the layer called before and this.
    """

    layer: Any
    reading: Reading
    given_same: bool
    made_same: bool
    difference: float
    before: tuple[Any, ...] = ()

    @property
    def is_equal(self) -> bool:
        return self.given_same and self.made_same


@dataclass(frozen=True)
class Called:
    """A call of a layer, held up: `run` makes it."""

    layer: Any
    run: Run
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: Array
    before: tuple[Any, ...]

    def make(self) -> Any:
        return self.run(*self.args, **self.kwargs)

    def linear(self, *args: Any) -> Array | None:
        """What the layer gives without its own activation, for these arguments or its own."""
        with linear(self.layer):
            return first_array(self.run(*(args or self.args), **self.kwargs))

    def at(self, given: Array) -> Array | None:
        """The same for the source's own input; None where the layer does not take it."""
        try:
            return self.linear(keras.ops.convert_to_tensor(given), *self.args[1:])
        except Exception:  # noqa: BLE001 - whatever a layer of somebody's raises
            return None


def give(layer: Any, reading: Reading) -> None:
    """The numbers of a reading to the layer's variables."""
    for name, variable in own_variables(layer).items():
        told = reading.variables[name]
        variable.assign(np.full(variable.shape, told.value) if isinstance(told, FilledVariable) else told.array)


def path_of(layer: Any) -> str:
    """Of a layer with variables: the names of those around it and its own. Of a variable: its own too."""
    if isinstance(layer, keras.Variable):
        return str(layer.path)
    return str(next(iter(own_variables(layer).values())).path.rpartition("/")[0])


def likeness(layer: Any, reading: Reading) -> float:
    """How much the names of a layer or a variable and of the source say the same: of queries, keys and values the kind
    first."""
    wanted = _kind(path_of(layer))
    if reading.part is not None and reading.part[1] == 3:
        found: int | None = reading.part[0]
    else:
        found = _kind(reading.source.path)
    same_kind = 0 if None in (wanted, found) else (2 if wanted == found else -2)
    ours, theirs = (_words(path) for path in (path_of(layer), reading.source.path))
    return same_kind + len(ours & theirs) / max(len(ours | theirs), 1)


def _kind(path: str) -> int | None:
    places = [place for match in QUERY_KEY_VALUE.finditer(path) for place in range(3) if match.group(place + 1)]
    return places[-1] if places else None


def _words(path: str) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", path.lower()))


def same(a: Array, b: Array, tolerance: float) -> bool:
    return a.size == b.size and difference(a, b) <= tolerance


def difference(a: Array | None, b: Array) -> float:
    """The greatest, as a part of the largest number; infinite where the sizes differ."""
    if a is None or a.size != b.size:
        return float("inf")
    first, second = a.reshape(-1).astype("float64"), b.reshape(-1).astype("float64")
    if not first.size:
        return 0.0
    scale = max(float(np.abs(second).max()), 1e-30)
    return float(np.nan_to_num(np.abs(first - second), nan=np.inf).max()) / scale


def instead(layer: Any, reading: Reading, own: Any) -> Any:
    """What the source has at this place, as the layer would give it."""
    parts = keras.tree.flatten(own)
    if reading.made.size != int(np.prod(parts[0].shape)):
        return own  # nothing that could go on from here
    made = reading.made.reshape(tuple(parts[0].shape))
    parts[0] = activated(layer, keras.ops.convert_to_tensor(made, keras.backend.standardize_dtype(parts[0].dtype)))
    return keras.tree.pack_sequence_as(own, parts)
