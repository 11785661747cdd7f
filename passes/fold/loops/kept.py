"""A Loop or a Scan that turns as often as numbers or open sizes say stays one node, with a body that stands alone.

    Given    y = Loop(n, true, x) <body: (i, c, v) → (c, w = Mul(v, k))>                    n and k are computed outside
    Result   y = keraport::Loop<states = 1, has_most = 1>(n, x, k) <body: (i, v, k') → (w = Mul(v, k'))>

Inputs are, in this order, the most turns and the first condition, where there are such, the states, what is gone along,
and what the body takes from outside; the body's are the turn, the states, a row of each, and the same from outside. Its
outputs are whether to go on, where that is computed, the states, and a row of each result. Rows lie along the first
axis: other axes are moved before and behind. private_operators.py has the meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import BadSource, Unsupported, describe
from passes.fold.closed_body import add_constant, close, declare
from passes.fold.loops.unrolled import LoopRewrite, Numbers, Shapes, goes_on
from passes.graph.builder import FreshNames, as_attribute, sizes_of
from passes.graph.one_number import are_one_number, are_taken_as_scalars, make_scalar

ENDLESS = 2**31 - 1
"""As many turns, or more, are no bound."""

MOST_KEPT = 1_000_000
"""Turns, where their number is known."""


class LoopKeeper(LoopRewrite):
    """Writes the one node behind it.

    Args:
        infer: gives every value of a graph a shape whose inputs have theirs.
    """

    def __init__(
        self, node: ir.Node, names: FreshNames, numbers: Numbers, shape: Shapes, infer: Callable[[ir.Graph], None]
    ) -> None:
        super().__init__(node, names, numbers, shape)
        self._infer = infer
        self._outputs = list(node.outputs)
        self._turns_once = False

    def keep(self) -> None:
        """Put the new nodes behind the node, which goes. A walk that stands at the node comes to them next.

        Raises:
            Unsupported: it gathers a row of each turn, and nothing bounds their number; or a state changes its size.
            BadSource: the body has other inputs or outputs than the node.
        """
        if self._node.op_type == "Loop":
            self._loop()
        else:
            self._scan()
        self._graph.remove(self._node, safe=True)

    def _loop(self) -> None:
        most, condition, *states = self._given(2)
        if len(self._body.inputs) != len(states) + 2 or len(self._body.outputs) < len(states) + 1:
            raise self._misfit()
        self._drop_unread(states)
        turns = None if most is None else self._numbers(most)
        bound = None if turns is None else int(turns.item())
        is_live = most is not None and bound is None
        is_conditional = not goes_on(self._body, condition, self._numbers)
        first = condition if is_conditional and condition is not None else None
        is_bounded = is_live or (bound is not None and bound < ENDLESS)
        if not is_conditional and not is_live and (bound is None or bound > MOST_KEPT):
            often = "for ever" if bound is None or bound >= ENDLESS else f"{bound:,} times"
            raise Unsupported(f"A Loop that turns {often} is not converted.", node=describe(self._node))
        if not is_bounded and len(self._body.outputs) > len(states) + 1:
            raise Unsupported(
                "A Loop that gathers a row of each turn, and ends when numbers say so, is not converted.",
                node=describe(self._node),
                hint="Give its first input, the most turns, a number that bounds them.",
            )
        self._drop_condition(keep_output=is_conditional)
        certain = condition is None or ((known := self._numbers(condition)) is not None and bool(known.all()))
        self._turns_once = certain and (most is None or (bound is not None and bound > 0))
        ahead = [*([most] if is_live else []), *([first] if first is not None else [])]
        told = {"has_most": int(is_live), "has_condition": int(first is not None), "conditional": int(is_conditional)}
        if bound is not None and bound < ENDLESS:
            told["turns"] = max(bound, 0)
        self._put(ahead, states, [], told)

    def _drop_unread(self, states: list[ir.Value | None]) -> None:
        """States that no turn reads, and nothing after the loop: what a turn needs for itself only."""
        results = list(self._body.outputs)
        for place in reversed(range(len(states))):
            after = self._outputs[place]
            if not self._is_read(place) and not after.uses() and not after.is_graph_output():
                del states[place], self._outputs[place], self._body.inputs[place + 2], results[place + 1]
        self._body.outputs[:] = results

    def _is_read(self, place: int, first: int = 2) -> bool:
        """Whether a turn takes what the one before it has made of a state."""
        inside = self._body.inputs[place + first]
        return bool(inside.uses()) or inside in self._body.outputs

    def _scan(self) -> None:
        attributes = self._node.attributes
        count = attributes["num_scan_inputs"].as_int()
        inputs = self._given(0)
        if not len(inputs) == len(self._body.inputs) >= count > 0 or None in inputs:
            raise self._misfit()
        given = [value for value in inputs if value is not None]
        states, scanned = given[: len(given) - count], given[len(given) - count :]
        results = len(self._node.outputs) - len(states)
        axes = list(attributes.get_ints("scan_input_axes", ()) or [0] * count)
        out_axes = list(attributes.get_ints("scan_output_axes", ()) or [0] * results)
        back = list(attributes.get_ints("scan_input_directions", ()) or [0] * count)
        out_back = list(attributes.get_ints("scan_output_directions", ()) or [0] * results)
        turn = ir.Value(name=self._names.fresh("turn"))
        self._body.inputs.insert(0, turn)
        moved = [self._moved(value, axis) for value, axis in zip(scanned, axes, strict=True)]
        self._put([], list(states), moved, {"backwards": back, "gathered_backwards": out_back}, out_axes)

    def _given(self, fewest: int) -> list[ir.Value | None]:
        inputs = list(self._node.inputs)
        return [*inputs, *[None] * (fewest - len(inputs))]

    def _drop_condition(self, *, keep_output: bool) -> None:
        """In a turn the condition is true; where nothing computes another one it is no output, either."""
        condition = self._body.inputs.pop(1)
        true = add_constant(self._body, self._names, np.array(True), "goes_on")
        condition.replace_all_uses_with(true, replace_graph_outputs=True)
        if not keep_output:
            self._body.outputs.pop(0)

    def _moved(self, value: ir.Value, axis: int) -> tuple[ir.Value, Sequence[Dim]]:
        """What is gone along, that axis first, and the sizes of a row of it."""
        sizes = self._shape(value)
        if not sizes or not -len(sizes) <= axis < len(sizes):
            raise self._misfit()
        axis %= len(sizes)
        row = (*sizes[:axis], *sizes[axis + 1 :])
        if axis:
            order = [axis, *(other for other in range(len(sizes)) if other != axis)]
            value = self._turned(value, order)
        return value, row

    def _put(
        self,
        ahead: Sequence[ir.Value | None],
        states: list[ir.Value | None],
        scanned: Sequence[tuple[ir.Value, Sequence[Dim]]],
        told: Mapping[str, int | list[int]],
        out_axes: Sequence[int] = (),
    ) -> None:
        rows = self._body.inputs[1 + len(states) :]
        for value, state in zip(self._body.inputs[1:], states, strict=False):
            if state is None:
                raise self._misfit()
            if self._shape(state) is None:
                raise Unsupported(
                    f"A {self._node.op_type} that carries a list from turn to turn, or a tensor of no known number of "
                    "axes, is not converted: a Keras loop holds tensors of one size.",
                    node=describe(self._node),
                )
            declare(value, self._shape(state), state.dtype)
        for value, (whole, sizes) in zip(rows, scanned, strict=True):
            declare(value, sizes, whole.dtype)
        declare(self._body.inputs[0], (), ir.DataType.INT64)
        captured = close([self._body], self._node, self._names, self._numbers, self._shape)
        self._infer(self._body)
        self._settle_states(states)
        inputs = [*ahead, *states, *(value for value, _ in scanned), *captured]
        attributes = {name: number for name, number in told.items() if number != []}
        outputs = self._insert(
            "Loop",
            inputs,
            {**attributes, "states": len(states), "scanned": len(scanned), "body": self._body},
            len(self._outputs),
            domain="keraport",
        )
        results = self._body.outputs[len(self._body.outputs) - len(outputs) :]
        axes = [*[0] * len(states), *(out_axes or [0] * (len(outputs) - len(states)))]
        for old, new, result, axis in zip(self._outputs, outputs, results, axes, strict=True):
            new.type = result.type
            self._hand_on(old, new, axis, len(sizes_of(result)) + 1)

    def _settle_states(self, states: list[ir.Value | None]) -> None:
        """A Keras loop holds tensors of one size. Where no turn reads a state, and there is one, its first value is a
        placeholder of any size (PaddlePaddle writes such): any tensor of the size that it comes to will do.
        """
        first = len(self._body.outputs) - len(self._outputs)
        there = {self._kind(state): state for state in states}
        for place, result in enumerate(self._body.outputs[first : first + len(states)]):
            kind = (result.dtype, tuple(size for size in sizes_of(result) if size is not None))
            if self._kind(states[place]) == kind or self._as_scalar(states[place], first + place, place):
                continue
            if kind not in there or self._is_read(place, 1) or not self._turns_once:
                raise Unsupported(
                    f"A {self._node.op_type} whose state {result.name!r} changes its size from turn to turn is not "
                    "converted: a Keras loop holds tensors of one size.",
                    node=describe(self._node),
                )
            states[place] = there[kind]
            declare(self._body.inputs[1 + place], kind[1], kind[0])

    def _as_scalar(self, state: ir.Value | None, output: int, place: int) -> bool:
        """Whether a state is a scalar that a turn gives an axis, which makes no difference: the axis goes."""
        result = self._body.outputs[output]
        is_one = self._shape(state) == () and are_one_number(sizes_of(result))
        if not is_one or not are_taken_as_scalars((self._body.inputs[1 + place], self._outputs[place]), {}):
            return False
        make_scalar(self._body, output, self._names)
        return True

    def _kind(self, state: ir.Value | None) -> tuple[ir.DataType | None, tuple[Dim | None, ...]]:
        sizes = self._shape(state)
        return (None if state is None else state.dtype, () if sizes is None else tuple(sizes))

    def _hand_on(self, old: ir.Value, new: ir.Value, axis: int, rank: int) -> None:
        """Let `new`, its first axis at this place, take the place of the node's output."""
        if axis % rank:
            axis %= rank
            new = self._turned(new, [*range(1, axis + 1), 0, *range(axis + 1, rank)])
        new.name, old.name = old.name, None
        new.shape = old.shape
        old.replace_all_uses_with(new, replace_graph_outputs=True)

    def _insert(
        self, op_type: str, inputs: Sequence[ir.Value | None], told: dict[str, object], count: int, domain: str = ""
    ) -> Sequence[ir.Value]:
        attributes = [as_attribute(name, value) for name, value in told.items()]
        node = ir.Node(domain, op_type, inputs, attributes, num_outputs=count, name=self._node.name)
        node.metadata_props.update(self._node.metadata_props)
        for output in node.outputs:
            output.name = self._names.fresh(f"{self._node.name or self._node.op_type}_{op_type.lower()}")
        self._graph.insert_after(self._at, node)
        self._names.opset_imports.setdefault(domain, 1)
        self._at = node
        return node.outputs

    def _turned(self, value: ir.Value, order: list[int]) -> ir.Value:
        (turned,) = self._insert("Transpose", [value], {"perm": order}, 1)
        turned.type = value.type
        return turned

    def _misfit(self) -> BadSource:
        return BadSource("The body has other inputs or outputs than the node.", node=describe(self._node))
