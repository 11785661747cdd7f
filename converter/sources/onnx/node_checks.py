"""Every node of an ONNX file fits the standard's schema, before a pass meets it: arity, attributes, types, sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
import onnx.checker

from converter.sources.onnx.checks import all_nodes
from passes.errors import BadSource

MOST = 2**31 - 1
"""No axis is longer. A stride of 2³³ would be computed with, not looked at."""

POSITIVE = frozenset({"kernel_shape", "strides", "dilations", "group", "num_groups", "blocksize", "hidden_size"})
BOUNDED = POSITIVE | {"pads", "output_padding", "output_shape", "block_size", "axis", "axes", "k", "num_outputs"}
"""Attributes that count elements, or name axes."""


def check_nodes(model: onnx.ModelProto) -> None:
    """Check the nodes of all graphs and functions.

    Raises:
        BadSource: naming the node and what is wrong with it.
    """
    owners = [(model.graph, model.opset_import), *((each, each.opset_import) for each in model.functions)]
    for owner, imports in owners:
        _check_text(*(item.domain for item in (*imports, *model.opset_import)))
        context = _context(model, imports or model.opset_import)
        for node in all_nodes(owner):
            _check_text(node.op_type, node.domain, node.name, *node.input, *node.output, *_notes(node))
            _check_node(node, context)
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info]
    _check_text(graph.name, *_notes(model), *_notes(graph))
    for value in values:
        _check_text(value.name, *_notes(value))


def _check_text(*names: object) -> None:
    """protobuf gives bytes where a name is not UTF-8."""
    for name in names:
        if not isinstance(name, str):
            raise BadSource(f"The name {name!r} in the file is no text.")


def _notes(owner: onnx.ModelProto | onnx.GraphProto | onnx.NodeProto | onnx.ValueInfoProto) -> Iterator[str]:
    for entry in owner.metadata_props:
        yield from (entry.key, entry.value)


def _context(model: onnx.ModelProto, imports: Iterable[onnx.OperatorSetIdProto]) -> onnx.checker.C.CheckerContext:
    context = onnx.checker.C.CheckerContext()
    context.ir_version = model.ir_version or onnx.IR_VERSION
    context.opset_imports = {item.domain: item.version for item in imports}
    return context


def _check_node(node: onnx.NodeProto, context: onnx.checker.C.CheckerContext) -> None:
    told = f"{node.op_type} node {node.name!r}"
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.UNDEFINED:
            raise BadSource(f"The attribute {attribute.name!r} does not say which type it has.", node=told)
        _check_bounds(attribute, told)
    if node.domain not in ("", "ai.onnx") or "" not in context.opset_imports:
        return
    try:
        onnx.checker.check_node(_without_contents(node), context)
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]
        if "No Op registered" in reason or "deprecated" in reason:
            return  # what is not known is told with all others of its kind; what was withdrawn is still in use
        raise BadSource(f"The node does not fit the ONNX standard: {reason}", node=told) from error
    except UnicodeDecodeError as error:
        raise BadSource("An attribute of the node is no text.", node=told) from error


def _check_bounds(attribute: onnx.AttributeProto, told: str) -> None:
    if attribute.name not in BOUNDED or attribute.ref_attr_name:
        return
    numbers = [*attribute.ints, attribute.i] if attribute.type == onnx.AttributeProto.INT else list(attribute.ints)
    least = 1 if attribute.name in POSITIVE else -MOST
    for number in numbers:
        if not least <= number <= MOST:
            raise BadSource(f"{attribute.name} cannot be {number}: it is from {least} to {MOST}.", node=told)


def _without_contents(node: onnx.NodeProto) -> onnx.NodeProto:
    """The node with graphs and tensors that are empty: they are checked elsewhere, and may be large."""
    if not any(attribute.HasField("g") or attribute.HasField("t") or attribute.graphs for attribute in node.attribute):
        return node
    bare = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=node.name, overload=node.overload)
    bare.input.extend(node.input)
    bare.output.extend(node.output)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            bare.attribute.add(name=attribute.name, type=attribute.type, g=onnx.GraphProto(name="body"))
        elif attribute.HasField("t"):
            empty = onnx.TensorProto(name="t", data_type=onnx.TensorProto.FLOAT, dims=[0], raw_data=b"")
            bare.attribute.add(name=attribute.name, type=attribute.type, t=empty)
        elif not attribute.graphs:
            bare.attribute.append(attribute)
    return bare
