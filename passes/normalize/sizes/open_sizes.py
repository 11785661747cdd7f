"""Sizes that the file fixes, opened: of an image, of a sequence. Constants that hold an old size are counted anew.

The graph is normalised at the sizes that the file has, so that every shape is a number; then the opened axes are
followed from the inputs, and what has a size written down is written otherwise, or refused with the node that fixes it:

    Reshape(x, [1, 1600, 4])    x: [1, 40, 40, 4]    Reshape(x, [1, -1, 4])
    Slice(x, [1], [40], [2])                         Slice(x, [1], [∞], [2])
    Resize(x, sizes=[80, 80])                        Resize(x, scales=[2, 2])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from passes.graph.builder import FreshNames
from passes.normalize.open_batch import ELEMENTWISE, REDUCING, Opened
from passes.normalize.sizes.axes import (
    OpenedNode,
    broadcast,
    concat,
    gather,
    gemm,
    matmul,
    reduce,
    reject,
    shape,
    transpose,
    unary,
    unsqueeze,
    windows,
)
from passes.normalize.sizes.constants import expanded, reshaped, resized, sliced


class OpenSizes(ir.passes.InPlacePass):
    """Open what was asked for. Shapes must be inferred again afterwards.

    Raises:
        Unsupported: a node fixes the size.
    """

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, opened = FreshNames(model), dict[ir.Value, frozenset[int]]()
        for value in model.graph.inputs:
            named = self.opened.axes.get(value.name or "", {})
            if named and value.shape is not None:
                opened[value] = frozenset(named)
        for node in list(model.graph):
            _follow(node, opened, names)
        for value, axes in opened.items():
            named = self.opened.axes.get(value.name or "", {}) if value.is_graph_input() else {}
            sizes = enumerate(value.shape or ())
            value.shape = ir.Shape([named.get(axis) if axis in axes else size for axis, size in sizes])
        return ir.passes.PassResult(model, True)


def _follow(node: ir.Node, opened: dict[ir.Value, frozenset[int]], names: FreshNames) -> None:
    """Note which axes of the results are open. Shapes stay as the file has them until the end."""
    own = [frozenset[int]() if value is None else opened.get(value, frozenset()) for value in node.inputs]
    if any(own):
        found = frozenset(_RULES.get(node.op_type, reject)(OpenedNode(node, own, names)))
        opened.update((output, found) for output in node.outputs if output.shape is not None and found)


_SAME = """
    Abs BatchNormalization Cast Ceil Clip Cos CumSum DepthToSpace Dropout Elu Erf Exp Floor Gelu GroupNormalization
    HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax
    LpNormalization Mish Neg Not Pad RMSNormalization Reciprocal Relu Round Selu Sigmoid Sign Sin Softmax
    Softplus Softsign SpaceToDepth Split Sqrt Swish Tanh
"""
"""Operators that keep places apart, but for axes that they name."""

_RULES: Mapping[str, Callable[[OpenedNode], set[int]]] = {
    **dict.fromkeys(_SAME.split(), unary),
    **dict.fromkeys((*ELEMENTWISE, "PRelu"), broadcast),
    **dict.fromkeys(REDUCING | {"Squeeze"}, reduce),
    **dict.fromkeys(
        ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool"),
        windows,
    ),
    "Gemm": gemm,
    "MatMul": matmul,
    "Shape": shape,
    "Transpose": transpose,
    "Concat": concat,
    "Unsqueeze": unsqueeze,
    "Gather": gather,
    "Slice": sliced,
    "Resize": resized,
    "Expand": expanded,
    "Reshape": reshaped,
    "Flatten": reshaped,
}
