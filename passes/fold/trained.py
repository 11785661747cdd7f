"""What is computed from parameters, and is trained through them: not folded, for training changes the parameters.

Given    b = Gather(Gemm(Relu(Gemm(offsets, w1)), w2), places);  s = Add(scores, b)     a bias that a network makes
Result   the same, computed whenever the model runs: w1 and w2 are trained, as in the source, and b is no weight

Folded all the same is what ends as a weight of a layer (a kernel with a norm of its own: Conv(x, Mul(g, Div(v, |v|)))),
since that is what the layer trains, and what trains as its parameters would: their sum with a constant, parameters one
after the other. Not where a parameter is read elsewhere, too, which is trained there as it is. A source that says
nothing of parameters, as an ONNX file, computes with constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from passes.graph.constant import Constant
from passes.graph.unmoved import unmoved_nodes
from passes.graph.weight_views import PLACES, is_trained


class TrainedThrough:
    """Tells of nodes whose inputs are constants which ones stay; for one walk over the model."""

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._weights: set[ir.Node] | None = None

    def stays(self, node: ir.Node, inputs: Sequence[Constant | None]) -> bool:
        """Whether parameters among the inputs, which are all constants, are trained through the outputs."""
        parameters = [each for each in inputs if each is not None and each.is_trained]
        if not parameters or _trains_alike(node, inputs, parameters):
            return False
        if self._weights is None:
            self._weights = _ending_as_weights(self._model)
        return node not in self._weights


def _ending_as_weights(model: ir.Model) -> set[ir.Node]:
    """The nodes of whose results layers make weights, and those that compute what such nodes take.

    All of their parameters are read by such nodes alone.
    """
    unmoved = unmoved_nodes((node for graph in model.graphs() for node in graph), but_for_sizes=True)
    ending: set[ir.Node] = set()
    unread: set[ir.Node] = set()
    for node in reversed(unmoved):
        uses = [use for output in node.outputs for use in output.uses()]
        if any(user in ending if user in unmoved else _is_place(user, index) for user, index in uses):
            ending.add(node)
        elif all(user in unread for user, _ in uses) and not any(y.is_graph_output() for y in node.outputs):
            unread.add(node)  # exporters leave such
    tied: set[ir.Node] = set()
    known = ending | unread
    for node in unmoved:
        if node in ending and any(
            x.producer() in tied or (is_trained(x) and not known.issuperset(use.node for use in x.uses()))
            for x in node.inputs
            if x is not None
        ):
            tied.add(node)
    return ending - tied


def _is_place(node: ir.Node, index: int) -> bool:
    """Whether the input is a layer's own. A bias that is computed is added; a product of more axes has no layer."""
    if node.domain != "" or index not in PLACES.get(node.op_type, ()):
        return False
    value = node.inputs[index]
    if node.op_type == "MatMul":
        return value is None or value.shape is None or len(value.shape) <= 2
    return (node.op_type, index) != ("Gemm", 2)


def _trains_alike(node: ir.Node, inputs: Sequence[Constant | None], parameters: Sequence[Constant]) -> bool:
    """Whether a step of training on the output is the step on its parameters: each element is one of theirs, moved."""
    present = [each for each in inputs if each is not None]
    names = [weight.name for each in parameters for weight in each.weights]
    if node.op_type in ("Cast", "CastLike"):
        return True
    pairs = zip(node.inputs, inputs, strict=False)
    read = any(_is_read_elsewhere(x) for x, known in pairs if known is not None and known.is_trained)
    if read or len(set(names)) < len(names):
        return False
    if node.op_type == "Concat":
        return len(parameters) == len(present)
    if node.op_type in ("Add", "Sub", "Neg") and len(parameters) == 1:
        return prod(np.broadcast_shapes(*(each.shape for each in present))) == prod(parameters[0].shape)
    return False


def _is_read_elsewhere(value: ir.Value | None) -> bool:
    """Whether something else takes a value, or what it was seen of."""
    while value is not None:
        if len(value.uses()) > 1:
            return True
        producer = value.producer()
        value = producer.inputs[0] if producer is not None and producer.inputs else None
    return False
