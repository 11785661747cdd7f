"""Lists of tensors, which exporters write for `torch.split`, `chunk`, `unbind` and Python lists, become plain values.

    Given    s = SplitToSequence<axis=1>(x, 58);  a = SequenceAt(s, 0);  b = SequenceAt(s, 1)     x: [batch, 116, 7, 7]
    Result   a, b = Split<axis=1>(x, [58, 58])

    Given    s = SequenceConstruct(a, b);  c = ConcatFromSequence<axis=1, new_axis=1>(s)
    Result   c = Concat<axis=1>(Unsqueeze(a, 1), Unsqueeze(b, 1))

A list whose length is known is followed as a Python list while shapes are inferred, and the nodes that made it go. Not
when the length depends on a symbol, or a Loop does more with the list than to append (grown_states.py): Unsupported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.fold.loops.grown_states import ASKED_OF_ROWS, side_by_side
from passes.graph.builder import Builder, FreshNames

_OPERATORS = """
    ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    SplitToSequence
"""
SEQUENCE_OPERATORS = frozenset(_OPERATORS.split())

Numbers = Callable[[ir.Value | None], np.ndarray | None]
Shapes = Callable[[ir.Value | None], tuple[Dim, ...] | None]


class Sequences:
    """The lists known so far.

    Args:
        numbers: the constant contents of a value, or None.
        shape: the inferred shape of a value, or None.
    """

    def __init__(self, names: Callable[[], FreshNames], numbers: Numbers, shape: Shapes) -> None:
        self._names = names
        self._numbers = numbers
        self._shape = shape
        self._lists: dict[ir.Value, list[ir.Value]] = {}
        self._rows: set[ir.Value] = set()
        self._resolved: list[ir.Node] = []

    def resolve(self, node: ir.Node) -> bool:
        """Replace what a sequence operator gives by plain values. New nodes stand right after the node."""
        if node.op_type not in SEQUENCE_OPERATORS or node.domain != "":
            return False
        self._resolved.append(node)
        if node.op_type in ASKED_OF_ROWS and (rows := node.inputs[0]) is not None and rows in self._rows:
            self._of_rows(node, rows)
        elif node.op_type == "SplitToSequence":
            self._lists[node.outputs[0]] = self._split(node)
        elif node.op_type == "SequenceConstruct":
            self._lists[node.outputs[0]] = [value for value in node.inputs if value is not None]
        elif node.op_type == "SequenceEmpty":
            self._lists[node.outputs[0]] = []
        elif node.op_type == "SequenceInsert":
            found = list(self._list(node))
            place = self._index(node, 2, len(found), default=len(found))
            found.insert(place, _given(node, 1))
            self._lists[node.outputs[0]] = found
        elif node.op_type == "SequenceErase":
            found = list(self._list(node))
            del found[self._index(node, 1, len(found), default=len(found) - 1)]
            self._lists[node.outputs[0]] = found
        elif node.op_type == "SequenceAt":
            found = self._list(node)
            _replace(node, found[self._index(node, 1, len(found), default=0)])
        elif node.op_type == "SequenceLength":
            at = Builder(node, self._names())
            _replace(node, at.constant(np.array(len(self._list(node)), np.int64), "length"))
        else:
            self._concat(node)
        return True

    def is_empty(self, value: ir.Value | None) -> bool:
        """Whether it is known to be a list of no tensor."""
        return value is not None and self._lists.get(value) == []

    def take_rows(self, rows: ir.Value) -> None:
        """Take note of a value whose rows, however many there are, are read as a list."""
        self._rows.add(rows)

    def finish(self) -> bool:
        """Remove the resolved operators, which nobody reads any more. Whether there were any."""
        for node in reversed(self._resolved):
            for output in node.outputs:
                if output.uses() or output.is_graph_output():
                    raise Unsupported("A list of tensors is handed on as a whole.", node=describe(node))
            if node.graph is not None:
                node.graph.remove(node, safe=True)
        return bool(self._resolved)

    def _list(self, node: ir.Node) -> list[ir.Value]:
        value = node.inputs[0]
        if value is None or value not in self._lists:
            raise Unsupported("A list of tensors of unknown length is not converted.", node=describe(node))
        return self._lists[value]

    def _index(self, node: ir.Node, position: int, length: int, default: int) -> int:
        if len(node.inputs) <= position or node.inputs[position] is None:
            return default
        number = self._numbers(node.inputs[position])
        if number is None:
            raise Unsupported("A position in a list of tensors is computed.", node=describe(node))
        index = int(number.reshape(-1)[0])
        index += length if index < 0 else 0
        if not 0 <= index <= length - (node.op_type != "SequenceInsert"):
            raise Unsupported(f"Position {index} is outside of a list of {length} tensors.", node=describe(node))
        return index

    def _split(self, node: ir.Node) -> list[ir.Value]:
        x = _given(node, 0)
        shape = self._shape(x)
        axis = node.attributes.get_int("axis", 0)
        size = None if shape is None else shape[axis]
        parts = self._numbers(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else np.array(1)
        if parts is None or (parts.ndim == 0 and not isinstance(size, int)):
            raise Unsupported("The number of parts of a split depends on the input.", node=describe(node))
        if parts.ndim == 0 and isinstance(size, int):
            step = int(parts)
            sizes = [min(step, size - start) for start in range(0, size, step)]
        else:
            sizes = [int(part) for part in parts]
        names = self._names()
        stem = node.outputs[0].name or node.name or "split"
        squeezed = len(node.inputs) < 2 and not node.attributes.get_int("keepdims", 1)
        outputs = [ir.Value(name=names.fresh(f"{stem}_{index}"), type=x.type) for index in range(len(sizes))]
        split = ir.node("Split", [x, Builder(node, names).constant(sizes, "sizes")], {"axis": axis}, outputs=outputs)
        made = [split]
        if squeezed:
            axes = Builder(node, names).constant([axis], "axis_list")
            results = [ir.Value(name=names.fresh(f"{value.name}_item"), type=x.type) for value in outputs]
            made += [
                ir.node("Squeeze", [part, axes], outputs=[item]) for part, item in zip(outputs, results, strict=True)
            ]
            outputs = results
        _insert(node, made)
        return outputs

    def _concat(self, node: ir.Node) -> None:
        parts = list(self._list(node))
        names = self._names()
        axis = node.attributes["axis"].as_int()
        made: list[ir.Node] = []
        if node.attributes.get_int("new_axis", 0):
            axes = Builder(node, names).constant([axis], "axis_list")
            for index, part in enumerate(parts):
                item = ir.Value(name=names.fresh(f"{node.outputs[0].name}_{index}"), type=part.type)
                made.append(ir.node("Unsqueeze", [part, axes], outputs=[item]))
                parts[index] = item
        whole = ir.Value(name=names.fresh(f"{node.outputs[0].name}_joined"), type=parts[0].type if parts else None)
        made.append(ir.node("Concat", parts, {"axis": axis}, outputs=[whole], name=node.name))
        _insert(node, made)
        _replace(node, whole)

    def _of_rows(self, node: ir.Node, rows: ir.Value) -> None:
        made: list[ir.Node] = []
        at = Builder(node, self._names())

        def write(
            op_type: str, inputs: list[ir.Value | None], told: dict[str, int | list[int]] | None = None
        ) -> ir.Value:
            made.append(ir.node(op_type, inputs, told or {}))
            made[-1].outputs[0].name = self._names().fresh(f"{node.outputs[0].name}_row")
            return made[-1].outputs[0]

        shape = self._shape(rows)
        if node.op_type == "SequenceLength":
            length = write("Shape", [rows], {"start": 0, "end": 1})
            result = write("Squeeze", [length, at.constant([0], "axis_list")])
        elif node.op_type == "SequenceAt":
            result = write("Gather", [rows, node.inputs[1]], {"axis": 0})
        elif shape is None:
            raise Unsupported("A list of tensors of unknown shape is not converted.", node=describe(node))
        else:
            is_new, rank = node.attributes.get_int("new_axis", 0), len(shape) - 1
            axis = node.attributes["axis"].as_int() % (rank + bool(is_new))
            if is_new:
                result = write("Transpose", [rows], {"perm": [*range(1, axis + 1), 0, *range(axis + 1, rank + 1)]})
            else:
                result = side_by_side(rows, axis, rank, write, lambda numbers, label: at.constant(numbers, label))
        _insert(node, made)
        _replace(node, result)


def _given(node: ir.Node, position: int) -> ir.Value:
    value = node.inputs[position]
    if value is None:
        raise Unsupported(f"Input {position} is missing.", node=describe(node))
    return value


def _insert(node: ir.Node, made: list[ir.Node]) -> None:
    for new in made:
        new.metadata_props.update(node.metadata_props)
        new.name = new.name or new.outputs[0].name
    if node.graph is not None:
        node.graph.insert_after(node, made)


def _replace(node: ir.Node, value: ir.Value) -> None:
    """The node's output is this value; a graph output keeps its name."""
    output = node.outputs[0]
    if output.is_graph_output():
        name, output.name = output.name, None
        copy = ir.node("Identity", [value], name=node.name)
        copy.outputs[0].name = name
        copy.outputs[0].type, copy.outputs[0].shape = output.type, output.shape
        _insert(node, [copy])
        value = copy.outputs[0]
    elif value.shape is None:
        value.shape = output.shape
    output.replace_all_uses_with(value, replace_graph_outputs=True)
