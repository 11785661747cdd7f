"""Where the meanings of operators are registered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim, Expr
from passes.dims.quotient import NotKnown, Ratio
from passes.registry import Registry

Array = np.ndarray[Any, np.dtype[Any]]
Evaluator = Callable[..., Array | tuple[Array, ...]]

EVALUATORS: Registry[str, Evaluator] = Registry("evaluators")
"""Functions of (node, *inputs)."""

value_of = EVALUATORS.register


def evaluate(node: ir.Node, inputs: Sequence[Array | None]) -> list[Array]:
    """The outputs of a node whose operator is in EVALUATORS.

    Raises:
        NotKnown: symbols leave more than one answer.
    """
    result = EVALUATORS[node.op_type](node, *inputs)
    return [np.asarray(part) for part in result] if isinstance(result, tuple) else [np.asarray(result)]


def is_symbolic(*arrays: Array | None) -> bool:
    """Whether an array holds dimensions instead of numbers."""
    return any(array is not None and array.dtype == object for array in arrays)


def numbers(array: Array) -> Array:
    """The array, which must not hold symbols."""
    if array.dtype == object:
        raise NotKnown
    return array


def integer(element: object) -> int:
    """An element that must be a plain number."""
    if isinstance(element, Expr | Ratio):
        raise NotKnown
    return int(element)  # type: ignore[call-overload, no-any-return]


def elementwise(function: Callable[..., object], *arrays: Array) -> Array:
    """Apply a function of dimensions over arrays that broadcast."""
    broadcast = np.broadcast_arrays(*arrays)
    result = np.empty(broadcast[0].shape, object)
    for index in np.ndindex(result.shape):
        result[index] = function(*(_element(array[index]) for array in broadcast))
    return result


def whole(*elements: object) -> None:
    """Require dimensions: which of two quotients, or of two floats beside a symbol, is the greater is not known here.

    Raises:
        NotKnown: an element is none.
    """
    if not all(isinstance(element, int | Expr) for element in elements):
        raise NotKnown


def _element(element: object) -> Dim | Ratio | float:
    if isinstance(element, Expr | Ratio | int):
        return element
    if isinstance(element, np.bool | np.integer):
        return int(element)
    return float(element)  # type: ignore[arg-type]
