"""Recurrent nets that Keras' layers do not compute, written out step by step, or as a loop over the steps.

Given    Y, Y_h = GRU<clip=0.5>(X, W, R, B)                               X: [3, batch, 8]
Result   every step's gates as products, sums and activations             three times; in a loop where X is longer

That is: with weights that the graph computes, clip, peepholes, coupled gates, activations that Keras has not or that
have parameters, or other ones in each direction, one initial state without the other; and onnxruntime's LSTM that
quantises its state at every step. Formulas: ONNX LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe, operator
from passes.fold.loops.kept import LoopKeeper
from passes.fuse.quantised_steps import QuantisedDirection
from passes.fuse.recurrent import DEFAULTS, QUANTISED, STATES, is_odd, kind_of
from passes.fuse.recurrent_steps import Direction, joined
from passes.graph.builder import Builder, FreshNames, sizes_of

PARAMETERS: Mapping[str, Mapping[str, float]] = {
    "Affine": {"alpha": 1.0, "beta": 0.0},
    "Elu": {"alpha": 1.0},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.01},
    "Relu": {},
    "ScaledTanh": {"alpha": 1.0, "beta": 1.0},
    "Sigmoid": {},
    "Softplus": {},
    "Softsign": {},
    "Tanh": {},
    "ThresholdedRelu": {"alpha": 1.0},
}
"""The activations that the standard names, and the parameters that each takes, with their defaults."""


class UnrollRecurrent(ir.passes.InPlacePass):
    """Write out LSTM, GRU and RNN nodes of odd forms.

    Raises:
        Unsupported: an activation that the standard does not name, or what QuantisedDirection refuses.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph.all_nodes() if is_odd(node)]
        if found:
            names = FreshNames(model)
            for loop in [loop for node in found for loop in _unroll(node, names)]:
                LoopKeeper(loop, names, _numbers, _sizes, lambda body: None).keep()
        return ir.passes.PassResult(model, bool(found))


def _numbers(value: ir.Value | None) -> np.ndarray | None:
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _sizes(value: ir.Value | None) -> Sequence[Dim] | None:
    sizes = None if value is None or value.shape is None else sizes_of(value)
    return None if sizes is None or None in sizes else [size for size in sizes if size is not None]


def _unroll(node: ir.Node, names: FreshNames) -> list[ir.Node]:
    """Put the steps in the place of the node; the loops among them."""
    at, first = Builder(node, names), bool(node.attributes.get_int("layout", 0))
    x = node.inputs[0]
    assert x is not None
    if first:
        batch, length, width = sizes_of(x)
        x = at.node("Transpose", [x], [length, batch, width], {"perm": [1, 0, 2]})
    length, batch, width = sizes_of(x)
    direction = node.attributes.get_string("direction", "forward")
    turns = [False, True] if direction == "bidirectional" else [direction == "reverse"]
    told = _activations(node, len(turns))
    made = QuantisedDirection if operator(node) == QUANTISED else Direction
    sides = [made(at, node, place, back, told[place], batch, x) for place, back in enumerate(turns)]
    results = [side.run(x) for side in sides]
    hidden = sides[0].hidden
    sizes = [length, len(turns), batch, hidden]
    every = joined(at, [steps for steps, _ in results], 1, sizes)
    last = [
        joined(at, [states[place] for _, states in results], 0, [len(turns), batch, hidden])
        for place in range(STATES[kind_of(node)])
    ]
    if first:
        every = at.node("Transpose", [every], [batch, length, len(turns), hidden], {"perm": [2, 0, 1, 3]})
        last = [at.node("Transpose", [s], [batch, len(turns), hidden], {"perm": [1, 0, 2]}) for s in last]
    at.replace(every, *last)
    return [side.scan for side in sides if side.scan is not None]


def _activations(node: ir.Node, directions: int) -> list[list[tuple[str, dict[str, float]]]]:
    """By direction, each with its parameters: those are told in one list, in the order of the activations."""
    names = list(node.attributes.get_strings("activations", ()) or DEFAULTS[kind_of(node)] * directions)
    told = {key: list(node.attributes.get_floats(f"activation_{key}", ())) for key in ("alpha", "beta")}
    found = []
    for name in names:
        known = next((each for each in PARAMETERS if each.lower() == name.lower()), None)
        if known is None:
            raise Unsupported(f"{node.op_type} with the activation {name} is not converted.", node=describe(node))
        found.append((known, {k: told[k].pop(0) if told[k] else default for k, default in PARAMETERS[known].items()}))
    count = len(DEFAULTS[kind_of(node)])
    return [found[start : start + count] for start in range(0, len(found), count)]
