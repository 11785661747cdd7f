"""Valid graphs that onnxruntime 1.31 refuses or computes wrongly. A refusal shows by itself; it stands here where a
graph of ours must not have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

SAME = ("SAME_UPPER", "SAME_LOWER")
INTEGER_PRODUCTS = frozenset(
    {
        "ConvInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat",
        "QGemm", "QLinearConv", "QLinearMatMul",
    }
)  # fmt: skip
"""On x86 without VNNI they add two products of uint8 and int8 in 16 bits, and saturate."""

BY_THREADS = frozenset({("com.microsoft", "DynamicQuantizeLSTM")})
"""What depends on the number of threads: they divide the batch among them, and each quantises its part by itself."""

NEWEST_KERNELS: Mapping[str, int] = {"MaxRoiPool": 21, "RoiAlign": 21}
"""The newest opset at which it has an operator that newer ones have as well, for more types."""

LONGEST_TABLE = 2048
"""Of numbers in a DFT that can be asked as a product: its table has the square of them."""

AXES_NAME = "axis_list"
"""How a list of axes may be called: GatherSliceToSplitFusion makes an initializer "squeeze_axes", without looking
whether there is one."""


def is_dilated_same(node: ir.Node) -> bool:
    """Pools come out smaller than ceil(n / stride): the pads are taken from the kernel without its dilation.

    Conv is refused at run time.
    """
    return _is_same(node, "AveragePool", "Conv", "LpPool", "MaxPool") and max(_ints(node, "dilations"), default=1) > 1


def is_sparse_same_pool(node: ir.Node) -> bool:
    """A kernel smaller than the stride has negative pads: MaxPool stops, AveragePool computes on."""
    sizes = zip(_ints(node, "kernel_shape"), _ints(node, "strides"), strict=False)
    return _is_same(node, "AveragePool", "LpPool", "MaxPool") and any(kernel < stride for kernel, stride in sizes)


def gives_its_turn(node: ir.Node) -> bool:
    """A Loop whose body returns the number of the turn as it is: every row of it is the last one."""
    if node.op_type != "Loop" or node.domain != "" or "body" not in node.attributes:
        return False
    body = node.attributes["body"].as_graph()
    return any(output is body.inputs[0] for output in body.outputs)


def has_small_mask(node: ir.Node) -> bool:
    """An Attention on four axes is refused where its mask broadcasts along queries or keys."""
    if node.domain != "" or node.op_type != "Attention" or len(node.inputs) < 4:
        return False
    q, k, mask = node.inputs[0], node.inputs[1], node.inputs[3]
    if q is None or k is None or mask is None or q.shape is None or k.shape is None or mask.shape is None:
        return False
    if len(q.shape) != 4 or len(mask.shape) < 2:
        return False
    return mask.shape[-2] != q.shape[2] or mask.shape[-1] != k.shape[2]


def is_rough_spectrum(node: ir.Node) -> bool:
    """A DFT or STFT of a length that is no power of two, which goes by Bluestein's convolution with angles in float32:
    of the greatest number 7e-6 are lost at a length of 48, 7e-5 at 400, 2e-4 at 1200; 1e-6 at any power of two.

    Not of lengths of which a table would be too large, nor from half a spectrum.
    """
    length = spectrum_length(node)
    if length is None or length > LONGEST_TABLE or length & (length - 1) == 0:
        return False
    return not (node.attributes.get_int("onesided", 0) and node.attributes.get_int("inverse", 0))


def spectrum_length(node: ir.Node) -> int | None:
    """Of how many numbers a DFT or STFT is; None where that is open, or the node is another."""
    if node.domain != "" or node.op_type not in ("DFT", "STFT") or node.inputs[0] is None:
        return None
    if node.op_type == "STFT":
        window, told = _input(node, 2), _constant(_input(node, 3))
        if told is not None:
            return int(told)
        shape = None if window is None else window.shape
        return shape[0] if shape is not None and len(shape) == 1 and isinstance(shape[0], int) else None
    told, axis, shape = _constant(_input(node, 1)), _constant(_input(node, 2)), node.inputs[0].shape
    if told is not None or _input(node, 1) is not None or shape is None:
        return told
    size = shape[node.attributes.get_int("axis", -2) if axis is None else axis]
    return size if isinstance(size, int) else None


def _input(node: ir.Node, place: int) -> ir.Value | None:
    return node.inputs[place] if place < len(node.inputs) else None


def _constant(value: ir.Value | None) -> int | None:
    """A whole number that the graph holds."""
    maker = None if value is None else value.producer()
    if maker is not None and maker.op_type == "Constant" and "value" in maker.attributes:
        return int(maker.attributes["value"].as_tensor().numpy().reshape(-1)[0])
    held = None if value is None else value.const_value
    return None if held is None else int(held.numpy().reshape(-1)[0])


def is_integer_product(node: ir.Node) -> bool:
    """A product that may saturate: of its operands only the places of the second differ; any int8 constant counts."""
    if node.op_type not in INTEGER_PRODUCTS or node.domain not in ("", "com.microsoft"):
        return False
    constants = [value.const_value for value in node.inputs if value is not None and value.const_value is not None]
    return any(tensor.dtype == ir.DataType.INT8 for tensor in constants)


def _is_same(node: ir.Node, *op_types: str) -> bool:
    auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
    return node.op_type in op_types and node.domain == "" and auto_pad in SAME


def _ints(node: ir.Node, name: str) -> Sequence[int]:
    return node.attributes.get_ints(name, ())
