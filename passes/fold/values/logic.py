"""Comparisons and choices. A comparison of symbols counts only when it is the same for every size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from passes.dims.least import known_lower_bound
from passes.dims.polynomial import Dim, Expr
from passes.dims.quotient import NotKnown, Ratio
from passes.fold.values.registry import Array, elementwise, is_symbolic, value_of


@value_of("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
def _compare(node: ir.Node, a: Array, b: Array) -> Array:
    if is_symbolic(a, b):
        return elementwise(_SYMBOLIC[node.op_type], a, b).astype(bool)
    return np.asarray(_NUMBERS[node.op_type](a, b))


_NUMBERS: dict[str, np.ufunc] = {
    "Equal": np.equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
}


def _less(a: Dim, b: Dim) -> bool:
    if least(b - a) >= 1:
        return True
    if least(a - b) >= 0:
        return False
    raise NotKnown


def _equal(a: Dim, b: Dim) -> bool:
    if a == b:
        return True
    if least(a - b) >= 1 or least(b - a) >= 1:
        return False
    raise NotKnown


_SYMBOLIC: dict[str, Callable[[Dim, Dim], bool]] = {
    "Equal": _equal,
    "Less": _less,
    "LessOrEqual": lambda a, b: not _less(b, a),
    "Greater": lambda a, b: _less(b, a),
    "GreaterOrEqual": lambda a, b: not _less(a, b),
}


def least(dim: object) -> float:
    """What a dimension is never below; minus infinity where nothing is known."""
    if isinstance(dim, Ratio):
        raise NotKnown
    if not isinstance(dim, int | Expr):
        return float(dim)  # type: ignore[arg-type]
    bound = known_lower_bound(dim)
    return float("-inf") if bound is None else bound


@value_of("Not")
def _not(node: ir.Node, x: Array) -> Array:
    return np.asarray(np.logical_not(x))


@value_of("And", "Or", "Xor")
def _connect(node: ir.Node, a: Array, b: Array) -> Array:
    function = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}[node.op_type]
    return np.asarray(function(a, b))


@value_of("Where")
def _where(node: ir.Node, condition: Array, a: Array, b: Array) -> Array:
    return np.where(condition, a, b)
