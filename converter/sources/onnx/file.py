"""An `.onnx` file as the source: checked first, then read with its weights left memory-mapped in their files."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from converter.input_spec import InputSpec
from converter.sources import memory_budget
from converter.sources.onnx import checks, lazy_protobuf
from converter.sources.onnx.external_data import DataFiles
from converter.sources.onnx.node_checks import check_nodes
from converter.sources.onnx.old_opset import modernised
from converter.sources.quiet import quiet
from converter.sources.source import Source
from passes.dims.parse import is_nameless
from passes.errors import BadSource, UsageError
from passes.normalize.open_batch import Opened

OPENED = (
    "The file fixes its sizes. At these it is what the model is compared with, at others its graph with the sizes "
    "opened: that the network means anything there is yours to know."
)

_FOREIGN = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch it with `git lfs pull`."),
    (b"PK\x03\x04", "a zip archive", "A PyTorch checkpoint or a torch.export program has another suffix: .pt or .pt2."),
    (b"<", "a text file (a web page?)", "The download went wrong."),
)


def load_onnx(path: Path, *, specs: tuple[InputSpec, ...] = (), max_bytes: int | None = None) -> Source:
    """Read `path`. `specs` give sizes to dynamic dimensions of its inputs.

    Raises:
        BadSource: not an ONNX model, damaged, or with external data that may not be read.
        LimitExceeded: more weights than `max_bytes`, or sub-graphs nested too deep.
        Unsupported: an opset that is too old or too new, sparse initializers.
    """
    files = DataFiles(path)
    proto = _parse(path, max_bytes)
    checks.check_opset(proto)
    checks.check_nesting(proto)
    checks.check_functions(proto)
    checks.check_outputs(proto)
    check_nodes(proto)
    nbytes = checks.check_tensors(proto, files)
    memory_budget.check(nbytes, f"The model {path.name}", max_bytes)
    told = ", ".join(f"{item.domain or 'opset'} {item.version}" for item in proto.opset_import)
    proto = modernised(proto, path.name)
    try:
        with quiet():  # it warns of values that nothing computes; here they are errors
            model = ir.from_proto(proto)
    except Exception as error:  # a wrong reference, name or type anywhere in the file surfaces as whatever it broke
        raise BadSource(f"{path.name} is not a valid ONNX model: {_last_line(error)}") from error
    _map_weights(model, files)
    _check_references(model, path)
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    _keep_shapes(inputs, proto)
    _open_sizes(inputs)
    opened = _fix_sizes(inputs, specs)
    description = f"{path.name} ({told})"
    given = tuple(InputSpec.of(value) for value in inputs)
    own = _of_own_size(given, opened) if opened is not None and opened.axes else None
    notes = [OPENED] if own is not None else []
    return Source(model, description, "onnx", path, inputs=given, opened=opened, example_inputs=own, notes=notes)


def _parse(path: Path, max_bytes: int | None) -> onnx.ModelProto:
    """The file as a message whose large weights refer to their place in the file."""
    if path.is_dir():
        raise BadSource(f"{str(path)!r} is a folder, not an .onnx file.")
    if not path.is_file():
        raise BadSource(f"There is no file {str(path)!r}.")
    size = path.stat().st_size
    if size == 0:
        raise BadSource(f"{path.name} is empty.")
    memory_budget.check(size, f"The file {path.name}", max_bytes)
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadSource(f"{path.name} cannot be read: {error.strerror}.") from error
    with file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping, memoryview(mapping) as data:
        try:
            lean = lazy_protobuf.without_weights(data, path.name)
            proto = onnx.ModelProto()
            proto.ParseFromString(lean)
        except (lazy_protobuf.Malformed, DecodeError) as error:
            raise _not_onnx(path, data, error) from error
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise BadSource(
            f"{path.name} holds no ONNX graph.", hint="It is another kind of file, or it was never finished."
        )
    return proto


def _not_onnx(path: Path, data: memoryview, error: Exception) -> Exception:
    """Say what the file is, if that can be seen."""
    head = bytes(data[:1024])
    for mark, what, hint in _FOREIGN:
        if head.lstrip().startswith(mark):
            return BadSource(f"{path.name} is {what}.", hint=hint)
    if all(32 <= byte < 127 or byte in b"\t\r\n\f" for byte in head):
        return BadSource(f"{path.name} is a text file, not an ONNX model.")
    try:
        depth = lazy_protobuf.nesting(data)
    except lazy_protobuf.Malformed:
        return BadSource(
            f"{path.name} is truncated or damaged: {error}.", hint="Its download or its writing was interrupted."
        )
    if depth > checks.MAX_NESTING:
        return checks.too_deep(depth)
    return BadSource(f"{path.name} is damaged: {error}.")


def _map_weights(model: ir.Model, files: DataFiles) -> None:
    """Put a view of the mapped file in place of every tensor that refers to one."""
    for root in (model.graph, *(function.graph for function in model.functions.values())):
        for graph in (root, *root.subgraphs()):
            for value in graph.initializers.values():
                if isinstance(value.const_value, ir.ExternalTensor):
                    value.const_value = _mapped(value.const_value, files)
        for node in root.all_nodes():
            for name, attribute in list(node.attributes.items()):
                if attribute.type == ir.AttributeType.TENSOR and isinstance(attribute.value, ir.ExternalTensor):
                    node.attributes[name] = ir.AttrTensor(name, _mapped(attribute.value, files))
                elif attribute.type == ir.AttributeType.TENSORS:
                    tensors = [_mapped(t, files) if isinstance(t, ir.ExternalTensor) else t for t in attribute.value]
                    node.attributes[name] = ir.AttrTensors(name, tensors)


def _mapped(tensor: ir.ExternalTensor, files: DataFiles) -> ir.TensorProtocol:
    dtype, shape = tensor.dtype, tensor.shape
    data = files.bytes_of(tensor.name, str(tensor.location), tensor.offset or 0, tensor.nbytes)
    if dtype.bitwidth < 8:
        return ir.PackedTensor(data, dtype, shape=shape, name=tensor.name)
    array: np.ndarray = data.view(dtype.numpy()).reshape(shape.numpy())
    return ir.Tensor(array, dtype=dtype, shape=shape, name=tensor.name)


def _check_references(model: ir.Model, path: Path) -> None:
    """Every value that a node or the graph reads must come from somewhere, and no node may wait for itself."""
    for node in model.graph.all_nodes():
        for value in node.inputs:
            if value is not None and not _has_origin(value):
                raise BadSource(
                    f"{path.name}: {node.op_type} node {node.name!r} reads {value.name!r}, which nothing computes."
                )
    for value in model.graph.outputs:
        if not _has_origin(value):
            raise BadSource(f"{path.name}: the output {value.name!r} is computed by nothing.")
    try:
        model.graph.sort()
    except ValueError as error:
        raise BadSource(f"{path.name}: the graph has a cycle.") from error


def _has_origin(value: ir.Value) -> bool:
    return value.producer() is not None or value.is_graph_input() or value.is_initializer()


def _keep_shapes(inputs: list[ir.Value], proto: onnx.ModelProto) -> None:
    """An input that is an output as well is one value, of which the output says nothing more."""
    told = {value.name: value for value in proto.graph.input}
    for value in inputs:
        if value.shape is None and value.name in told:
            value.shape = ir.serde.deserialize_type_proto_for_shape(told[value.name].type)


def _open_sizes(inputs: list[ir.Value]) -> None:
    """Old exporters write -1 for a size that is open, or give all of them one name that is none."""
    for value in inputs:
        if value.shape is not None and any(map(_is_open, value.shape)):
            value.shape = ir.Shape([None if _is_open(dim) else dim for dim in value.shape])


def _is_open(dim: int | ir.SymbolicDim) -> bool:
    return dim < 0 if isinstance(dim, int) else dim.value is not None and is_nameless(dim.value)


def _fix_sizes(inputs: list[ir.Value], specs: tuple[InputSpec, ...]) -> Opened | None:
    """Give dimensions the sizes asked for. What the file fixes can be opened, but not set; of batches those of 1."""
    opened: dict[str, str] = {}
    axes: dict[str, dict[int, str]] = {}
    owns: dict[str, Sequence[int | str]] = {}
    by_name = {value.name: value for value in inputs}
    for spec in specs:
        value = by_name.get(spec.name)
        if value is None:
            raise UsageError(
                f"The model has no input {spec.name!r}.", hint=f"Its inputs: {', '.join(map(str, by_name))}."
            )
        own = InputSpec.of(value)
        if spec.dtype != own.dtype:
            raise UsageError(f"Input {spec.name!r} is {own.dtype}, not {spec.dtype}.")
        if value.shape is not None and len(spec.shape) != len(own.shape):
            raise UsageError(f"Input {own} has {len(own.shape)} dimensions, not {len(spec.shape)}.")
        for axis, (wanted, dim) in enumerate(zip(spec.shape, own.shape, strict=False)):
            if axis == 0 and dim == 1 and isinstance(wanted, str):
                opened[spec.name] = wanted
            elif axis > 0 and isinstance(dim, int) and isinstance(wanted, str):
                axes.setdefault(spec.name, {})[axis] = wanted
                owns[spec.name] = own.shape
            elif isinstance(dim, int) and wanted != dim:
                raise UsageError(
                    f"Input {own} has the fixed size {dim} where {wanted!r} is asked for.",
                    hint="Export the model again with that dimension dynamic.",
                )
        value.shape = ir.Shape(spec.shape)
    if len(set(opened.values())) > 1:
        raise UsageError(f"One batch has several names: {', '.join(sorted(set(opened.values())))}.")
    symbol = next(iter(opened.values()), "")
    return Opened(dict.fromkeys(opened, 1), symbol, axes, owns) if opened or axes else None


def _of_own_size(inputs: Sequence[InputSpec], opened: Opened) -> tuple[np.ndarray, ...]:
    """An array for each input, of the size that the file has: at which it is known to run."""
    shapes = [opened.own.get(spec.name, spec.shape) for spec in inputs]
    sizes = [[size if isinstance(size, int) else 1 for size in shape] for shape in shapes]
    return tuple(np.zeros(shape, spec.dtype) for shape, spec in zip(sizes, inputs, strict=True))


def _last_line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1][:300]
