"""What the nodes of a graph say about the axes that were opened: which axes of their results are, and who fixes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames
from passes.normalize.open_batch import named_axes, rank_of

HINT = "Keep the size that the file has, or export the model again with it dynamic."
ALONG_ANY = frozenset({"Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "CumSum"})
"""Operators along an axis that do not mind how long it is."""


@dataclass(frozen=True)
class OpenedNode:
    """A node, and which axes of each of its inputs are open. Shapes are those that the file has."""

    node: ir.Node
    opened: Sequence[frozenset[int]]
    names: FreshNames

    def axes(self, place: int = 0) -> frozenset[int]:
        return self.opened[place]

    def builder(self) -> Builder:
        return Builder(self.node, self.names)


def reject(at: OpenedNode) -> set[int]:
    node = at.node
    raise Unsupported(
        f"A size that was to be opened is not followed through {node.op_type}.", node=describe(node), hint=HINT
    )


def unary(at: OpenedNode) -> set[int]:
    """The places of the input, along axes that are not named."""
    node = at.node
    axes, rank = at.axes(), rank_of(node.inputs[0])
    named = named_axes(node, rank)
    if node.op_type in ("LayerNormalization", "RMSNormalization"):
        named = set(range(node.attributes.get_int("axis", -1) % rank, rank))
    if axes & named and node.op_type not in ALONG_ANY:
        raise fixed(node)
    return set(axes)


def shape(at: OpenedNode) -> set[int]:
    """Of a live tensor: it counts what is there."""
    return set()


def windows(at: OpenedNode) -> set[int]:
    node = at.node
    axes = at.axes()
    if min(axes, default=2) < 2:
        raise fixed(node)
    return {axis for axis in axes if not node.op_type.startswith("Global")}


def broadcast(at: OpenedNode) -> set[int]:
    """Another operand has an open axis too, or is 1 long there: else it holds the old size."""
    return _aligned(at, rank_of(at.node.outputs[0]))


def matmul(at: OpenedNode) -> set[int]:
    """Axes in front broadcast; what the two sum over has to be open on both sides, or on none."""
    node = at.node
    ranks, rank = [rank_of(value) for value in node.inputs], rank_of(node.outputs[0])
    a, b = at.axes(0), at.axes(1)
    if min(ranks) < 2 or (ranks[0] - 1 in a) != (ranks[1] - 2 in b):
        raise fixed(node)
    found = _aligned(at, rank, inner=2)
    if ranks[0] - 2 in a:
        found.add(rank - 2)
    if ranks[1] - 1 in b:
        found.add(rank - 1)
    return found


def _aligned(at: OpenedNode, rank: int, inner: int = 0) -> set[int]:
    """The open axes of all operands, counted as the result counts them, but for the last `inner` ones."""
    own = [
        {axis + rank - rank_of(value) for axis in at.axes(place) if axis < rank_of(value) - inner}
        for place, value in enumerate(at.node.inputs)
    ]
    found = set[int]().union(*own)
    for value, opened in zip(at.node.inputs, own, strict=True):
        indices = (axis - rank + rank_of(value) for axis in found - opened)
        if any(index >= 0 and own_sizes(value)[index] != 1 for index in indices):
            raise fixed(at.node, value)
    return found


def gemm(at: OpenedNode) -> set[int]:
    """Rows may be open, what is summed over has as many weights."""
    node = at.node
    summed = 0 if node.attributes.get_int("transA", 0) else 1
    if summed in at.axes() or any(at.axes(place) for place in range(1, len(node.inputs))):
        raise fixed(node)
    return {0} if at.axes() else set()


def transpose(at: OpenedNode) -> set[int]:
    node = at.node
    order = list(node.attributes.get_ints("perm", ()))
    return {order.index(axis) for axis in at.axes()}


def concat(at: OpenedNode) -> set[int]:
    node = at.node
    found = {axis for place in range(len(node.inputs)) for axis in at.axes(place)}
    along = node.attributes.get_int("axis", 0) % rank_of(node.outputs[0])
    for place, value in enumerate(node.inputs):
        if found - at.axes(place) - {along}:
            raise fixed(node, value)
    return found


def reduce(at: OpenedNode) -> set[int]:
    node = at.node
    named = named_axes(node, rank_of(node.inputs[0]))
    left = at.axes() - named
    if node.attributes.get_int("keepdims", node.op_type != "Squeeze"):
        return set(left)
    return {axis - sum(other < axis for other in named) for axis in left}


def unsqueeze(at: OpenedNode) -> set[int]:
    node = at.node
    named = named_axes(node, rank_of(node.outputs[0]))
    kept = [i for i in range(rank_of(node.outputs[0])) if i not in named]
    return {kept[axis] for axis in at.axes()}


def gather(at: OpenedNode) -> set[int]:
    node = at.node
    axis = node.attributes.get_int("axis", 0) % max(rank_of(node.inputs[0]), 1)
    if axis in at.axes():
        raise fixed(node)
    more = rank_of(node.inputs[1]) - 1
    return {a + (more if a > axis else 0) for a in at.axes()} | {axis + a for a in at.axes(1)}


def fixed(node: ir.Node, constant: ir.Value | None = None) -> Unsupported:
    holds = f" by {constant.name!r}" if constant is not None else ""
    return Unsupported(
        f"{node.op_type} fixes a size that was to be opened{holds}.",
        node=describe(node),
        hint=HINT,
    )


def own_sizes(value: ir.Value | None) -> list[int]:
    """The shape as the file has it; an open batch counts as 1."""
    return [] if value is None else [size if isinstance(size, int) else 1 for size in value.shape or ()]
