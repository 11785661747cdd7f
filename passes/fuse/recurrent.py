"""Recurrent nets as Keras has them: the batch first, the directions side by side, one matrix for all gates.

    ONNX     Y [T, D, B, H], Y_h [D, B, H] = LSTM(X [T, B, I], W [D, 4H, I], R [D, 4H, H], B [D, 8H])
    Keras    y [B, T, D·H], h [B, H] … = LSTM(x [B, T, I], kernel [I, 4H], recurrent [H, 4H], bias [4H], …)

Gates are i, o, f, c in ONNX and i, f, c, o in Keras and in torch; z, r, h in both for a GRU, r, z, n in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe, operator
from passes.graph.builder import Builder, FreshNames, as_attribute, shape_of, sizes_of
from passes.graph.weight_views import WEIGHT_KEY, provenance, recorded_sources
from passes.lower import recurrent

GATES = {kind: tuple(map(int, np.argsort(gates))) for kind, gates in recurrent.GATES.items()}
"""Of ONNX, in the order of Keras."""

STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
QUANTISED = "com.microsoft::DynamicQuantizeLSTM"
"""onnxruntime's LSTM with integer weights, which quantises its input and, at every step, its state."""

ACTIVATIONS = {name: told for told, name in recurrent.NAMES.items()}
"""Those that have no parameters and that Keras has too."""

ZEROS_STAY = frozenset(
    {"Expand", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
)


class FuseRecurrent(ir.passes.InPlacePass):
    """Given    Y, Y_h, Y_c = LSTM(Transpose<1, 0, 2>(x), W, R, B, , zeros, zeros)
    Result   y, h, c = keraport::LSTM(x, , kernel, recurrent, bias), and what turns these into Y, Y_h and Y_c

    GRU and RNN likewise. A bidirectional one has both directions' weights and states, first the forward ones. Initial
    states that are zeros are left out, and so is the output of every step where nobody reads it.

    Those of odd forms are written out before (UnrollRecurrent).
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        nodes = [node for node in model.graph if node.domain == "" and node.op_type in GATES]
        if not nodes:
            return ir.passes.PassResult(model, False)
        names = FreshNames(model)
        for node in nodes:
            _Recurrent(node, names).replace()
        names.opset_imports.setdefault("keraport", 1)
        return ir.passes.PassResult(model, True)


@dataclass
class _Recurrent:
    node: ir.Node
    names: FreshNames

    def replace(self) -> None:
        node, kind = self.node, self.node.op_type
        self.at = Builder(node, self.names)
        self.first = bool(node.attributes.get_int("layout", 0))
        direction = node.attributes.get_string("direction", "forward")
        self.directions, _, self.hidden = _constant(node, 2).shape
        activations = self._activations()
        x = self._batch_first(node.inputs[0])
        sizes = sizes_of(x)
        states = self._initial(sizes[0])
        inputs = [x, self._lengths(), *self._weights(), *states]
        every = _is_read(node, 0)
        y = [sizes[0], sizes[1], self.directions * self.hidden] if every else [sizes[0], self.directions * self.hidden]
        shapes = [y, *[[sizes[0], self.hidden]] * (self.directions * STATES[kind])]
        stem = self.at.stem or node.name or kind
        outputs = [
            ir.Value(name=self.names.fresh(f"{stem}_{label}"), shape=shape_of(shape), type=node.inputs[0].type)  # type: ignore[union-attr]
            for label, shape in zip(("every", *"abcd"), shapes, strict=False)
        ]
        attributes = {
            "activations": activations,
            "direction": direction,
            "hidden_size": self.hidden,
            "return_sequences": int(every),
            "return_state": int(self._reads_states(every=every)),
            **({"reset_after": node.attributes.get_int("linear_before_reset", 0)} if kind == "GRU" else {}),
        }
        made = ir.Node(
            "keraport",
            kind,
            inputs,
            [as_attribute(name, value) for name, value in attributes.items()],
            outputs=outputs if attributes["return_state"] else outputs[:1],
            name=node.name,
        )
        made.metadata_props.update(node.metadata_props)
        self.at.graph.insert_before(node, made)
        self._restore(made)

    def _batch_first(self, x: ir.Value | None) -> ir.Value:
        if x is None or x.shape is None:
            raise Unsupported("The shape of the input is not known.", node=describe(self.node))
        if self.first:
            return x
        length, batch, width = sizes_of(x)
        return self.at.node("Transpose", [x], [batch, length, width], {"perm": [1, 0, 2]})

    def _activations(self) -> list[str]:
        """What Keras calls them: of the gates, and of the candidate."""
        return [ACTIVATIONS[name] for name in _asked(self.node)[0][:2]]

    def _lengths(self) -> ir.Value | None:
        """How long each row is; None where all are as long as the tensor."""
        lengths, x = (self.node.inputs[4] if len(self.node.inputs) > 4 else None), self.node.inputs[0]
        if lengths is None or lengths.const_value is None or x is None:
            return lengths
        whole = sizes_of(x)[1 if self.first else 0]
        return None if isinstance(whole, int) and (lengths.const_value.numpy() == whole).all() else lengths

    def _initial(self, batch: object) -> list[ir.Value | None]:
        """The states to begin with [B, H], of each direction: none where they are zeros."""
        kind = self.node.op_type
        given = [self.node.inputs[place] if place < len(self.node.inputs) else None for place in (5, 6)][: STATES[kind]]
        if all(value is None or _is_zero(value) for value in given):
            return []
        found: list[ir.Value | None] = []
        for direction in range(self.directions):
            for value in given:
                if value is None:
                    raise ValueError(f"{describe(self.node)} has one initial state without the other.")
                index = self.at.constant(np.array(direction, np.int64), "direction")
                sizes = [batch, self.hidden]
                found.append(self.at.node("Gather", [value, index], sizes, {"axis": 1 if self.first else 0}))
        return found

    def _weights(self) -> list[ir.Value | None]:
        """kernel, recurrent, bias of each direction."""
        node, kind = self.node, self.node.op_type
        kernel, hidden = _constant(node, 1), _constant(node, 2)
        bias = _constant(node, 3) if len(node.inputs) > 3 and node.inputs[3] is not None else None
        found: list[ir.Value | None] = []
        for direction in range(self.directions):
            found.append(self._weight(1, self._gates(kernel[direction]).T, "kernel"))
            found.append(self._weight(2, self._gates(hidden[direction]).T, "recurrent"))
            if bias is None:
                found.append(None)
                continue
            both = [self._gates(part) for part in np.split(bias[direction], 2)]
            apart = kind == "GRU" and bool(node.attributes.get_int("linear_before_reset", 0))
            found.append(self._weight(3, np.stack(both) if apart else both[0] + both[1], "bias"))
        return found

    def _gates(self, array: np.ndarray) -> np.ndarray:
        parts = np.split(array, len(GATES[self.node.op_type]))
        return np.concatenate([parts[gate] for gate in GATES[self.node.op_type]])

    def _weight(self, place: int, array: np.ndarray, label: str) -> ir.Value:
        """A constant that knows the weights of the source that it is made of: as a look at one, where it is that."""
        source = self.node.inputs[place]
        names = [] if source is None else recorded_sources(source)
        for name in names:
            weight = self.at.graph.initializers.get(name)
            tensor = None if weight is None else weight.const_value
            if weight is None or tensor is None or tuple(tensor.shape.numpy()) != array.shape[::-1]:
                continue
            if array.ndim == 2 and np.array_equal(tensor.numpy().T, array):
                return self.names.weight_views.view(self.at.graph, weight, [("transpose", (1, 0))])
        made = self.at.constant(np.ascontiguousarray(array), label)
        if names:
            one = _own(names, self.at.graph, array) if len(names) > 1 else names[0]
            made.metadata_props[WEIGHT_KEY] = provenance(one or made.name or "", "derived", [] if one else names)
        return made

    def _reads_states(self, *, every: bool) -> bool:
        """Whether anybody needs the states themselves: the last output of one direction is its first state."""
        read = [place for place in (1, 2) if _is_read(self.node, place)]
        return bool(read) and (every or self.directions > 1 or read != [1])

    def _restore(self, made: ir.Node) -> None:
        """The outputs as ONNX has them; the Gather that takes one direction's state is that state."""
        node = self.node
        if _is_read(node, 0):
            every = made.outputs[0]
            batch, length, _ = sizes_of(every)
            apart = [batch, length, self.directions, self.hidden]
            target = self.at.constant([0, 0, self.directions, self.hidden], "shape")
            y = self.at.node("Reshape", [every, target], apart, {"allowzero": 0})
            if not self.first:
                y = self.at.node(
                    "Transpose", [y], [length, self.directions, batch, self.hidden], {"perm": [1, 2, 0, 3]}
                )
            _take_place(node.outputs[0], y)
        count = STATES[node.op_type]
        for place in range(count):
            if _is_read(node, place + 1):
                states = made.outputs[1 + place :: count]
                if not made.attributes["return_state"].as_int():
                    states = made.outputs[:1]
                self._state(node.outputs[place + 1], states)
        self.at.graph.remove(node, safe=True)

    def _state(self, old: ir.Value, states: Sequence[ir.Value]) -> None:
        axis = 1 if self.first else 0
        for user, _ in list(old.uses()):
            index = user.inputs[1].const_value if user.op_type == "Gather" and user.inputs[1] is not None else None
            if index is not None and not index.shape.numpy() and user.attributes.get_int("axis", 0) == axis:
                _take_place(user.outputs[0], states[int(index.numpy())])
                self.at.graph.remove(user, safe=True)
        if not old.uses() and not old.is_graph_output():
            return
        batch, hidden = sizes_of(states[0])
        apart = [batch, 1, hidden] if self.first else [1, batch, hidden]
        where = self.at.constant([axis], "axis")
        parts = [self.at.node("Unsqueeze", [state, where], apart) for state in states]
        if len(parts) > 1:
            apart[axis] = len(parts)
            parts = [self.at.node("Concat", parts, apart, {"axis": axis})]
        _take_place(old, parts[0])


def is_odd(node: ir.Node) -> bool:
    """Whether it is a recurrent net that Keras' layers do not compute, or whose weights the graph computes."""
    if operator(node) == QUANTISED:
        return True
    if node.domain != "" or node.op_type not in STATES:
        return False
    told = _asked(node)
    given = [*node.inputs, *[None] * (8 - len(node.inputs))]
    states = given[5 : 5 + STATES[node.op_type]]
    has_states = any(state is not None and not _is_zero(state) for state in states)
    return (
        any(value is not None and value.const_value is None for value in given[1:4])
        or bool(node.attributes.get_float("clip", 0.0))
        or bool(node.attributes.get_int("input_forget", 0))
        or (given[7] is not None and not _is_zero(given[7]))
        or any(name not in ACTIVATIONS for each in told for name in each)
        or any(list(each) != list(told[0]) for each in told)
        or (node.op_type == "LSTM" and told[0][1] != told[0][2])
        or (has_states and None in states)
    )


def kind_of(node: ir.Node) -> str:
    """LSTM, GRU or RNN."""
    return "LSTM" if operator(node) == QUANTISED else node.op_type


def _asked(node: ir.Node) -> list[Sequence[str]]:
    """The activations of each direction."""
    count = len(DEFAULTS[node.op_type])
    directions = 2 if node.attributes.get_string("direction", "forward") == "bidirectional" else 1
    asked = node.attributes.get_strings("activations", ()) or DEFAULTS[node.op_type] * directions
    return [asked[start : start + count] for start in range(0, len(asked), count)]


def _own(names: Sequence[str], graph: ir.Graph, array: np.ndarray) -> str | None:
    """Of several weights the one that alone has these numbers, in some order."""
    wanted = np.sort(array, axis=None)
    for name in names:
        weight = graph.initializers.get(name)
        tensor = None if weight is None else weight.const_value
        if (
            tensor is not None
            and tensor.size == array.size
            and np.array_equal(np.sort(tensor.numpy(), axis=None), wanted)
        ):
            return name
    return None


def _take_place(old: ir.Value, new: ir.Value) -> None:
    if new.is_graph_output() or old.name is None:
        raise ValueError(f"{new.name!r} cannot take the place of {old.name!r}.")
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    if new.is_graph_output():
        new.name, old.name = old.name, None


def _is_read(node: ir.Node, place: int) -> bool:
    return place < len(node.outputs) and bool(node.outputs[place].uses() or node.outputs[place].is_graph_output())


def _constant(node: ir.Node, place: int) -> np.ndarray:
    value = node.inputs[place]
    if value is None or value.const_value is None:
        raise ValueError(f"{describe(node)} has a weight that the graph computes.")
    array: np.ndarray = value.const_value.numpy()
    return array


def _is_zero(value: ir.Value) -> bool:
    """Whether a value holds nothing but zeros, whatever its size."""
    if value.const_value is not None:
        return not value.const_value.numpy().any()
    node = value.producer()
    if node is None or node.domain != "":
        return False
    if node.op_type == "ConstantOfShape":
        fill = node.attributes.get("value")
        return fill is None or not fill.as_tensor().numpy().any()
    if node.op_type == "Concat":
        return all(part is not None and _is_zero(part) for part in node.inputs)
    return node.op_type in ZEROS_STAY and node.inputs[0] is not None and _is_zero(node.inputs[0])
