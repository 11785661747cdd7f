"""Operators that the ONNX standard itself defines by a composition of others, and which become that composition.

The standard's own function bodies are taken, as the installed onnx has them. Where an operator has a native form in
Keras, it keeps it, and only uses that go beyond this form are composed: attention with a cache, norms that give their
statistics as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from passes.errors import BadSource, Unsupported, describe

Beyond = Callable[[ir.Node], bool]
"""Whether a node is composed."""


def _always(node: ir.Node) -> bool:
    return True


def _has_more_results(node: ir.Node) -> bool:
    return any(output.name for output in node.outputs[1:])


def _is_more_than_attention(node: ir.Node) -> bool:
    """Past keys and values, lengths, softcap, windows, scores as an output: Keras' attention has none of them."""
    attributes = node.attributes
    windows = (attributes.get_int(f"{side}_window_size", -1) for side in ("left", "right"))
    return (
        _has_more_results(node)
        or any(value is not None for value in node.inputs[4:])
        or attributes.get_float("softcap", 0.0) != 0.0
        or any(window != -1 for window in windows)
    )


COMPOSED: Mapping[str, Beyond] = {
    "AffineGrid": _always,
    "Attention": _is_more_than_attention,
    "CausalConvWithState": _always,
    "CenterCropPad": _always,
    "LayerNormalization": _has_more_results,
    "LinearAttention": _always,
    "MeanVarianceNormalization": _always,
    "NegativeLogLikelihoodLoss": _always,
    "RotaryEmbedding": _always,
    "SoftmaxCrossEntropyLoss": _always,
    "SwiGLU": _always,
}
"""By operator of the standard domain, which of its nodes become their body."""


def is_composed(node: ir.Node) -> bool:
    return node.domain in ("", "ai.onnx") and node.op_type in COMPOSED and COMPOSED[node.op_type](node)


def standard_body(node: ir.Node, model: ir.Model) -> ir.Function | None:
    """The function that the standard defines the node by; None where its version has none.

    Raises:
        Unsupported: the body depends on an element type that nothing tells.
    """
    version = node.version or model.opset_imports.get("") or model.opset_imports.get("ai.onnx")
    if version is None or not onnx.defs.has(node.op_type, version):
        return None
    schema: Any = onnx.defs.get_schema(node.op_type, version)  # its stub lacks what functions are asked by
    if schema.has_function:
        newest = max(schema.function_opset_versions)
        body = schema.get_function_with_opset_version(newest)
    elif schema.has_context_dependent_function:
        newest = max(schema.context_dependent_function_opset_versions)
        told = ir.serde.serialize_node(node).SerializeToString()
        body = schema.get_context_dependent_function_with_opset_version(newest, told, _types(node, model))
    else:
        return None
    proto = _with_outputs(onnx.FunctionProto.FromString(body), len(node.outputs))
    return _with_defaults(ir.serde.deserialize_function(proto), schema)


def _with_outputs(body: onnx.FunctionProto, count: int) -> onnx.FunctionProto:
    """The body with so many outputs, each computed: what a node does not ask for onnx declares and leaves out."""
    del body.output[count:]
    computed = {name for node in body.node for name in node.output}
    for name in body.output:
        if name not in computed:
            body.node.add(op_type="Identity", input=body.input[:1], output=[name])
    return body


def _types(node: ir.Node, model: ir.Model) -> Sequence[bytes]:
    if any(value is not None and _dtype(value) is None for value in node.inputs):
        ShapeInferencePass()(model)
    found = []
    for value in node.inputs:
        if value is None:
            found.append(onnx.TypeProto().SerializeToString())
            continue
        dtype = _dtype(value)
        if dtype is None:
            raise Unsupported(f"The element type of {value.name!r} is not known.", node=describe(node))
        sizes = None if value.shape is None else [d if isinstance(d, int) else d.value for d in value.shape]
        found.append(onnx.helper.make_tensor_type_proto(dtype.value, sizes).SerializeToString())
    return found


def _dtype(value: ir.Value) -> ir.DataType | None:
    return value.const_value.dtype if value.dtype is None and value.const_value is not None else value.dtype


def _with_defaults(function: ir.Function, schema: onnx.defs.OpSchema) -> ir.Function:
    """The function with the defaults of the operator's attributes: a body may refer to one that a node leaves out."""
    for name in list(function.attributes):
        attribute = schema.attributes.get(name)
        if attribute is None:
            raise BadSource(f"The body of {schema.name} names the unknown attribute {name!r}.")
        if attribute.default_value.type:
            function.attributes[name] = ir.serde.deserialize_attribute(attribute.default_value)
    return function
