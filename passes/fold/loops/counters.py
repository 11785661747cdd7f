"""How often a Loop turns whose condition is on a counter: what is counted, from where, and to which end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim, Expr
from passes.fold.loops.unrolled import Numbers

WHOLE = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.UINT32, ir.DataType.INT16)
_EXACT = (*WHOLE, ir.DataType.FLOAT, ir.DataType.DOUBLE)
"""What holds the number of any turn that a loop may take."""


class Count(NamedTuple):
    """A value and a number that is added to it; without a value the number alone."""

    base: ir.Value | None
    more: int


@dataclass(frozen=True)
class Limit:
    """There is a turn as long as `counted` is below `end`."""

    counted: Count
    end: Count

    def agrees(self, other: Limit) -> bool:
        """Whether the two are the same condition."""
        gap, others = self.end.more - self.counted.more, other.end.more - other.counted.more
        return self.end.base is other.end.base and self.counted.base is other.counted.base and gap == others

    def distance(self, sizes: Numbers) -> Dim | None:
        """How far the count is from its end, in numbers or as a size, where it is one."""
        total: Dim = self.end.more - self.counted.more
        for side, sign in ((self.end.base, 1), (self.counted.base, -1)):
            known = None if side is None else sizes(side)
            if side is not None and (known is None or not isinstance(known.flat[0], int | np.integer | Expr)):
                return None
            total += 0 if known is None else sign * (known.flat[0] if known.dtype == object else int(known.flat[0]))
        return total


class Counters:
    """What the body of a Loop counts.

    Args:
        inputs: of the Loop: the most turns, the first condition, and the states.
        numbers: the constant contents of a value, or None.
    """

    def __init__(self, body: ir.Graph, inputs: Sequence[ir.Value | None], numbers: Numbers) -> None:
        self._body = body
        self._inputs = inputs
        self._numbers = numbers

    def start(self, base: ir.Value | None) -> Count | None:
        """What a value of the body is in the first turn, if it is one more in each."""
        if base is self._body.inputs[0]:
            return Count(None, 0)
        if base is None or not any(base is value for value in self._body.inputs[2:]):
            return None
        place = next(place for place, value in enumerate(self._body.inputs) if value is base)
        outer = self._inputs[place]
        if self.count(self._body.outputs[place - 1]) != Count(base, 1) or outer is None or outer.dtype not in WHOLE:
            return None
        return self.count(outer)

    def limit(self, condition: ir.Value, idle: dict[ir.Value, ir.Value]) -> Limit | None:
        """A condition that a count is below one that stands still."""
        maker = condition.producer()
        if maker is None or maker.op_type not in _COMPARISONS:
            return None
        is_swapped, more = _COMPARISONS[maker.op_type]
        low, high = (self.count(value) for value in (reversed(maker.inputs) if is_swapped else maker.inputs))
        if low is None or high is None:
            return None
        base = high.base if high.base is None else idle.get(high.base, high.base)
        outside = self.count(base) if base is not None else Count(None, 0)
        if outside is None or self.is_inside(outside.base):
            return None
        return Limit(low, Count(outside.base, outside.more + high.more + more))

    def count(self, value: ir.Value | None) -> Count | None:
        """What is counted from which value, through casts, and sums with numbers."""
        more = 0
        while value is not None:
            if (known := self.number(value)) is not None:
                return None if known != int(known) else Count(None, more + int(known))
            maker = value.producer()
            if maker is None or maker.domain != "":
                break
            following = maker.inputs[0] if maker.inputs else None
            if (maker.op_type == "Cast" and maker.attributes.get_int("to", 0) in _EXACT) or maker.op_type == "Identity":
                value = following
            elif maker.op_type in ("Add", "Sub") and (step := self.number(maker.inputs[1])) is not None:
                if step != int(step):
                    return None
                more, value = more + int(step) * (1 if maker.op_type == "Add" else -1), following
            elif maker.op_type == "Add" and (step := self.number(following)) is not None and step == int(step):
                more, value = more + int(step), maker.inputs[1]
            else:
                break
        if value is None or (value.dtype is not None and value.dtype not in WHOLE):
            return None
        return Count(value, more)

    def number(self, value: ir.Value | None) -> float | None:
        if value is None:
            return None
        found = value.const_value.numpy() if value.const_value is not None else self._numbers(value)
        maker = value.producer()
        if found is None and maker is not None and maker.op_type == "Constant":
            tensor = ir.convenience.get_const_tensor(value)
            found = None if tensor is None else tensor.numpy()
        return float(found.item()) if found is not None and found.size == 1 and found.dtype.kind in "iuf" else None

    def is_inside(self, value: ir.Value | None) -> bool:
        if value is None:
            return False
        maker = value.producer()
        return any(value is each for each in self._body.inputs) or (maker is not None and maker.graph is self._body)


_COMPARISONS = {"Less": (False, 0), "LessOrEqual": (False, 1), "Greater": (True, 0), "GreaterOrEqual": (True, 1)}
"""Whether the count stands second, and what is added to its end."""


def identical(value: ir.Value) -> ir.Value:
    while (maker := value.producer()) is not None and maker.op_type == "Identity" and maker.inputs[0] is not None:
        value = maker.inputs[0]
    return value


def parts(condition: ir.Value | None) -> Iterable[ir.Value]:
    """What has to hold for a condition to hold."""
    if condition is None:
        return
    condition = identical(condition)
    maker = condition.producer()
    if maker is not None and maker.op_type == "And":
        for part in maker.inputs:
            yield from parts(part)
    else:
        yield condition
