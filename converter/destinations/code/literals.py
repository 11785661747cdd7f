"""Python values as expressions. Arrays of many numbers lie in a file beside the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from converter.destinations.code.expressions import Expression, Literal, call, group, tree
from passes.errors import Unsupported

MOST_WRITTEN = 32
"""An array of more numbers is a constant by name."""


class Constants:
    """The arrays of a file: equal ones once.

    Attributes:
        arrays: by name.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def name(self, array: np.ndarray[Any, np.dtype[Any]], wanted: str) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            name = wanted if wanted not in self.arrays else f"{wanted}-{len(self.arrays)}"
            self._names[key] = name
            self.arrays[name] = array
        return self._names[key]


def literal(value: Any, special: Callable[[Any], Expression | None] = lambda value: None) -> Expression:
    """A number, a string, an array, or tuples, lists and dictionaries of them.

    Args:
        special: has expressions for other things that are among them.

    Raises:
        Unsupported: it is something else.
    """
    found = special(value)
    if found is not None:
        return found
    if value is None or value is Ellipsis or type(value) in (bool, int, float, str):
        return Literal(value)
    match value:
        case np.generic() | np.ndarray():
            return call("np.array", literal(value.tolist()), Literal(keras.backend.standardize_dtype(value.dtype)))
        case tuple():
            return group("tuple", [literal(each, special) for each in value])
        case list():
            return group("list", [literal(each, special) for each in value])
        case dict():
            return tree("dict", "", **{str(key): literal(each, special) for key, each in value.items()})
        case slice():
            return group("slice", [literal(each, special) for each in (value.start, value.stop, value.step)])
    raise Unsupported(f"The model has an argument that cannot be written as code: {value!r:.80}.")


def tuples(value: Any) -> Any:
    """Lists of a configuration are tuples in code, and its arrays are arrays."""
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return np.array(value["config"]["value"], value["config"]["dtype"])
    return tuple(tuples(each) for each in value) if isinstance(value, list | tuple) else value
