"""What a quantised graph makes of roundings: its steps are taken from numbers that another library rounds otherwise.

An input moved by one unit in the last place says nothing there: the first step swallows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.oracle import Oracle
from passes.graph.builder import Builder, Names, first_input
from passes.lower import to_standard

Array = np.ndarray[Any, np.dtype[Any]]

FLOAT = ir.DataType.FLOAT

MOST, PHASE = "keraport_rounding", "keraport_phase"
"""Inputs of the graph: how far numbers are moved, and which way, which is another with every phase."""

ULP = 2.0**-23
RUNS = 4
TURNS = 1e5
"""Of the sine over what the steps reach: neighbours go different ways."""


class Steps:
    """A graph whose floats are moved in front of every QuantizeLinear, this way and that: by up to one unit in the last
    place of the greatest number that its steps reach. That far apart are sums that are added up in another order.

    Args:
        normalised: the graph, in which every step is a QuantizeLinear.
    """

    def __init__(self, normalised: ir.Model) -> None:
        self._normalised = normalised

    @classmethod
    def of(cls, normalised: ir.Model) -> Steps | None:
        """None where nothing is quantised on the way, not even in a loop."""
        has_any = any(node.op_type == "QuantizeLinear" for node in normalised.graph.all_nodes())
        return cls(normalised) if has_any else None

    def answers(self, feeds: Mapping[str, Array]) -> tuple[list[Array], list[list[Array]]]:
        """The outputs as they are, and as they come out of `RUNS` runs with other roundings.

        Raises:
            BadSource: onnxruntime stops.
        """
        plain, *others = [
            self._moved.run({**feeds, MOST: _scalar(ULP if run else 0.0), PHASE: _scalar(run)})
            for run in range(RUNS + 1)
        ]
        return plain, others

    @cached_property
    def _moved(self) -> Oracle:
        model = to_standard(self._normalised)
        names = Names(model)
        told = [ir.Value(name=name, shape=ir.Shape([]), type=ir.TensorType(FLOAT)) for name in (MOST, PHASE)]
        for node in list(model.graph.all_nodes()):
            if node.op_type == "QuantizeLinear" and node.domain == "":
                _move(node, names, *told)
        model.graph.inputs.extend(told)
        return Oracle(model)


def _scalar(number: float) -> Array:
    return np.array(number, np.float32)


def _move(node: ir.Node, names: Names, most: ir.Value, phase: ir.Value) -> None:
    """Given    q = QuantizeLinear(x, s, z)
    Result   q = QuantizeLinear(x + most · reach · sin(x / reach · TURNS + phase), s, z)       reach = s · 255 for bytes
    """
    x, scale, steps = first_input(node), node.inputs[1], node.outputs[0].dtype
    if x.dtype != FLOAT or x.const_value is not None or scale is None or steps is None:
        return
    at, span = Builder(node, names), 2.0**steps.bitwidth - 1

    def number(value: float) -> ir.Value:
        return at.constant(_scalar(value), "number")

    if scale.const_value is not None:
        reach = number(span * float(scale.const_value.numpy().max()))
    else:
        reach = at.node("Mul", [at.node("ReduceMax", [scale], [], {"keepdims": 0}), number(span)], [])
    value = x
    for op_type, other in (("Div", reach), ("Mul", number(TURNS)), ("Add", phase), ("Sin", None), ("Mul", reach),
                           ("Mul", most), ("Add", x)):  # fmt: skip
        value = at.node(op_type, [value] if other is None else [value, other], [])
        value.shape = x.shape
    node.replace_input_with(0, value)
