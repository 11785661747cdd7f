"""Axes that are computed when the model runs are tried one after the other: there are as many as the rank allows.

Given    y = ReduceSum(x, axes)                                              x of three axes, axes of one number
Result   y = If(axes is 0) <ReduceSum(x, [0])> else If(axes is 1) <ReduceSum(x, [1])> else <ReduceSum(x, [2])>

An axis counts from the back where it is negative: it is looked up in a table, which does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import numpy as np
import onnx_ir as ir

from passes.errors import operator
from passes.fold.body import graph_of, hand_on
from passes.fold.loops.unrolled import Numbers, Shapes
from passes.graph.builder import FreshNames
from passes.shapes.rules.reductions import REDUCTIONS

PLACES = {**dict.fromkeys(REDUCTIONS, 1), "CumSum": 1, "DFT": 2, "Squeeze": 1, "Unsqueeze": 1, "keraport::CumProd": 1}
"""Where the axes stand among the inputs. In none of these does their order matter."""

MOST_WAYS = 24
"""Choices of axes, at most: each is a branch."""


class ComputedAxes:
    """Writes branches behind a node whose axes are computed."""

    def __init__(self, node: ir.Node, names: Callable[[], FreshNames], numbers: Numbers, shape: Shapes) -> None:
        self._node, self._names_of, self._numbers, self._shape = node, names, numbers, shape
        self._new: list[ir.Node] = []

    def write(self) -> bool:
        """Put them in the place of the node; False where there is nothing to do. A walk comes to them next."""
        node = self._node
        place = PLACES.get(operator(node))
        axes = None if place is None or len(node.inputs) <= place else node.inputs[place]
        if place is None or axes is None or self._numbers(axes) is not None:
            return False
        ways = self._ways(axes)
        if not 0 < len(ways) <= MOST_WAYS:
            return False
        shape = [len(ways[0])] if self._shape(axes) else []
        constants = [self._constant(np.array(way, np.int64).reshape(shape), "axes") for way in ways]
        if len(ways) == 1:
            node.replace_input_with(place, constants[0])
            return False  # the walk goes on with this node
        code = self._code(axes)
        conditions = [self._is(code, int(self._table()[list(way)].sum())) for way in ways[:-1]]
        self._new.append(self._ladder(place, constants, conditions))
        graph_of(node).insert_after(node, self._new)
        hand_on(node.outputs[0], self._new[-1].outputs[0])
        graph_of(node).remove(node, safe=True)
        return True

    @property
    def _rank(self) -> int:
        shape, axes = self._shape(self._node.inputs[0]), self._shape(self._node.inputs[-1])
        is_new = self._node.op_type == "Unsqueeze"  # which names axes of its output
        count = axes[0] if is_new and axes and isinstance(axes[0], int) else 0
        return 0 if shape is None else len(shape) + count

    def _ways(self, axes: ir.Value) -> list[Sequence[int]]:
        shape = self._shape(axes)
        if self._shape(self._node.inputs[0]) is None or shape is None or len(shape) > 1:
            return []
        count = shape[0] if shape else 1
        if not isinstance(count, int) or count > self._rank:
            return []
        places = [axis for axis in range(self._rank) if self._may_be(axis)]
        return [] if comb(len(places), count) > MOST_WAYS else list(combinations(places, count))

    def _may_be(self, axis: int) -> bool:
        """Squeeze drops what is 1 long; the last axis of a DFT is that of real and imaginary parts."""
        if self._node.op_type == "DFT":
            return axis < self._rank - 1
        size = (self._shape(self._node.inputs[0]) or ())[axis] if self._node.op_type == "Squeeze" else 1
        return size == 1 or not isinstance(size, int)

    def _table(self) -> np.ndarray:
        """Numbers of axes, whose sum says which they are."""
        return np.array([1 << axis for axis in range(self._rank)], np.int64)

    def _code(self, axes: ir.Value) -> ir.Value:
        """The number that says which way the axes are."""
        line = self._add("Reshape", axes, self._constant(np.array([-1], np.int64), "line"), allowzero=0)
        looked_up = self._add("Gather", self._constant(self._table(), "table"), line, axis=0)
        return self._add(
            "ReduceSum", looked_up, self._constant(np.array([0], np.int64), "all"), keepdims=0, noop_with_empty_axes=0
        )

    def _is(self, code: ir.Value, number: int) -> ir.Value:
        return self._add("Equal", code, self._constant(np.array(number, np.int64), "way"))

    def _ladder(self, place: int, axes: Sequence[ir.Value], conditions: Sequence[ir.Value]) -> ir.Node:
        """The last If but one of the row stands in the other branch of the one before."""
        lower = self._copy(place, axes[-1])
        for condition, way in zip(reversed(conditions), reversed(axes[:-1]), strict=True):
            branches = {"then_branch": self._copy(place, way), "else_branch": lower}
            lower = ir.node("If", [condition], {name: self._graph(node) for name, node in branches.items()})
            lower.name = self._node.name
            self._finish(lower)
        return lower

    def _copy(self, place: int, axes: ir.Value) -> ir.Node:
        old = self._node
        inputs = [axes if index == place else value for index, value in enumerate(old.inputs)]
        copy = ir.Node(old.domain, old.op_type, inputs, list(old.attributes.values()), name=old.name)
        self._finish(copy)
        return copy

    def _finish(self, node: ir.Node) -> None:
        node.metadata_props.update(self._node.metadata_props)
        output = node.outputs[0]
        output.name = self._names_of().fresh(f"{self._node.outputs[0].name}_{node.op_type.lower()}")
        output.type = self._node.outputs[0].type

    def _graph(self, node: ir.Node) -> ir.Graph:
        name = self._names_of().fresh(f"{self._node.outputs[0].name}_branch")
        return ir.Graph([], node.outputs, nodes=[node], name=name)

    def _add(self, op_type: str, *inputs: ir.Value, **attributes: int) -> ir.Value:
        node = ir.node(op_type, inputs, attributes)
        self._finish(node)
        node.name = node.outputs[0].name
        node.outputs[0].type = None
        self._new.append(node)
        return node.outputs[0]

    def _constant(self, array: np.ndarray, label: str) -> ir.Value:
        name = self._names_of().fresh(f"{self._node.outputs[0].name}_{label}")
        tensor = ir.tensor(array, name=name)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        graph = graph_of(self._node)
        graph.register_initializer(value)
        return value
