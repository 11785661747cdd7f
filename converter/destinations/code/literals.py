"""Python values as expressions. Arrays of many numbers lie in a file beside the code."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from converter.destinations.code.expressions import Expression, Literal, Tree, call, group
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


def literal(value: Any) -> Expression:
    """A number, a string, or tuples, lists and dictionaries of them.

    Raises:
        Unsupported: it is something else.
    """
    match value:
        case None | bool() | int() | float() | str() | _ if _is_plain(value):
            return Literal(value)
        case np.generic():
            return _array(np.asarray(value))
        case np.ndarray():
            return _array(value)
        case tuple():
            return group("tuple", [literal(each) for each in value])
        case list():
            return group("list", [literal(each) for each in value])
        case dict():
            return Tree("dict", "", {str(key): literal(each) for key, each in value.items()})
        case slice():
            return group("slice", [literal(each) for each in (value.start, value.stop, value.step)])
    raise Unsupported(f"The model has an argument that cannot be written as code: {value!r:.80}.")


def _is_plain(value: Any) -> bool:
    return value is None or value is Ellipsis or type(value) in (bool, int, float, str)


def _array(array: np.ndarray[Any, np.dtype[Any]]) -> Expression:
    dtype = keras.backend.standardize_dtype(array.dtype)
    return call("np.array", _nested(array.tolist()), Literal(dtype))


def _nested(values: Any) -> Expression:
    return group("list", [_nested(each) for each in values]) if isinstance(values, list) else Literal(values)
