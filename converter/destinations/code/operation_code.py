"""An operation of `keras.ops` as the call of its function, as an operator or as an index."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras.src.utils.naming import to_snake_case

from converter.destinations.code.expressions import Expression, Literal, Tree, tensors_in
from passes.errors import Unsupported

OPERATORS = {
    "Add": "+",
    "Subtract": "-",
    "Multiply": "*",
    "TrueDivide": "/",
    "FloorDivide": "//",
    "Mod": "%",
    "Power": "**",
    "Matmul": "@",
    "Less": "<",
    "LessEqual": "<=",
    "Greater": ">",
    "GreaterEqual": ">=",
    "LogicalAnd": "&",
    "LogicalOr": "|",
}

_ELSEWHERE = {
    "BatchNorm": "batch_normalization",
    "MapCoordinates": "image.map_coordinates",
    "Mish": "mish",
    "ReLU": "relu",
    "Resize": "image.resize",
}
"""Functions whose names do not follow from the class."""


def operation_code(
    operation: keras.Operation, called: Mapping[str, Expression], config: Mapping[str, Expression]
) -> Tree:
    """The call of the operation.

    Args:
        called: what its `call` was given; a tuple for `*operands`.
        config: what its constructor was given.

    Raises:
        Unsupported: it has no function in `keras.ops`, or one that takes other arguments.
    """
    kind = type(operation).__name__
    operands = list(called.values())
    if kind == "GetItem":
        return _subscript(*operands)
    if kind in OPERATORS and len(operands) == 2 and not config and _of_numbers(operands):
        return Tree("binary", OPERATORS[kind], dict(enumerate(operands)))
    path = _ELSEWHERE.get(kind, to_snake_case(kind))
    function = _function(path)
    if function is None:
        raise Unsupported(f"keras.ops has no function for {kind}: the model cannot be written as code.")
    return Tree("call", f"ops.{path}", *_bound(function, kind, called, config))


def _function(path: str) -> Any:
    found: Any = keras.ops
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _of_numbers(operands: Sequence[Expression]) -> bool:
    """Tensors and Python's numbers; arrays would take the operator for theirs."""
    return all(isinstance(each, Literal) or next(tensors_in(each), None) is not None for each in operands)


def _subscript(value: Expression, index: Expression) -> Tree:
    several = isinstance(index, Tree) and index.kind in ("tuple", "list") and index.parts
    indices = index.placed if isinstance(index, Tree) and several else [index]
    if len(indices) == 1 and isinstance(indices[0], Tree) and indices[0].kind == "slice":
        indices = [*indices, Literal(Ellipsis)]  # by a slice alone Keras does not index a symbolic tensor
    return Tree("subscript", "", dict(enumerate([value, *indices])))


def _bound(
    function: Any, kind: str, called: Mapping[str, Expression], config: Mapping[str, Expression]
) -> tuple[dict[int | str, Expression], dict[str, Any]]:
    """The arguments of the function: what it must have by place, the rest by name where it differs from the default."""
    parameters = inspect.signature(function).parameters
    given = {**config, **_by_name(called, list(parameters))}
    strange = given.keys() - parameters.keys()
    if strange:
        raise Unsupported(f"keras.ops cannot be told {', '.join(sorted(strange))} of {kind} as code.")
    parts: dict[int | str, Expression] = {}
    defaults = {}
    by_place = True
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            operands = given.get(name)
            parts |= dict(enumerate(operands.placed if isinstance(operands, Tree) else [], len(parts)))
        elif parameter.default is parameter.empty:
            by_place = by_place and name in given
            if name in given:
                parts[len(parts) if by_place else name] = given[name]
        else:
            by_place = False
            defaults[name] = parameter.default
            if name in given and given[name] != Literal(parameter.default):
                parts[name] = given[name]
    return parts, defaults


def _by_name(called: Mapping[str, Expression], parameters: Sequence[str]) -> dict[str, Expression]:
    """By the function's names: what `call` names otherwise is at the same place."""
    free = [name for name in parameters if name not in called]
    return {name if name in parameters else free.pop(0): value for name, value in called.items()}
