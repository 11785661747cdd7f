"""Ask onnx's own shape inference about one node.

It takes 18 us a node. The form for whole models serialises everything, weights too, and overwrites what it does not
understand with `unk__N`; this one is told the symbols and the small constants that are known, and asked only where no
rule of ours has an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnx.checker
import onnx.shape_inference
import onnx_ir as ir

from passes.dims.parse import parse
from passes.dims.polynomial import Dim
from passes.errors import BadSource, Unsupported, describe
from passes.opset import OPSET
from passes.shapes.rules import Shape

Answer = tuple[tuple[Dim | None, ...] | None, ir.DataType | None]
"""A shape whose sizes may be open, and an element type; None where onnx does not know."""

_OPSETS = [onnx.helper.make_opsetid("", OPSET)]


def ask_onnx(
    node: ir.Node, shapes: Sequence[Shape | None], value: Callable[[int], np.ndarray | None]
) -> Sequence[Answer]:
    """What onnx says of the outputs of a node of the standard domain.

    Args:
        shapes: of the inputs, None where an input is absent.
        value: the contents of an input, where they are small and constant.

    Raises:
        BadSource: onnx finds that the node cannot be valid.
    """
    nothing: list[Answer] = [(None, None)] * len(node.outputs)
    if node.domain != "" or not onnx.defs.has(node.op_type, OPSET):
        return nothing
    proto = onnx.NodeProto(op_type=node.op_type)
    types: dict[str, onnx.TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for index, (given, shape) in enumerate(zip(node.inputs, shapes, strict=True)):
        name = "" if given is None else f"i{index}"
        proto.input.append(name)
        if given is None:
            continue
        if given.dtype is None or shape is None:
            return nothing
        types[name] = onnx.helper.make_tensor_type_proto(given.dtype.value, [_write(dim) for dim in shape])
        array = value(index)
        if array is not None and array.dtype.kind not in "OSU":  # text among them
            data[name] = ir.serde.serialize_tensor(ir.Tensor(array))
    proto.output.extend(f"o{index}" for index in range(len(node.outputs)))
    proto.attribute.extend(ir.serde.serialize_attribute(attribute) for attribute in node.attributes.values())
    schema = onnx.defs.get_schema(node.op_type, OPSET)
    try:
        found = onnx.shape_inference.infer_node_outputs(schema, proto, types, data, opset_imports=_OPSETS)
    except onnx.shape_inference.InferenceError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadSource(f"The node cannot be valid: {reason}", node=describe(node)) from error
    except (onnx.checker.ValidationError, ValueError) as error:  # a type that there is not, for one
        reason = str(error).strip().splitlines()[0]
        raise Unsupported(f"At opset {OPSET} the node would not be valid: {reason}", node=describe(node)) from error
    return [_read(found.get(f"o{index}")) for index in range(len(node.outputs))]


def _write(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else dim.text


def _read(proto: onnx.TypeProto | None) -> Answer:
    if proto is None or not proto.HasField("tensor_type"):
        return None, None
    tensor = proto.tensor_type
    dtype = ir.DataType(tensor.elem_type) if tensor.elem_type else None
    if not tensor.HasField("shape"):
        return None, dtype
    return tuple(_read_dim(dim) for dim in tensor.shape.dim), dtype


def _read_dim(dim: onnx.TensorShapeProto.Dimension) -> Dim | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return parse(dim.dim_param) if dim.dim_param else None
