"""What bodies that are made of a node's attributes are built with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe

TRANSFORMS = {"NONE": "Identity", "LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}
"""What ai.onnx.ml calls what comes after a sum."""


class Made:
    """The nodes of a function, one after the other.

    Args:
        inputs: of how many inputs; the first is `x`.
    """

    def __init__(self, inputs: int = 1) -> None:
        self.inputs = [ir.Value(name=f"x{place}") for place in range(inputs)]
        self.x = self.inputs[0]
        self._nodes: list[ir.Node] = []

    def __call__(self, op_type: str, *inputs: ir.Value, **numbers: int) -> ir.Value:
        return self._node(op_type, inputs, [ir.AttrInt64(name, int(number)) for name, number in numbers.items()])

    def constant(self, array: np.ndarray[Any, np.dtype[Any]]) -> ir.Value:
        return self._node("Constant", (), [ir.AttrTensor("value", ir.tensor(np.ascontiguousarray(array)))])

    def like(self, numbers: Sequence[float], x: ir.Value) -> ir.Value:
        """Numbers of the type of x."""
        return self("CastLike", self.constant(np.array(numbers, np.float32)), x)

    def transformed(self, node: ir.Node, scores: ir.Value) -> ir.Value:
        """What the node's post_transform makes of scores, [batch, classes].

        Raises:
            Unsupported: it is another one.
        """
        name = node.attributes.get_string("post_transform", "NONE")
        if name not in TRANSFORMS:
            raise Unsupported(f"Scores that end in {name} are not converted.", node=describe(node))
        return self(TRANSFORMS[name], scores, **({"axis": 1} if name == "SOFTMAX" else {}))

    def function(self, *results: ir.Value) -> ir.Function:
        graph = ir.Graph(self.inputs, results, nodes=self._nodes, opset_imports={"": 21}, name="made")
        return ir.Function("", "made", graph=graph, attributes=[])

    def _node(self, op_type: str, inputs: Sequence[ir.Value], attributes: Sequence[ir.Attr]) -> ir.Value:
        out, name = ir.Value(name=f"v{len(self._nodes)}"), f"{op_type}_{len(self._nodes)}"
        self._nodes.append(ir.Node("", op_type, inputs, attributes, outputs=[out], name=name))
        return out
