"""A Pad in front of a convolution or pool becomes the pads of that operator, so that split_pads sees the whole padding.

Models that come from TensorFlow compute SAME by themselves and write Pad, then a convolution without pads. Taken
together they are Keras's `same`; apart they would be a ZeroPadding layer and a `valid` convolution.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.padding.nodes import scalar

NEUTRAL = {"Conv": 0.0, "MaxPool": -np.inf}
"""What each operator pads with on its own."""


class FusePads(ir.passes.InPlacePass):
    """Merge constant pads into the operator that reads them.

    Given    p = Pad<[0, 0, 0, 0, 0, 0, 1, 1]>(x);  y = Conv<strides=[2, 2]>(p, w)
    Result   y = Conv<strides=[2, 2], pads=[0, 0, 1, 1]>(x, w)

    Not when the Pad is read elsewhere or is an output, pads other axes or with another number than the operator itself
    does (0 for Conv, -inf for MaxPool), or is computed; not when the operator has SAME pads, which depend on the size
    it sees; not when the Pad crops where the operator pads: what was cut off would come back. In ceil mode an end pad
    decides which windows count, so it stays.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph.all_nodes():
            if node.domain == "" and node.op_type in NEUTRAL:
                while _merge(node):
                    modified = True
        return ir.passes.PassResult(model, modified)


def _merge(node: ir.Node) -> bool:
    padded = node.inputs[0]
    pad = padded.producer() if padded is not None else None
    if padded is None or pad is None or pad.op_type != "Pad" or pad.domain != "" or pad.inputs[0] is None:
        return False
    if len(padded.uses()) != 1 or padded.is_graph_output() or pad.graph is not node.graph:
        return False
    own, more = _own_pads(node), _spatial_pads(pad)
    if own is None or more is None or len(own) != len(more) or not _pads_with(pad, NEUTRAL[node.op_type]):
        return False
    if any(m < 0 < o for m, o in zip(more, own, strict=True)):
        return False
    if node.attributes.get_int("ceil_mode", 0) and any(more[len(more) // 2 :]):
        return False
    total = [o + m for o, m in zip(own, more, strict=True)]
    node.attributes["pads"] = ir.AttrInt64s("pads", total)
    node.attributes["auto_pad"] = ir.AttrString("auto_pad", "NOTSET")
    node.replace_input_with(0, pad.inputs[0])
    if pad.graph is not None:
        pad.graph.remove(pad, safe=True)
    return True


def _own_pads(node: ir.Node) -> list[int] | None:
    """What the operator pads itself; None where that depends on the size."""
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    value = node.outputs[0]
    if mode.startswith("SAME") or value.shape is None:
        return None
    nothing = [0] * 2 * (len(value.shape) - 2)
    return nothing if mode == "VALID" else list(node.attributes.get_ints("pads", nothing))


def _spatial_pads(pad: ir.Node) -> list[int] | None:
    """The constant pads of the axes behind the first two, in the order of `pads`; None where there are others."""
    x = pad.inputs[0]
    amounts = _constant(pad, 1)
    if x is None or x.shape is None or amounts is None or pad.attributes.get_string("mode", "constant") != "constant":
        return None
    rank = len(x.shape)
    axes: list[int] = list(range(rank))
    if len(pad.inputs) > 3 and pad.inputs[3] is not None:
        given = _constant(pad, 3)
        if given is None:
            return None
        axes = [int(axis) % rank for axis in given]
    begins, ends = [0] * rank, [0] * rank
    for axis, begin, end in zip(axes, amounts[: len(axes)], amounts[len(axes) :], strict=True):
        begins[axis], ends[axis] = int(begin), int(end)
    return None if any(begins[:2]) or any(ends[:2]) else [*begins[2:], *ends[2:]]


def _pads_with(pad: ir.Node, number: float) -> bool:
    x = pad.inputs[0]
    if len(pad.inputs) < 3 or pad.inputs[2] is None or x is None:
        return number == 0
    value = _constant(pad, 2)
    return value is not None and value.size == 1 and value.reshape(()) == scalar(x, number)


def _constant(node: ir.Node, index: int) -> np.ndarray | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    return value.const_value.numpy() if value is not None and value.const_value is not None else None
