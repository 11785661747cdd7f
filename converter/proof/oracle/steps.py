"""What a graph makes of roundings on the way, which another library does otherwise.

An input moved by one unit in the last place says nothing of a quantised graph: the first step swallows it. Of a deep
one it says too little, where the sums of a late layer decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.oracle import Oracle
from passes.graph.builder import Builder, FreshNames, first_input
from passes.lower import to_standard

Array = np.ndarray[Any, np.dtype[Any]]

FLOAT = ir.DataType.FLOAT

MOST, PHASE = "keraport_rounding", "keraport_phase"
"""Inputs of the graph: how far numbers are moved, and which way, which is another with every phase."""

ULP = 2.0**-23
RUNS = 4
TINY = 1e-30
TURNS = 1e5
"""Of the sine over what the steps reach: neighbours go different ways."""


SUMS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


class Steps:
    """A graph whose floats are moved in front of every QuantizeLinear, or, where nothing is quantised, behind every
    product, this way and that: by up to one unit in the last place of the greatest number that the steps reach, or that
    there is. That far apart are sums that are added up in another order.

    Args:
        normalised: the graph, in which every step is a QuantizeLinear.

    Attributes:
        are_quantised: whether anything is, be it in a loop.
    """

    def __init__(self, normalised: ir.Model) -> None:
        self._normalised = normalised
        self.are_quantised = any(node.op_type == "QuantizeLinear" for node in normalised.graph.all_nodes())

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
        names = FreshNames(model)
        told = [ir.Value(name=name, shape=ir.Shape([]), type=ir.TensorType(FLOAT)) for name in (MOST, PHASE)]
        for node in list(model.graph.all_nodes()):
            if node.domain == "" and self.are_quantised and node.op_type == "QuantizeLinear":
                _move_before(node, names, *told)
            elif node.domain == "" and not self.are_quantised and node.op_type in SUMS:
                _move_behind(node, names, *told)
        model.graph.inputs.extend(told)
        return Oracle(model)


def _scalar(number: float) -> Array:
    return np.array(number, np.float32)


def _move_before(node: ir.Node, names: FreshNames, most: ir.Value, phase: ir.Value) -> None:
    """Given    q = QuantizeLinear(x, s, z)
    Result   q = QuantizeLinear(x + most · reach · sin(x / reach · TURNS + phase), s, z)       reach = s · 255 for bytes
    """
    x, scale, steps = first_input(node), node.inputs[1], node.outputs[0].dtype
    if x.dtype != FLOAT or x.const_value is not None or scale is None or steps is None:
        return
    at, span = Builder(node, names), 2.0**steps.bitwidth - 1
    if scale.const_value is not None:
        reach = at.constant(_scalar(span * float(scale.const_value.numpy().max())), "number")
    else:
        greatest = at.node("ReduceMax", [scale], [], {"keepdims": 0})
        reach = at.node("Mul", [greatest, at.constant(_scalar(span), "number")], [])
    node.replace_input_with(0, _moved(at, x, reach, most, phase))


def _move_behind(node: ir.Node, names: FreshNames, most: ir.Value, phase: ir.Value) -> None:
    """Given    y = MatMul(a, b)
    Result   t = MatMul(a, b);  y = t + most · reach · sin(t / reach · TURNS + phase)       reach = max |t|
    """
    old = node.outputs[0]
    graph = node.graph
    if old.dtype != FLOAT or graph is None:
        return
    behind = ir.node("Identity", [old], name=names.fresh(f"{node.name or node.op_type}_moved"))
    graph.insert_after(node, behind)
    result = behind.outputs[0]
    result.shape, result.type = old.shape, old.type
    result.name, old.name = old.name, names.fresh(f"{old.name}_unmoved")
    old.replace_all_uses_with(result, replace_graph_outputs=True)
    behind.replace_input_with(0, old)
    at = Builder(behind, names)
    size = at.node("ReduceMax", [at.node("Abs", [old], [])], [], {"keepdims": 0})
    reach = at.node("Max", [size, at.constant(_scalar(TINY), "tiny")], [])
    behind.replace_input_with(0, _moved(at, old, reach, most, phase))


def _moved(at: Builder, x: ir.Value, reach: ir.Value, most: ir.Value, phase: ir.Value) -> ir.Value:
    value, turns = x, at.constant(_scalar(TURNS), "number")
    for op_type, other in (("Div", reach), ("Mul", turns), ("Add", phase), ("Sin", None), ("Mul", reach),
                           ("Mul", most), ("Add", x)):  # fmt: skip
        value = at.node(op_type, [value] if other is None else [value, other], [])
        value.shape = x.shape
    return value
