"""What `keraport::PadSame` and `keraport::CentreCrop` mean, in standard operators that read Shape at run time."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.padding.arithmetic import Axis


def lower_pad_same(node: ir.Node, names: FreshNames) -> None:
    """Replace one PadSame by Shape, arithmetic and Pad.

    r = -n mod s;  t = max(0, ke - s + r);  b = ⌊t/2⌋ or, for SAME_LOWER, ⌈t/2⌉;  pads (b, ke-1-b).
    """
    at = Builder(node, names)
    x = first_input(node)
    attributes = node.attributes
    lower = attributes["mode"].as_string() == "SAME_LOWER"
    axes = attributes["axes"].as_ints()
    windows = zip(
        attributes["kernel_shape"].as_ints(),
        attributes["strides"].as_ints(),
        attributes["dilations"].as_ints(),
        strict=True,
    )
    begins, ends = [], []
    for number, (kernel, stride, dilation) in zip(axes, windows, strict=True):
        axis = Axis(None, kernel, stride, dilation)
        residue = _integers(at, "Mod", _integers(at, "Neg", at.size(x, number)), [stride])
        total = _integers(at, "Max", _integers(at, "Add", residue, [axis.extent - stride]), [0])
        begin = _integers(at, "Div", _integers(at, "Add", total, [int(lower)]), [2])
        begins.append(begin)
        ends.append(_integers(at, "Sub", at.constant([axis.extent - 1], "total"), begin))
    size = [2 * len(axes)]
    pads = at.node("Concat", [*begins, *ends], size, {"axis": 0}, dtype=ir.DataType.INT64)
    dtype = x.dtype or ir.DataType.FLOAT
    value = at.constant(np.asarray(attributes["value"].as_float(), dtype.numpy()), "pad_value")
    inputs = [x, pads, value, at.constant(list(axes), "axes")]
    at.replace(at.node("Pad", inputs, sizes_of(node.outputs[0]), {"mode": "constant"}))


def lower_centre_crop(node: ir.Node, names: FreshNames) -> None:
    """Replace one CentreCrop by Shape, arithmetic and Slice.

    t = max(0, length - surplus - size);  b = ⌊t/2⌋ for SAME_UPPER, else ⌈t/2⌉;  y = x[b : b + size].
    """
    at = Builder(node, names)
    x = first_input(node)
    rounding = 0 if node.attributes["mode"].as_string() == "SAME_UPPER" else 1
    axes, wanted = node.attributes["axes"].as_ints(), node.attributes["sizes"].as_ints()
    starts, ends = [], []
    for number, size, surplus in zip(axes, wanted, node.attributes["surplus"].as_ints(), strict=True):
        total = _integers(at, "Max", _integers(at, "Sub", at.size(x, number), [surplus + size]), [0])
        starts.append(_integers(at, "Div", _integers(at, "Add", total, [rounding]), [2]))
        ends.append(_integers(at, "Add", starts[-1], [size]))
    start = at.node("Concat", starts, [len(axes)], {"axis": 0}, dtype=ir.DataType.INT64)
    end = at.node("Concat", ends, [len(axes)], {"axis": 0}, dtype=ir.DataType.INT64)
    inputs = [x, start, end, at.constant(list(axes), "axes")]
    at.replace(at.node("Slice", inputs, sizes_of(node.outputs[0])))


def _integers(at: Builder, op_type: str, a: ir.Value, b: ir.Value | list[int] | None = None) -> ir.Value:
    operand = [] if b is None else [at.constant(b, "operand") if isinstance(b, list) else b]
    return at.node(op_type, [a, *operand], [1], {"fmod": 0} if op_type == "Mod" else None)
