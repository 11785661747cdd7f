"""Dropout and stochastic depth stay in the graph: in evaluation mode torch drops them, and nobody could train on.

They do nothing in inference, here as there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import onnx_ir as ir
import torch

_DROPOUT = torch.ops.aten.dropout.default
_OF_NUMBERS = (_DROPOUT, torch.ops.aten.dropout_.default)
_OF_CHANNELS = (torch.ops.aten.feature_dropout.default, torch.ops.aten.feature_dropout_.default)

DEPTHS = {"StochasticDepth": "p", "DropPath": "drop_prob"}
"""Classes that leave out a branch for whole examples, and their attribute for how often."""


@contextlib.contextmanager
def depth_as_dropout(module: torch.nn.Module) -> Iterator[None]:
    """Modules that in evaluation mode hand on what they get, traced as a dropout of their rate."""
    handles = [
        child.register_forward_hook(_hook(rate))
        for child in module.modules()
        if (rate := _depth_rate(child)) is not None
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _depth_rate(module: torch.nn.Module) -> float | None:
    rate = getattr(module, DEPTHS.get(type(module).__name__, ""), None)
    whole = getattr(module, "mode", "row") == "row"
    return float(rate) if whole and isinstance(rate, (int, float)) and 0 < rate < 1 else None


def _hook(rate: float) -> Any:
    return lambda module, inputs, output: torch.nn.functional.dropout(output, rate, training=False)


def keep_dropout(program: torch.export.ExportedProgram) -> bool:
    """Let the exporter see the dropouts of a program as if they were switched on; `as_in_inference` takes that back.

    Returns:
        Whether there are any. Not where a dropout of the source is on in evaluation, too: that one is no such.
    """
    nodes = [node for node in program.graph.nodes if node.target in (*_OF_NUMBERS, *_OF_CHANNELS)]
    if any(node.args[2] for node in nodes):
        return False
    found = False
    for node in nodes:
        of_module = node.target in _OF_NUMBERS or _is_of_channels(node)
        if of_module and 0 < node.args[1] < 1 and node.args[0].meta["val"].is_floating_point():
            node.target, node.args, found = _DROPOUT, (node.args[0], node.args[1], True), True
    program.graph_module.recompile()
    return found


def _is_of_channels(node: torch.fx.Node) -> bool:
    """Whether it is an nn.Dropout1d, 2d or 3d, which the graph will show by the class of the module."""
    stack = node.meta.get("nn_module_stack") or {"": ("", "")}
    _, kind = list(stack.values())[-1]
    return "Dropout" in str(kind)


def as_in_inference(model: ir.Model) -> None:
    """Dropout<training_mode=1> becomes a Dropout that does nothing."""
    for node in model.graph.all_nodes():
        if node.domain == "" and node.op_type == "Dropout":
            node.resize_inputs(2)
            node.resize_outputs(1)
