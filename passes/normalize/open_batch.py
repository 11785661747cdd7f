"""A batch that the file fixes, opened: constants that hold the old size are found and count anew.

The graph is normalised at the size that the file has, so that every shape is a number; then the batch is followed from
the inputs, and what has its size written down is written otherwise:

    Reshape(x, [1, 256, 49])                 Reshape(x, [-1, 256, 49])
    Concat([1, 1, 64] token, [b, 49, 64] x)  Concat(Expand(token, [b, 1, 64]), x)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames
from passes.shapes.rules.elementwise import BROADCASTING
from passes.shapes.rules.reductions import REDUCTIONS


@dataclass(frozen=True)
class Opened:
    """Sizes of inputs that the file fixes, and that were opened.

    Attributes:
        sizes: by input whose first axis was opened, the size that the file has.
        symbol: what that axis is called.
        axes: by input, its other axes that were opened, and what they are called.
        own: by input that has such axes, the shape that the file has.
    """

    sizes: Mapping[str, int]
    symbol: str
    axes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    own: Mapping[str, Sequence[int | str]] = field(default_factory=dict)


ELEMENTWISE = frozenset(BROADCASTING)
REDUCING = frozenset(REDUCTIONS)


class CloseBatch(ir.passes.InPlacePass):
    """Give the inputs the sizes that their file has."""

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        for value in model.graph.inputs:
            own = self.opened.own.get(value.name or "")
            if own is not None:
                value.shape = ir.Shape(own)
            size = self.opened.sizes.get(value.name or "")
            if size is not None and value.shape is not None:
                value.shape = ir.Shape([size, *list(value.shape)[1:]])
        return ir.passes.PassResult(model, True)


class OpenBatch(ir.passes.InPlacePass):
    """Open the first axis of these inputs, which has to be 1. Shapes must be inferred again afterwards.

    Raises:
        Unsupported: an operator mixes the images of a batch.
    """

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        walk = _Batches(model)
        for value in model.graph.inputs:
            if value.name in self.opened.sizes and value.shape is not None:
                walk.axes[value] = 0
        for node in list(model.graph):
            walk.follow(node)
        for value in (*model.graph.inputs, *(v for node in model.graph for v in node.outputs)):
            self._open(value, walk.axes.get(value))
        return ir.passes.PassResult(model, True)

    def _open(self, value: ir.Value, axis: int | None) -> None:
        if axis is not None and value.shape is not None:
            sizes = list(value.shape)
            symbol = self.opened.symbol
            opened = symbol if sizes[axis] == 1 else f"{sizes[axis]}*{symbol}"
            value.shape = ir.Shape([opened if i == axis else size for i, size in enumerate(sizes)])


class _Batches:
    """Which axis of each value is the batch, or has it: [b·4, 9] after a Reshape of [b, 4, 9].

    `inner` says how many places of such an axis come before each image, where it does not begin with them: 8 in [8·b].
    """

    def __init__(self, model: ir.Model) -> None:
        self.names = FreshNames(model)
        self.axes: dict[ir.Value, int] = {}
        self.inner: dict[ir.Value, int] = {}

    def follow(self, node: ir.Node) -> None:
        found = [(place, value) for place, value in enumerate(node.inputs) if value in self.axes and value is not None]
        if not found:
            return
        place, x = found[0]
        axis = self.axes[x]
        if node.op_type == "Reshape":
            out = self._reshape(node, x, axis)
        elif node.op_type in ELEMENTWISE or node.op_type == "MatMul":
            out = axis + rank_of(node.outputs[0]) - rank_of(x)
        elif node.op_type == "Transpose":
            out = list(node.attributes.get_ints("perm", ())).index(axis)
        else:
            out = self._along(node, place, x, axis)
        if node.op_type != "Reshape" and x in self.inner:
            self.inner.update(dict.fromkeys(node.outputs, self.inner[x]))
        if node.op_type == "Concat":
            self._expand_others(node, axis, x)
        elif node.op_type == "Resize":
            self._leave_batch(node, axis)
        for output in node.outputs[: _MOST.get(node.op_type, len(node.outputs))]:
            if output.shape is not None:
                self.axes[output] = out

    def _along(self, node: ir.Node, place: int, x: ir.Value, axis: int) -> int:
        """Operators along axes that are named: they may not name the batch."""
        named = named_axes(node, rank_of(x))
        if axis in named and place == 0:
            raise Unsupported(
                f"{node.op_type} works along the batch, so the images of a batch are not apart.",
                node=describe(node),
                hint="Keep the batch as the file has it.",
            )
        if node.op_type in ("Squeeze", *REDUCING) and not node.attributes.get_int(
            "keepdims", node.op_type != "Squeeze"
        ):
            return axis - sum(other < axis for other in named)
        if node.op_type == "Unsqueeze":
            return next(
                i
                for i in range(rank_of(node.outputs[0]))
                if i not in named and sum(j not in named for j in range(i)) == axis
            )
        if node.op_type == "Gather":
            if place == 1:  # the batch is in the indices
                return axis + node.attributes.get_int("axis", 0)
            indices = node.inputs[1]
            return axis + (
                rank_of(indices) - 1 if indices is not None and node.attributes.get_int("axis", 0) < axis else 0
            )
        return 0 if node.domain == "keraport" else axis  # recurrent nets, which are batch first by now

    def _reshape(self, node: ir.Node, x: ir.Value, axis: int) -> int:
        """The target with -1 where the batch goes: an axis of its own, or one that it shares with its neighbours.

        Both are possible where numbers alone tell: what is behind the batch decides. [8, b, 2, 8] becomes [8·b, 16], as
        for a Linear on a sequence that comes first; [8, b, 16] becomes [8, b·2, 8], as for the heads of an attention.
        """
        before, target = prod(_sizes(x)[:axis]) * self.inner.get(x, 1), _sizes(node.outputs[0])
        places = range(len(target))
        alone = [i for i in places if prod(target[:i]) == before and target[i] == 1]
        last = [i for i in places if before > 1 and prod(target[: i + 1]) == before and target[i] > 1]
        first = [i for i in places if prod(target[: i + 1]) > before]
        splits = any(len(target) - 1 - i > len(_sizes(x)) - 1 - axis for i in last)
        place = next(iter([*alone, *(first if splits else last), *last, *first]), len(target) - 1)
        inner = before // max(prod(target[:place]), 1)
        if prod(target[:place]) * inner != before:
            raise Unsupported(
                "A reshape takes the batch apart.", node=describe(node), hint="Keep the batch as the file has it."
            )
        if inner > 1:
            self.inner[node.outputs[0]] = inner
        wanted = [-1 if i == place else size for i, size in enumerate(target)]
        node.replace_input_with(1, Builder(node, self.names).constant(wanted, "opened"))
        node.attributes["allowzero"] = ir.AttrInt64("allowzero", 0)
        return place

    def _leave_batch(self, node: ir.Node, axis: int) -> None:
        """Resize of the other axes only."""
        sizes = node.inputs[3].const_value if len(node.inputs) > 3 and node.inputs[3] is not None else None
        if sizes is None:
            return
        axes = list(node.attributes.get_ints("axes", ()) or range(rank_of(node.inputs[0])))
        kept = [(a, int(size)) for a, size in zip(axes, sizes.numpy(), strict=True) if a != axis]
        node.attributes["axes"] = ir.AttrInt64s("axes", [a for a, _ in kept])
        node.replace_input_with(3, Builder(node, self.names).constant([size for _, size in kept], "opened"))

    def _expand_others(self, node: ir.Node, axis: int, like: ir.Value) -> None:
        at = Builder(node, self.names)
        for place, value in enumerate(node.inputs):
            if value is None or value in self.axes or value.shape is None:
                continue
            size = at.size(like, axis)
            sizes = _sizes(value)
            parts = [at.constant(sizes[:axis], "before"), size, at.constant(sizes[axis + 1 :], "behind")]
            known = [part for part in parts if part.const_value is None or part.const_value.size]
            target = at.node("Concat", known, [len(sizes)], {"axis": 0}, dtype=ir.DataType.INT64)
            node.replace_input_with(place, at.node("Expand", [value, target], sizes))


ALONG = frozenset(
    {"ArgMax", "ArgMin", "Concat", "CumSum", "Gather", "Hardmax", "LogSoftmax", "Softmax", "Split", "TopK"}
)
"""Operators whose attribute `axis` names the one axis along which they work."""

_MOST = {"MaxPool": 1, "TopK": 2}


def rank_of(value: ir.Value | None) -> int:
    return 0 if value is None or value.shape is None else len(value.shape)


def _sizes(value: ir.Value) -> list[int]:
    """The shape, which is known where this pass stands."""
    return [size for size in value.shape or () if isinstance(size, int)]


def named_axes(node: ir.Node, rank: int) -> set[int]:
    """The axes along which an operator does not keep places apart."""
    if node.op_type in ALONG:
        return {node.attributes.get_int("axis", 0) % max(rank, 1)}
    place = 3 if node.op_type == "Slice" else 1
    if node.op_type not in ("Slice", "Squeeze", "Unsqueeze", *REDUCING) or len(node.inputs) <= place:
        return set()
    axes = node.inputs[place]
    return set() if axes is None or axes.const_value is None else set(map(int, axes.const_value.numpy().ravel()))
