"""Where shape rules are registered, and what a rule may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.registry import Registry
from passes.shapes.rules.known_shapes import Shape

Shapes = list[Shape | None]


class NoRule(Exception):
    """The rule lacks something it needs, such as the value of a shape input."""


@dataclass(slots=True)
class Site:
    """What a rule may ask: the shapes of the inputs (None: absent or of unknown rank), and their values.

    And tell: `equate` is for two sizes of which the operator needs that they are one, the simpler one second; `demand`
    is for sizes of inputs: one that has to be a number, or another one's.
    """

    shapes: Sequence[Shape | None]
    values: Callable[[int], np.ndarray | None]
    equate: Callable[[Dim, Dim], None] = lambda one, simpler: None
    demand: Callable[[Dim, Dim], None] = lambda one, other: None

    def shape(self, index: int) -> Shape:
        shape = self.shapes[index] if index < len(self.shapes) else None
        if shape is None:
            raise NoRule
        return shape

    def has(self, index: int) -> bool:
        """Whether the input is there at all."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def is_known(self, index: int) -> bool:
        """Whether the elements of an input are told."""
        return self.values(index) is not None

    def value(self, index: int) -> list[Dim]:
        """The elements of a shape-like input, symbols among them."""
        found = self.factors(index)
        if any(isinstance(element, float | complex) for element in found):
            raise NoRule
        return found

    def factors(self, index: int) -> list[Any]:
        """The elements of an input, whatever numbers they are."""
        value = self.values(index)
        if value is None:
            raise NoRule
        return list(value.reshape(-1).tolist())

    def numbers(self, index: int) -> list[int]:
        """The elements of an input that must be constant: axes, steps."""
        found = self.value(index)
        numbers = [element for element in found if isinstance(element, int)]
        if len(numbers) < len(found):
            raise NoRule
        return numbers

    def axes(self, index: int, rank: int) -> list[int]:
        """The axes that an input names, counted from the front."""
        return [axis % rank if rank else 0 for axis in self.numbers(index)]


def require_equal(a: Dim, b: Dim) -> None:
    """Where two numbers that must be equal differ there is no rule: onnx then says what is wrong with the node."""
    if isinstance(a, int) and isinstance(b, int) and a != b:
        raise NoRule


ShapeRule = Callable[[ir.Node, Site], Shapes]
RULES: Registry[str, ShapeRule] = Registry("shape rules")
rule = RULES.register

_INT64 = "ArgMax ArgMin NonZero Shape Size"
_BOOL = "And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor"

DTYPES: dict[str, ir.DataType] = {
    **dict.fromkeys(_INT64.split(), ir.DataType.INT64),
    **dict.fromkeys(_BOOL.split(), ir.DataType.BOOL),
}
"""The element types of outputs that are not that of the first input."""
