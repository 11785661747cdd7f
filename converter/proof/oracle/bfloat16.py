"""bfloat16 in a graph replaced by float32: onnxruntime computes next to nothing in bfloat16 on a CPU."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir

_NARROW = ir.DataType.BFLOAT16
_WIDE = ir.DataType.FLOAT


def has_bfloat16(model: ir.Model) -> bool:
    """Whether any input, weight, output or cast of the model is bfloat16."""
    for graph in model.graphs():
        values = [*graph.inputs, *graph.outputs, *graph.initializers.values()]
        if any(value.dtype == _NARROW for value in values):
            return True
        if any(_narrow_attribute(attr) for node in graph for attr in node.attributes.values()):
            return True
    return any(_narrow_attribute(a) for f in model.functions.values() for n in f for a in n.attributes.values())


def widen_bfloat16(model: ir.Model) -> ir.Model:
    """A copy of the model that computes in float32 what the model computes in bfloat16.

    Given    y = Cast<to=BFLOAT16>(x);  z = MatMul(y, w_bfloat16)
    Result   y = Cast<to=FLOAT>(x);     z = MatMul(y, w_float32)

    Weights keep their bfloat16 values exactly; what is lost is the rounding between operators, so that the copy is the
    more exact of the two. The dtype of every input and output becomes float32.
    """
    copy = model.clone()
    for graph in copy.graphs():
        for value in (*graph.inputs, *graph.initializers.values()):
            _widen_value(value)
        for node in graph:
            _widen_node(node)
    for function in copy.functions.values():
        for node in function:
            _widen_node(node)
    return copy


def _narrow_attribute(attr: ir.Attr) -> bool:
    if attr.type == ir.AttributeType.TENSOR:
        return bool(attr.as_tensor().dtype == _NARROW)
    return attr.name in ("to", "dtype") and attr.type == ir.AttributeType.INT and attr.value == _NARROW


def _widen_value(value: ir.Value) -> None:
    if value.dtype == _NARROW:
        value.type = ir.TensorType(_WIDE)  # the old type object is shared with the model that was copied
    if value.const_value is not None and value.const_value.dtype == _NARROW:
        value.const_value = _widen_tensor(value.const_value)


def _widen_tensor(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    def widened() -> ir.Tensor:
        return ir.Tensor(np.asarray(tensor.numpy()).view(ml_dtypes.bfloat16).astype(np.float32), name=tensor.name)

    return ir.LazyTensor(widened, dtype=_WIDE, shape=ir.Shape(tensor.shape.numpy()), name=tensor.name)


def _widen_node(node: ir.Node) -> None:
    for attr in list(node.attributes.values()):
        if not _narrow_attribute(attr):
            continue
        if attr.type == ir.AttributeType.TENSOR:
            tensor = ir.Tensor(_widen_tensor(attr.as_tensor()).numpy(), name=attr.as_tensor().name)
            node.attributes[attr.name] = ir.Attr(attr.name, attr.type, tensor)
        else:
            node.attributes[attr.name] = ir.AttrInt64(attr.name, int(_WIDE))
    for value in node.outputs:
        _widen_value(value)
