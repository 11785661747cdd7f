"""GroupNorm in one piece.

An InstanceNormalization of x seen as [N, G, …] normalises each group of channels; torch's exporter from TorchScript
writes GroupNorm so, with the weight and the bias of each channel applied after the shape is put back.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import check_closed, check_rank, maker, number, other, reader
from passes.graph.reasons import Fusion, NoMatch
from passes.padding.nodes import scalar


class FuseGroupNorm(Fusion):
    """Given    Add(Mul(Reshape(InstanceNormalization(Reshape(x, [N, G, -1]), 1, 0)), weight), bias)    x: [N, C, …]
    Result   GroupNormalization<num_groups=G>(x, weight, bias)                      weight, bias: [C], opset 21

    Without weight and bias they are 1 and 0. Not when the last Reshape does not give x's shape, when the instance norm
    has a scale or a bias of its own, or when a step is read elsewhere or is an output.
    """

    roots = frozenset({"InstanceNormalization"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        _fuse(root, names)


def _fuse(norm: ir.Node, names: FreshNames) -> None:
    grouped, restored = maker(norm.inputs[0], "Reshape"), reader(norm.outputs[0])
    if grouped is None or restored is None or restored.domain != "" or restored.op_type != "Reshape":
        raise NoMatch("it does not stand between two reshapes")
    x, groups = grouped.inputs[0], _groups(grouped)
    if x is None or groups is None or restored.inputs[0] is not norm.outputs[0]:
        raise NoMatch("the reshape before it does not make groups of channels")
    if x.shape != restored.outputs[0].shape:
        raise NoMatch("the reshape after it does not give the shape back")
    if not (_is_all(norm.inputs[1], 1) and _is_all(norm.inputs[2], 0)):
        raise NoMatch("it has a scale or a bias of its own")
    channels = sizes_of(x)[1]
    if not isinstance(channels, int):
        raise NoMatch("the number of channels is open")
    nodes, last = {grouped, norm, restored}, restored
    affine: dict[str, ir.Value] = {}
    for op_type, nothing in (("Mul", 1), ("Add", 0)):
        after = reader(last.outputs[0])
        value = other(after, last.outputs[0]) if after is not None and after.domain == "" else None
        if after is None or value is None or after.op_type != op_type:
            break
        if _is_per_channel(value, channels, len(sizes_of(x))):
            affine[op_type] = value
        elif number(value) != nothing or after.outputs[0].shape != last.outputs[0].shape:
            break
        nodes.add(after)
        last = after
    check_closed(nodes, last)
    check_rank(x, last)
    at = Builder(last, names)
    parameters = []
    for op_type, label, nothing in (("Mul", "scale", 1), ("Add", "bias", 0)):
        if op_type in affine:
            parameters.append(names.weight_views.view(at.graph, affine[op_type], [("reshape", (channels,))]))
        else:
            parameters.append(at.constant(np.full(channels, nothing, scalar(x, 1).dtype), label))
    attributes = {"num_groups": groups, "epsilon": norm.attributes.get_float("epsilon", 1e-5), "stash_type": 1}
    at.replace(at.node("GroupNormalization", [x, *parameters], sizes_of(x), attributes, name=last.name))
    at.graph.remove(nodes - {last}, safe=True)


def _groups(reshape: ir.Node) -> int | None:
    """G where [N, C, …] becomes [N, G, …] with whole channels in each group."""
    x, y = reshape.inputs[0], reshape.outputs[0]
    if x is None or x.shape is None or y.shape is None or len(x.shape) < 3 or len(y.shape) < 3:
        return None
    channels, groups = x.shape[1], y.shape[1]
    if x.shape[0] != y.shape[0] or not isinstance(channels, int) or not isinstance(groups, int):
        return None
    return groups if groups and channels % groups == 0 else None


def _is_all(value: ir.Value | None, wanted: float) -> bool:
    tensor = value.const_value if value is not None else None
    return tensor is not None and bool((tensor.numpy() == wanted).all())


def _is_per_channel(value: ir.Value | None, channels: int, rank: int) -> bool:
    """A constant [C, 1, …, 1] that lies along axis 1 of a tensor of this rank."""
    if value is None or value.const_value is None:
        return False
    shape = [int(size) for size in value.const_value.shape.numpy()]
    return [1] * (rank - len(shape)) + shape == [1, channels, *[1] * (rank - 2)]
