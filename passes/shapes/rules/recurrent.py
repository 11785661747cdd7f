"""Recurrent nets: outputs of every step, and the states after the last one."""

from __future__ import annotations

import onnx_ir as ir

from passes.shapes.rules.registry import NoRule, Shapes, Site, rule

INITIAL_H, INITIAL_C = 5, 6


@rule("GRU", "LSTM", "RNN")
def _recurrent(node: ir.Node, site: Site) -> Shapes:
    x, kernel, recurrent = site.shape(0), site.shape(1), site.shape(2)
    if len(x) != 3 or len(recurrent) != 3 or len(kernel) != 3:
        raise NoRule
    site.equate(x[2], kernel[2])
    directions, hidden = recurrent[0], recurrent[2]
    batch_first = bool(node.attributes.get_int("layout", 0))
    for place in (INITIAL_H, INITIAL_C):
        if site.has(place):  # as many rows as the batch has: a file with a state of one row runs for nothing else
            site.demand(site.shape(place)[not batch_first], x[not batch_first])
    if batch_first:
        batch, length = x[0], x[1]
        every, last = (batch, length, directions, hidden), (batch, directions, hidden)
    else:
        length, batch = x[0], x[1]
        every, last = (length, directions, batch, hidden), (directions, batch, hidden)
    return [every, *[last] * (len(node.outputs) - 1)]


@rule("com.microsoft::DynamicQuantizeLSTM")
def _quantised(node: ir.Node, site: Site) -> Shapes:
    """Its weights are turned: W [D, I, 4H], R [D, H, 4H]."""
    x, kernel, recurrent = site.shape(0), site.shape(1), site.shape(2)
    if len(x) != 3 or len(recurrent) != 3 or len(kernel) != 3:
        raise NoRule
    site.equate(x[2], kernel[1])
    directions, hidden = recurrent[:2]
    return [(x[0], directions, x[1], hidden), *[(directions, x[1], hidden)] * (len(node.outputs) - 1)]
