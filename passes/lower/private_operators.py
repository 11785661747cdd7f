"""The private operators: which there are, what they take, and what each means in standard operators.

Two domains are keraport's own. `nhwc` has standard operators whose first input and output are channels-last; `keraport`
has what standard ONNX writes in several nodes and Keras in one. No file may use them: `RefusePrivate` is the door.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from passes.errors import describe, operator
from passes.graph.builder import FreshNames
from passes.lower import meanings
from passes.lower.loops import branches, loop
from passes.lower.recurrent import recurrent
from passes.lower.run_time_pads import lower_centre_crop, lower_pad_same
from passes.opset import OPSET

DOMAINS = frozenset({"nhwc", "keraport"})

METADATA = "keraport."
"""Prefix of the keys under which the passes leave notes in a graph; private as well."""


@dataclass(frozen=True)
class PrivateOperator:
    """The schema of one operator. `meaning` replaces a node by standard ones; `most` is None where there is no end."""

    required: int
    most: int | None
    attributes: frozenset[str]
    meaning: Callable[[ir.Node, FreshNames], None]

    def check(self, node: ir.Node) -> None:
        """Raises:
        ValueError: the node does not fit the schema: a pass has made a mistake."""
        count = len(node.inputs)
        unknown = sorted(node.attributes.keys() - self.attributes)
        if unknown or count < self.required or (self.most is not None and count > self.most):
            raise ValueError(f"{describe(node)} has {count} inputs and unknown attributes {unknown}.")


def _own(meaning: Callable[[ir.Node, FreshNames], None], required: int, most: int, *attributes: str) -> PrivateOperator:
    return PrivateOperator(required, most, frozenset(attributes), meaning)


def _channels_last(op_type: str, *more: str) -> PrivateOperator:
    schema = onnx.defs.get_schema(op_type, OPSET)
    most = None if more else schema.max_input
    return PrivateOperator(1, most, frozenset({*schema.attributes, *more}), meanings.channels_last)


CHANNELS_LAST = (
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GridSample", "GroupNormalization",
    "InstanceNormalization", "LRN", "MaxPool", "MaxRoiPool", "RoiAlign", "SpaceToDepth",
)  # fmt: skip

PRIVATE: dict[str, PrivateOperator] = {
    **{f"nhwc::{op_type}": _channels_last(op_type) for op_type in CHANNELS_LAST},
    "nhwc::Resize": _channels_last("Resize", *meanings.OF_RESIZE),
    **{
        f"keraport::{meanings.FLATTENED}{op_type}": _own(meanings.flattened, 1, 1, "axis")
        for op_type in ("Softmax", "LogSoftmax", "Hardmax")
    },
    "keraport::BitCast": _own(meanings.bit_cast, 1, 1, "to"),
    "keraport::CentreCrop": _own(lower_centre_crop, 1, 1, "axes", "mode", "sizes", "surplus"),
    "keraport::Counted": _own(meanings.counted, 1, 1),
    "keraport::CumProd": _own(meanings.running_product, 2, 2, "exclusive", "reverse"),
    "keraport::Dense": _own(meanings.dense, 2, 3),
    "keraport::DotProductAttention": _own(meanings.attention, 3, 4, "is_causal", "scale"),
    "keraport::Dropout": _own(meanings.dropout, 1, 1, "noise", "rate"),
    "keraport::EinsumDense": _own(meanings.einsum_dense, 2, 3, "equation"),
    "keraport::Embedding": _own(meanings.embedding, 2, 2),
    "keraport::Expand": _own(meanings.expand, 1, 2, "shape", "axis"),
    "keraport::ExpandTo": PrivateOperator(1, None, frozenset({"sizes"}), meanings.sized),
    "keraport::If": PrivateOperator(1, None, frozenset({"else_branch", "then_branch"}), branches),
    "keraport::Loop": PrivateOperator(
        0,
        None,
        frozenset(
            {
                "backwards",
                "body",
                "conditional",
                "gathered_backwards",
                "has_condition",
                "has_most",
                "scanned",
                "states",
                "turns",
            }
        ),
        loop,
    ),
    "keraport::OnesLike": _own(meanings.ones_like, 1, 1),
    "keraport::PadSame": _own(lower_pad_same, 1, 1, "axes", "dilations", "kernel_shape", "mode", "strides", "value"),
    **{
        f"keraport::{kind}": PrivateOperator(
            4,
            None,
            frozenset({"activations", "direction", "hidden_size", "return_sequences", "return_state", "reset_after"}),
            recurrent,
        )
        for kind in ("GRU", "LSTM", "RNN")
    },
    "keraport::Positions": _own(meanings.positions, 1, 1, "axis", "to"),
    "keraport::Regroup": _own(meanings.regroup, 1, 1, "axis", "count", "sizes"),
    "keraport::ReshapeTo": PrivateOperator(1, None, frozenset({"sizes"}), meanings.sized),
    "keraport::ReversibleEmbedding": _own(meanings.reversible_embedding, 2, 2, "counted", "reverse"),
    "keraport::Roll": _own(meanings.roll, 1, 1, "axes", "shift"),
    "keraport::Silu": _own(meanings.silu, 1, 1),
    "keraport::Sort": _own(meanings.sort, 1, 1, "axis", "largest"),
}


def is_private(node: ir.Node) -> bool:
    return node.domain in DOMAINS


def private(node: ir.Node) -> PrivateOperator:
    """The operator of a private node, which fits its schema.

    Raises:
        ValueError: there is no such operator, or the node does not fit it: a pass has made a mistake.
    """
    entry = PRIVATE.get(operator(node))
    if entry is None:
        raise ValueError(f"There is no private operator {operator(node)}. Received: {describe(node)}")
    entry.check(node)
    return entry
