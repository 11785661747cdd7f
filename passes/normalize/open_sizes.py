"""Sizes that the file fixes, opened: of an image, of a sequence. Constants that hold an old size are counted anew.

The graph is normalised at the sizes that the file has, so that every shape is a number; then the opened axes are
followed from the inputs, and what has a size written down is written otherwise, or refused with the node that fixes it:

    Reshape(x, [1, 1600, 4])    x: [1, 40, 40, 4]    Reshape(x, [1, -1, 4])
    Slice(x, [1], [40], [2])                         Slice(x, [1], [∞], [2])
    Resize(x, sizes=[80, 80])                        Resize(x, scales=[2, 2])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, Names
from passes.normalize.open_batch import ELEMENTWISE, REDUCING, Opened, named_axes
from passes.normalize.reshape_places import Place, places_of

TO_THE_END = (1 << 63) - 1


class OpenSizes(ir.passes.InPlacePass):
    """Open what was asked for. Shapes must be inferred again afterwards.

    Raises:
        Unsupported: a node fixes the size.
    """

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        walk = _Walk(Names(model))
        for value in model.graph.inputs:
            named = self.opened.axes.get(value.name or "", {})
            if named and value.shape is not None:
                walk.open[value] = frozenset(named)
        for node in list(model.graph):
            walk.follow(node)
        for value, axes in walk.open.items():
            named = self.opened.axes.get(value.name or "", {}) if value.is_graph_input() else {}
            sizes = enumerate(value.shape or ())
            value.shape = ir.Shape([named.get(axis) if axis in axes else size for axis, size in sizes])
        return ir.passes.PassResult(model, True)


class _Walk:
    """Which axes of each value are open. Shapes stay as the file has them until the end."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.open: dict[ir.Value, frozenset[int]] = {}

    def follow(self, node: ir.Node) -> None:
        if not any(value in self.open for value in node.inputs):
            return
        if node.op_type in ELEMENTWISE or node.op_type in ("MatMul", "PRelu"):
            found = self._broadcast(node)
        else:
            handler = _HANDLERS.get(node.op_type, _Walk._unary if node.op_type in _SAME else _Walk._reject)
            found = handler(self, node)
        for output in node.outputs:
            if output.shape is not None and found:
                self.open[output] = frozenset(found)

    def axes(self, node: ir.Node, place: int = 0) -> frozenset[int]:
        value = node.inputs[place]
        return self.open.get(value, frozenset()) if value is not None else frozenset()

    def _reject(self, node: ir.Node) -> set[int]:
        raise Unsupported(
            f"A size that was to be opened is not followed through {node.op_type}.", node=describe(node), hint=_HINT
        )

    def _unary(self, node: ir.Node) -> set[int]:
        """The places of the input, along axes that are not named."""
        axes, rank = self.axes(node), _rank(node.inputs[0])
        named = named_axes(node, rank)
        if node.op_type in ("LayerNormalization", "RMSNormalization"):
            named = set(range(node.attributes.get_int("axis", -1) % rank, rank))
        if axes & named and node.op_type not in _ALONG_ANY:
            raise _fixed(node)
        return set(axes)

    def _shape(self, node: ir.Node) -> set[int]:
        """Of a live tensor: it counts what is there."""
        return set()

    def _windows(self, node: ir.Node) -> set[int]:
        axes = self.axes(node)
        if min(axes, default=2) < 2:
            raise _fixed(node)
        return {axis for axis in axes if not node.op_type.startswith("Global")}

    def _broadcast(self, node: ir.Node) -> set[int]:
        """Another operand has an open axis too, or is 1 long there: else it holds the old size."""
        rank, found = _rank(node.outputs[0]), set[int]()
        inner = node.op_type == "MatMul"
        for place, value in enumerate(node.inputs):
            found |= {axis + rank - _rank(value) for axis in self.axes(node, place)}
        for place, value in enumerate(node.inputs):
            own = {axis + rank - _rank(value) for axis in self.axes(node, place)}
            for axis in found - own:
                index = axis - rank + _rank(value)
                if inner and axis >= rank - 2:
                    continue
                if index >= 0 and _sizes(value)[index] != 1:
                    raise _fixed(node, value)
        return self._product(node, rank) if inner else found

    def _product(self, node: ir.Node, rank: int) -> set[int]:
        """What the two sum over has to be open on both sides, or on none."""
        a, b = self.axes(node, 0), self.axes(node, 1)
        ranks = _rank(node.inputs[0]), _rank(node.inputs[1])
        summed = ranks[0] - 1 in a, max(ranks[1] - 2, 0) in b
        if summed[0] != summed[1] or min(ranks) < 2:
            raise _fixed(node)
        found = {axis + rank - ranks[0] for axis in a if axis < ranks[0] - 1}
        return found | {axis + rank - ranks[1] for axis in b if axis != ranks[1] - 2}

    def _gemm(self, node: ir.Node) -> set[int]:
        """Rows may be open, what is summed over has as many weights."""
        summed = 0 if node.attributes.get_int("transA", 0) else 1
        if summed in self.axes(node) or any(self.axes(node, place) for place in range(1, len(node.inputs))):
            raise _fixed(node)
        return {0} if self.axes(node) else set()

    def _transpose(self, node: ir.Node) -> set[int]:
        order = list(node.attributes.get_ints("perm", ()))
        return {order.index(axis) for axis in self.axes(node)}

    def _concat(self, node: ir.Node) -> set[int]:
        found = {axis for place in range(len(node.inputs)) for axis in self.axes(node, place)}
        along = node.attributes.get_int("axis", 0) % _rank(node.outputs[0])
        for place, value in enumerate(node.inputs):
            if found - self.axes(node, place) - {along}:
                raise _fixed(node, value)
        return found

    def _reduce(self, node: ir.Node) -> set[int]:
        named = named_axes(node, _rank(node.inputs[0]))
        left = self.axes(node) - named
        if node.attributes.get_int("keepdims", node.op_type != "Squeeze"):
            return set(left)
        return {axis - sum(other < axis for other in named) for axis in left}

    def _unsqueeze(self, node: ir.Node) -> set[int]:
        named = named_axes(node, _rank(node.outputs[0]))
        kept = [i for i in range(_rank(node.outputs[0])) if i not in named]
        return {kept[axis] for axis in self.axes(node)}

    def _gather(self, node: ir.Node) -> set[int]:
        axis = node.attributes.get_int("axis", 0) % max(_rank(node.inputs[0]), 1)
        if axis in self.axes(node):
            raise _fixed(node)
        more = _rank(node.inputs[1]) - 1
        return {a + (more if a > axis else 0) for a in self.axes(node)} | {axis + a for a in self.axes(node, 1)}

    def _slice(self, node: ir.Node) -> set[int]:
        """A cut to the end of the old size goes to the end; one at another place would be at another one."""
        numbers = [_numbers(node, place) for place in (1, 2, 3, 4)]
        starts, ends, axes, steps = numbers
        if starts is None or ends is None or axes is None:
            raise _fixed(node)
        sizes, new = _sizes(node.inputs[0]), list(ends)
        for i, axis in enumerate(axes):
            size = sizes[axis]
            if axis not in self.axes(node) or (steps is not None and steps[i] < 0):
                if axis in self.axes(node):
                    raise _fixed(node)
                continue
            if starts[i] > size // 2 or 0 <= ends[i] < size:
                raise _fixed(node)
            if ends[i] >= size:
                new[i] = TO_THE_END
        if new != list(ends):
            node.replace_input_with(2, Builder(node, self.names).constant(new, "opened"))
        return set(self.axes(node))

    def _resize(self, node: ir.Node) -> set[int]:
        """Sizes that are a multiple, or a whole part, of the old ones are scales."""
        sizes = _numbers(node, 3)
        if sizes is not None:
            before = _sizes(node.inputs[0])
            axes = list(node.attributes.get_ints("axes", ()) or range(len(before)))
            scales = [size / before[axis] for axis, size in zip(axes, sizes, strict=True)]
            if any(scale != int(scale) and 1 / scale != int(1 / scale) for scale in scales):
                raise _fixed(node)
            node.replace_input_with(3, None)
            node.replace_input_with(2, Builder(node, self.names).constant(np.asarray(scales, np.float32), "scales"))
        return set(self.axes(node))

    def _expand(self, node: ir.Node) -> set[int]:
        target, sizes = _numbers(node, 1), _sizes(node.inputs[0])
        if target is None or len(target) != len(sizes):
            raise _fixed(node)
        axes = self.axes(node)
        if any(target[axis] not in (1, sizes[axis]) for axis in axes):
            raise _fixed(node)
        kept = [1 if axis in axes else size for axis, size in enumerate(target)]
        node.replace_input_with(1, Builder(node, self.names).constant(kept, "opened"))
        return set(axes)

    def _reshape(self, node: ir.Node) -> set[int]:
        """The target is written anew, from what the places of the input become."""
        x, axes = node.inputs[0], self.axes(node)
        batch = {axis for axis, size in enumerate((x and x.shape) or ()) if not isinstance(size, int)}
        places = places_of(_sizes(x), _sizes(node.outputs[0]), axes | batch)
        if x is None or places is None:
            raise _fixed(node)
        found = {i for i, place in enumerate(places) if axes & set(place.axes)}
        if node.op_type == "Flatten":
            return found
        at = Builder(node, self.names)
        node.replace_input_with(1, _target(at, x, places))
        node.attributes["allowzero"] = ir.AttrInt64("allowzero", 0)
        return found


def _target(at: Builder, x: ir.Value, places: Sequence[Place]) -> ir.Value:
    """The shape that a reshape is to have: a constant where one size at most is open."""
    if sum(bool(place.axes) for place in places) <= 1:
        return at.constant([-1 if place.axes else place.factor for place in places], "opened")
    parts: list[ir.Value] = []
    for place in places:
        part = at.constant([place.factor], "size")
        for axis in place.axes:
            size = at.node("Shape", [x], [1], {"start": axis, "end": axis + 1}, dtype=ir.DataType.INT64)
            part = at.node("Mul", [part, size], [1], dtype=ir.DataType.INT64)
        parts.append(part)
    return at.node("Concat", parts, [len(parts)], {"axis": 0}, dtype=ir.DataType.INT64)


def _fixed(node: ir.Node, constant: ir.Value | None = None) -> Unsupported:
    holds = f" by {constant.name!r}" if constant is not None else ""
    return Unsupported(
        f"{node.op_type} fixes a size that was to be opened{holds}.",
        node=describe(node),
        hint=_HINT,
    )


_HINT = "Keep the size that the file has, or export the model again with it dynamic."


_OPERATORS = """
    Abs BatchNormalization Cast Ceil Clip Cos CumSum DepthToSpace Dropout Elu Erf Exp Floor Gelu GroupNormalization
    HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax
    LpNormalization Mish Neg Not Pad RMSNormalization Reciprocal Relu Round Selu Sigmoid Sign Sin Softmax
    Softplus Softsign SpaceToDepth Split Sqrt Swish Tanh
"""
_SAME = frozenset(_OPERATORS.split())
_ALONG_ANY = frozenset({"Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "CumSum"})
"""Operators along an axis that do not mind how long it is."""

_HANDLERS: Mapping[str, Callable[[_Walk, ir.Node], set[int]]] = {
    **dict.fromkeys(REDUCING | {"Squeeze"}, _Walk._reduce),
    **dict.fromkeys(
        ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool"),
        _Walk._windows,
    ),
    "Gemm": _Walk._gemm,
    "Shape": _Walk._shape,
    "Transpose": _Walk._transpose,
    "Concat": _Walk._concat,
    "Unsqueeze": _Walk._unsqueeze,
    "Gather": _Walk._gather,
    "Slice": _Walk._slice,
    "Resize": _Walk._resize,
    "Expand": _Walk._expand,
    "Reshape": _Walk._reshape,
    "Flatten": _Walk._reshape,
}


def _rank(value: ir.Value | None) -> int:
    return 0 if value is None or value.shape is None else len(value.shape)


def _sizes(value: ir.Value | None) -> list[int]:
    """The shape as the file has it; an open batch counts as 1."""
    return [] if value is None else [size if isinstance(size, int) else 1 for size in value.shape or ()]


def _numbers(node: ir.Node, place: int) -> list[int] | None:
    value = node.inputs[place] if len(node.inputs) > place else None
    return None if value is None or value.const_value is None else [int(n) for n in value.const_value.numpy().ravel()]
