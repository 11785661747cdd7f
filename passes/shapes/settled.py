"""Sizes that inputs leave open, and that an operator inside needs to be a number, or another input's size.

A recurrent net takes an initial state of as many rows as the batch has:

    input: [batch, 3, frames, 160], h0: [4, 1, 64] → …, GRU(…, initial_h=h0[:2])         batch is 1
    input: [batch, samples], state: [2, rows, 128] → …, LSTM(…, initial_h=state[0])      rows is batch
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import onnx_ir as ir

from passes.dims.bounds import substitute
from passes.dims.polynomial import Dim
from passes.shapes.rules.known_shapes import read_dim

SETTLED_KEY = "keraport.settled_sizes"
"""Metadata key of a model: JSON, what each symbol is."""


def settled_sizes(model: ir.Model) -> Mapping[str, int | str]:
    """What `settle_inputs` has settled: a number for a symbol, or another symbol."""
    found: dict[str, int | str] = json.loads(model.metadata_props.get(SETTLED_KEY, "{}"))
    return found


def settle_inputs(model: ir.Model, settled: Mapping[str, Dim]) -> bool:
    """Write it into the inputs, wherever the symbols stand; whether that changed anything."""
    modified = False
    for value in model.graph.inputs:
        before, value.shape = value.shape, value.shape and ir.Shape([_settled(dim, settled) for dim in value.shape])
        modified |= value.shape != before
    if modified:
        told = {name: size if isinstance(size, int) else size.text for name, size in settled.items()}
        model.metadata_props[SETTLED_KEY] = json.dumps({**settled_sizes(model), **told}, sort_keys=True)
    return modified


def _settled(dim: int | ir.SymbolicDim, settled: Mapping[str, Dim]) -> int | ir.SymbolicDim:
    known = read_dim(dim)
    found = dim if known is None else substitute(known, settled)
    return found if isinstance(found, int | ir.SymbolicDim) else ir.SymbolicDim(found.text)
