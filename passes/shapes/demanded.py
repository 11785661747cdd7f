"""Sizes that inputs leave open, and of which an operator inside demands a number.

A recurrent net whose initial state has one row runs for a batch of one:

    input: [batch, 3, frames, 160], h0: [4, 1, 64] → …, GRU(…, initial_h=h0[:2])         batch is 1
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import onnx_ir as ir

from passes.dims.bounds import substitute
from passes.dims.polynomial import Dim
from passes.shapes.rules.known_shapes import read_dim

DEMANDED_KEY = "keraport.demanded_sizes"
"""Metadata key of a model: the numbers as JSON, by symbol."""


def demanded_sizes(model: ir.Model) -> Mapping[str, int]:
    """What `settle_inputs` has settled."""
    found: dict[str, int] = json.loads(model.metadata_props.get(DEMANDED_KEY, "{}"))
    return found


def settle_inputs(model: ir.Model, demanded: Mapping[str, int]) -> None:
    """Write the numbers into the inputs, wherever the symbols stand."""
    model.metadata_props[DEMANDED_KEY] = json.dumps({**demanded_sizes(model), **demanded}, sort_keys=True)
    for value in model.graph.inputs:
        if value.shape is not None:
            value.shape = ir.Shape([_settled(dim, demanded) for dim in value.shape])


def _settled(dim: int | ir.SymbolicDim, demanded: Mapping[str, Dim]) -> int | ir.SymbolicDim:
    known = read_dim(dim)
    found = None if known is None else substitute(known, demanded)
    return found if isinstance(found, int) else dim
