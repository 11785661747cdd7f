"""Another float type in a graph replaced by float32: onnxruntime has few kernels for bfloat16, some for float64."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir

BFLOAT16, DOUBLE, FLOAT = ir.DataType.BFLOAT16, ir.DataType.DOUBLE, ir.DataType.FLOAT


def has(model: ir.Model, dtype: ir.DataType) -> bool:
    """Whether any input, weight, output or cast of the model is of this type."""
    for graph in model.graphs():
        values = [*graph.inputs, *graph.outputs, *graph.initializers.values()]
        if any(value.dtype == dtype for value in values):
            return True
        if any(_is_of(attr, dtype) for node in graph for attr in node.attributes.values()):
            return True
    return any(_is_of(a, dtype) for f in model.functions.values() for n in f for a in n.attributes.values())


def in_float32(model: ir.Model, dtype: ir.DataType) -> ir.Model:
    """A copy of the model that computes in float32 what the model computes in this type.

    Given    y = Cast<to=BFLOAT16>(x);  z = MatMul(y, w_bfloat16)
    Result   y = Cast<to=FLOAT>(x);     z = MatMul(y, w_float32)

    Weights keep their bfloat16 values exactly; what is lost is the rounding between operators, so that the copy is the
    more exact of the two. Those in float64 are rounded. The dtype of every input and output becomes float32.
    """
    copy = model.clone()
    for graph in copy.graphs():
        for value in (*graph.inputs, *graph.initializers.values()):
            _change_value(value, dtype)
        for node in graph:
            _change_node(node, dtype)
    for function in copy.functions.values():
        for node in function:
            _change_node(node, dtype)
    return copy


def _is_of(attr: ir.Attr, dtype: ir.DataType) -> bool:
    if attr.type == ir.AttributeType.TENSOR:
        return bool(attr.as_tensor().dtype == dtype)
    return attr.name in ("to", "dtype") and attr.type == ir.AttributeType.INT and attr.value == dtype


def _change_value(value: ir.Value, dtype: ir.DataType) -> None:
    if value.dtype == dtype:
        value.type = ir.TensorType(FLOAT)  # the old type object is shared with the model that was copied
    if value.const_value is not None and value.const_value.dtype == dtype:
        value.const_value = _changed(value.const_value)


def _changed(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    def numbers() -> ir.Tensor:
        array = np.asarray(tensor.numpy())
        array = array.view(ml_dtypes.bfloat16) if tensor.dtype == BFLOAT16 else array
        return ir.Tensor(array.astype(np.float32), name=tensor.name)

    return ir.LazyTensor(numbers, dtype=FLOAT, shape=ir.Shape(tensor.shape.numpy()), name=tensor.name)


def _change_node(node: ir.Node, dtype: ir.DataType) -> None:
    for attr in list(node.attributes.values()):
        if not _is_of(attr, dtype):
            continue
        if attr.type == ir.AttributeType.TENSOR:
            tensor = ir.Tensor(_changed(attr.as_tensor()).numpy(), name=attr.as_tensor().name)
            node.attributes[attr.name] = ir.Attr(attr.name, attr.type, tensor)
        else:
            node.attributes[attr.name] = ir.AttrInt64(attr.name, int(FLOAT))
    for value in node.outputs:
        _change_value(value, dtype)
