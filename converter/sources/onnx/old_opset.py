"""Files of opsets 1 to 8: the standard's own version converter brings them to 9, from where the passes go on."""

from __future__ import annotations

import onnx
import onnx.shape_inference
from onnx import version_converter

from passes.errors import Unsupported, first_line
from passes.normalize.convert_opset import OLDEST


def modernised(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model at the oldest opset that `ConvertOpset` starts from; itself where it is of that one or newer.

    Files of that age hold no metadata, which the converter would lose.

    Raises:
        Unsupported: it has a Scan, the converter has no adapter for an operator, or finds that it cannot be valid.
    """
    versions = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    if not versions or versions[0] >= OLDEST:
        return model
    for node in model.graph.node:
        if node.op_type == "Scan":  # it had a batch axis, and the converter leaves it as it is
            raise Unsupported(f"Scan of opset {versions[0]} is not converted.", node=f"Scan node {node.name!r}")
    try:
        newer = version_converter.convert_version(model, OLDEST)
        if versions[0] < 7:
            _spread_slopes(newer)
        return newer
    except Exception as error:  # RuntimeError and its own kinds, by version of onnx
        reason = first_line(error)
        raise Unsupported(
            f"{name} is of opset {versions[0]}, and onnx's version converter cannot bring it to {OLDEST}: {reason}",
            hint="Export it again with a newer opset.",
        ) from error


def _spread_slopes(model: onnx.ModelProto) -> None:
    """Below opset 7 a PRelu has a slope for each channel, [c]; from 7 on it broadcasts: [c, 1, 1].

    onnx's converter (1.22) leaves it as it is.
    """
    slopes = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 1 and tensor.dims[0] > 1}
    found = [node for node in model.graph.node if node.op_type == "PRelu" and node.input[1] in slopes]
    if not found:
        return
    inferred = onnx.shape_inference.infer_shapes(model).graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
    }
    for node in found:
        if node.input[0] not in ranks:
            raise Unsupported("The rank of what a PRelu of opset 6 is given is not known.", node=f"node {node.name!r}")
        slope = slopes[node.input[1]]
        if len(slope.dims) == 1:
            slope.dims.extend([1] * (ranks[node.input[0]] - 2))
            for value in model.graph.input:
                if value.name == slope.name:
                    for _ in range(ranks[node.input[0]] - 2):
                        value.type.tensor_type.shape.dim.add(dim_value=1)
