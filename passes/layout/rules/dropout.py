"""Dropout of single numbers, of channels, of examples: the axes along which the noise differs move with the others."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.errors import Unsupported, describe
from passes.layout.walk.axes_view import AxesView
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand
from passes.normalize.module_paths import CLASS_KEY
from passes.simplify.dropout import is_idle, rate_of

WHOLE = {"Dropout1d": (0, 1), "Dropout2d": (0, 1), "Dropout3d": (0, 1), "StochasticDepth": (0,), "DropPath": (0,)}
"""Classes of torch, torchvision and timm whose noise is the same along the other axes."""


@rule("Dropout")
def dropout(walk: Walk, node: ir.Node) -> None:
    """The same view on the base. Where the rate is computed nothing is left: in inference it does nothing."""
    if not is_idle(node):
        raise Unsupported("A Dropout that is random in inference is not converted.", node=describe(node))
    view, rate = walk.view(operand(node, 0)), rate_of(node)
    if not rate or not 0 < rate < 1 or view.base.const_value is not None:
        walk.views[node.outputs[0]] = view
        return
    kept = WHOLE.get(node.metadata_props.get(CLASS_KEY, "").rpartition(".")[2])
    attributes: dict[str, float | list[int]] = {"rate": rate}
    if kept is not None and view.rank > len(kept):
        attributes["noise"] = sorted(atom for axis in kept for atom in view.axes[axis])
    out = walk.emit("Dropout", [view.base], dims_of(view.base), attributes, domain="keraport")
    walk.views[node.outputs[0]] = AxesView(out, view.axes)
