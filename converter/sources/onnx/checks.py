"""What is checked of an ONNX file before anything is allocated from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx
import onnx_ir as ir

from converter.sources.onnx.external_data import DataFiles
from passes.errors import BadSource, LimitExceeded, Unsupported

OLDEST_OPSET = 1
MAX_NESTING = 16
"""Graphs within graphs. Exporters write two or three levels; protobuf itself gives up at about 30."""

MAX_EXPANDED_NODES = 1_000_000
"""Nodes after all functions are inlined: functions that call functions multiply."""

_FIELDS: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float_data",
    onnx.TensorProto.COMPLEX64: "float_data",
    onnx.TensorProto.INT64: "int64_data",
    onnx.TensorProto.DOUBLE: "double_data",
    onnx.TensorProto.COMPLEX128: "double_data",
    onnx.TensorProto.UINT32: "uint64_data",
    onnx.TensorProto.UINT64: "uint64_data",
}
"""Where the numbers of a type are; those of all others are int32_data."""

Owner = onnx.GraphProto | onnx.FunctionProto


def check_opset(model: onnx.ModelProto) -> None:
    """The opset must be one that the installed onnx knows and that conversion starts from."""
    versions = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    for version in versions:
        if not OLDEST_OPSET <= version <= newest:
            raise Unsupported(
                f"The model uses opset {version}; {OLDEST_OPSET} to {newest} are supported.",
                hint="The file is damaged." if version < OLDEST_OPSET else "Update the onnx package.",
            )


def check_nesting(model: onnx.ModelProto) -> None:
    """Sub-graphs may not lie deeper than MAX_NESTING."""
    waiting: list[tuple[Owner, int]] = [(model.graph, 1), *((function, 1) for function in model.functions)]
    while waiting:
        owner, depth = waiting.pop()
        if depth > MAX_NESTING:
            raise too_deep(depth)
        waiting += [(graph, depth + 1) for node in owner.node for graph in _subgraphs(node)]


def check_outputs(model: onnx.ModelProto) -> None:
    """What comes out is tensors: a dictionary for each row, as scikit-learn's classifiers give by default, is none."""
    for value in model.graph.output:
        kind = value.type.WhichOneof("value")
        element = value.type.sequence_type.elem_type.WhichOneof("value") if kind == "sequence_type" else None
        if "map_type" in (kind, element):
            raise Unsupported(
                f"The output {value.name!r} is a dictionary: Keras models give tensors.",
                hint='Export again without ZipMap: skl2onnx.to_onnx(model, X, options={"zipmap": False}).',
            )


def too_deep(depth: int) -> LimitExceeded:
    return LimitExceeded(f"The model has graphs within graphs, {depth} deep; at most {MAX_NESTING} are read.")


def check_functions(model: onnx.ModelProto) -> None:
    """No function may call itself, and inlining them all may not explode."""
    functions = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(owner: Owner, chain: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in all_nodes(owner):
            key = (node.domain, node.op_type)
            if key in chain:
                raise BadSource(f"The function {node.domain}::{node.op_type} calls itself.")
            if key in functions and key not in sizes:
                sizes[key] = size(functions[key], (*chain, key)) if len(chain) < MAX_NESTING else MAX_EXPANDED_NODES
            total += sizes.get(key, 1)
        return total

    if functions and size(model.graph, ()) > MAX_EXPANDED_NODES:
        raise LimitExceeded(f"The model has more than {MAX_EXPANDED_NODES:,} nodes once its functions are inlined.")


def check_tensors(model: onnx.ModelProto, files: DataFiles) -> int:
    """Every tensor must have the data that its shape declares; returns the bytes of all of them."""
    return sum(_check_tensor(tensor, files) for tensor in _tensors(model))


def _check_tensor(tensor: onnx.TensorProto, files: DataFiles) -> int:
    if tensor.data_type not in ir.DataType.__members__.values() or tensor.data_type == onnx.TensorProto.UNDEFINED:
        raise BadSource(f"Tensor {tensor.name!r} has the unknown type {tensor.data_type}.")
    if any(dim < 0 for dim in tensor.dims):
        raise BadSource(f"Tensor {tensor.name!r} has the impossible shape {list(tensor.dims)}.")
    if tensor.HasField("segment"):
        raise Unsupported(f"Tensor {tensor.name!r} is one segment of a larger one.")
    count = math.prod(tensor.dims)
    if tensor.data_type == onnx.TensorProto.STRING:
        return _check_count(tensor, count, len(tensor.string_data))
    bits: int = ir.DataType(tensor.data_type).bitwidth
    nbytes = -(-count * bits // 8)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        place = external_place(tensor)
        if "length" in place and int(place["length"]) != nbytes:
            raise _mismatch(tensor, f"{nbytes:,} bytes", f"{int(place['length']):,}")
        files.bytes_of(tensor.name, place.get("location", ""), int(place.get("offset", 0)), nbytes)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != nbytes:
            raise _mismatch(tensor, f"{nbytes:,} bytes", f"{len(tensor.raw_data):,}")
    else:
        # A complex number is two floats; types below a byte are packed, several to an element.
        is_complex = tensor.data_type in (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128)
        elements = 2 * count if is_complex else nbytes if bits < 8 else count
        _check_count(tensor, elements, len(getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data"))))
    return int(nbytes)


def external_place(tensor: onnx.TensorProto) -> dict[str, str]:
    """location, offset and length of a tensor kept outside of the file."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    for key in ("offset", "length"):
        if key in place and not (place[key].isascii() and place[key].isdigit() and len(place[key]) < 20):
            raise BadSource(f"Tensor {tensor.name!r} has the unreadable {key} {place[key]!r}.")
    return place


def _check_count(tensor: onnx.TensorProto, declared: int, present: int) -> int:
    if declared != present:
        raise _mismatch(tensor, f"{declared:,} numbers", f"{present:,}")
    return declared


def _mismatch(tensor: onnx.TensorProto, declared: str, present: str) -> BadSource:
    return BadSource(
        f"Tensor {tensor.name!r} declares the shape {list(tensor.dims)}, that is {declared}; the file has {present}.",
        hint="The file is damaged, or made to look larger than it is.",
    )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    waiting: list[Owner] = [model.graph, *model.functions]
    while waiting:
        owner = waiting.pop()
        if isinstance(owner, onnx.GraphProto):
            yield from owner.initializer
            if owner.sparse_initializer:
                raise Unsupported(
                    f"Sparse initializers ({owner.sparse_initializer[0].values.name!r}) are not supported."
                )
        for node in owner.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
            waiting += _subgraphs(node)


def all_nodes(owner: Owner) -> Iterator[onnx.NodeProto]:
    """Those of its sub-graphs included."""
    waiting: list[Owner] = [owner]
    while waiting:
        for node in waiting.pop().node:
            yield node
            waiting += _subgraphs(node)


def _subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [
        graph
        for attribute in node.attribute
        for graph in ([attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs)
    ]
