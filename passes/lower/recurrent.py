"""keraport::LSTM, GRU and RNN in standard operators: the time first, the directions apart, ONNX's order of gates."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of

GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "RNN": (0,)}
"""Of Keras, in the order of ONNX."""

NAMES = {"relu": "Relu", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "tanh": "Tanh"}


def recurrent(node: ir.Node, names: FreshNames) -> None:
    """y [B, T, D·H], states [B, H] … = Op(x, lengths, (kernel, recurrent, bias) · D, states · D)."""
    at, kind = Builder(node, names), node.op_type
    x, hidden = first_input(node), node.attributes["hidden_size"].as_int()
    batch, length, width = sizes_of(x)
    direction = node.attributes.get_string("direction", "forward")
    directions = 2 if direction == "bidirectional" else 1
    count_of_weights = 3 * directions  # of which the last is left out where it is no bias
    given = [*node.inputs[2:], *[None] * count_of_weights][: max(count_of_weights, len(node.inputs) - 2)]
    weights, states = given[:count_of_weights], given[count_of_weights:]
    apart = bool(node.attributes.get_int("reset_after", 0))
    inputs: list[ir.Value | None] = [
        at.node("Transpose", [x], [length, batch, width], {"perm": [1, 0, 2]}),
        at.constant(np.stack([_gates(kind, _numbers(node, value).T) for value in weights[0::3]]), "w"),
        at.constant(np.stack([_gates(kind, _numbers(node, value).T) for value in weights[1::3]]), "r"),
        at.constant(np.stack([_bias(node, value, hidden, apart=apart) for value in weights[2::3]]), "b"),
        node.inputs[1],
    ]
    count = 2 if kind == "LSTM" else 1
    where = at.constant([0], "axis")
    for place in range(count if states else 0):
        parts = [at.node("Unsqueeze", [value, where], [1, batch, hidden]) for value in states[place::count]]
        inputs.append(at.node("Concat", parts, [directions, batch, hidden], {"axis": 0}))
    told = [NAMES[name] for name in node.attributes["activations"].as_strings()]
    each = [*told, told[-1]] if kind == "LSTM" else told
    attributes: dict[str, object] = {
        "activations": each * directions,
        "direction": direction,
        "hidden_size": hidden,
        **({"linear_before_reset": int(apart)} if kind == "GRU" else {}),
    }
    outputs = [ir.Value(name=names.fresh(f"{at.stem}_{label}"), type=x.type) for label in ("y", "h", "c")[: 1 + count]]
    made = ir.node(kind, inputs, attributes, outputs=outputs, name=node.name)  # type: ignore[arg-type]
    at.graph.insert_before(node, made)
    if node.attributes.get_int("return_sequences", 1):
        turned = at.node("Transpose", [outputs[0]], [batch, length, directions, hidden], {"perm": [2, 0, 1, 3]})
        y = at.node("Reshape", [turned, at.constant([0, 0, -1], "shape")], [batch, length, directions * hidden])
    else:  # what Keras has in its place: the state with which each direction ends
        turned = at.node("Transpose", [outputs[1]], [batch, directions, hidden], {"perm": [1, 0, 2]})
        y = at.node("Reshape", [turned, at.constant([0, -1], "shape")], [batch, directions * hidden])
    for place, old in enumerate(node.outputs[1:]):
        index = at.constant(np.array(place // count, np.int64), "direction")
        state = at.node("Gather", [outputs[1 + place % count], index], [batch, hidden], {"axis": 0})
        _replace(old, state)
    _replace(node.outputs[0], y)
    at.graph.remove(node, safe=True)


def _replace(old: ir.Value, new: ir.Value) -> None:
    new.name, old.name = old.name, None
    new.metadata_props.update(old.metadata_props)
    old.replace_all_uses_with(new, replace_graph_outputs=True)


def _gates(kind: str, array: np.ndarray) -> np.ndarray:
    parts = np.split(array, len(GATES[kind]))
    return np.concatenate([parts[gate] for gate in GATES[kind]])


def _bias(node: ir.Node, value: ir.Value | None, hidden: int, *, apart: bool) -> np.ndarray:
    kind = node.op_type
    size = len(GATES[kind]) * hidden
    if value is None:
        return np.zeros(2 * size, np.float32)
    array = _numbers(node, value)
    if apart:
        return np.concatenate([_gates(kind, part) for part in array])
    return np.concatenate([_gates(kind, array), np.zeros(size, array.dtype)])


def _numbers(node: ir.Node, value: ir.Value | None) -> np.ndarray:
    if value is None or value.const_value is None:
        raise Unsupported("A recurrent net holds its weights.", node=describe(node))
    array: np.ndarray = value.const_value.numpy()
    return array
