"""ONNX → ONNX: each stage hands on a graph that is more normal than the one it got.

`PIPELINE` is the whole order. The backend then finds one opset, explicit pads, channels-last operators and
composites in one piece, and is nearly one-to-one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx_ir as ir

from passes.fuse.activations import FuseActivations
from passes.fuse.attention import FuseAttention
from passes.fuse.batch_norm import FoldBatchNorm
from passes.fuse.dense import FuseDense
from passes.fuse.gelu import FuseGelu
from passes.fuse.group_norm import FuseGroupNorm
from passes.fuse.layer_norm import FuseLayerNorm
from passes.layout import Layout
from passes.normalize import PASSES as SETTLE
from passes.normalize.refuse_private import RefusePrivate
from passes.padding.fuse_pad import FusePads
from passes.padding.split_pads import SplitPads
from passes.simplify.keepdims import DropKeepdims
from passes.simplify.no_ops import RemoveUnused

Stage = tuple[str, Callable[[], ir.passes.PassBase]]
Observer = Callable[[str, ir.Model], None]


def pipeline(*, layout: str = "channels_last", fold_batchnorm: bool = False) -> list[Stage]:
    """The passes in order, by name, each made anew for one run."""
    return [
        ("RefusePrivate", RefusePrivate),  # first: what the passes write into a graph is theirs alone
        *((p.__name__, p) for p in SETTLE),
        # After shapes, which tell a norm over the last axes from others; before everything that changes axes.
        ("FuseLayerNorm", FuseLayerNorm),
        ("FuseGroupNorm", FuseGroupNorm),
        ("FuseGelu", FuseGelu),
        ("FuseActivations", FuseActivations),
        ("FuseAttention", FuseAttention),
        ("FusePads", FusePads),  # before SplitPads, which then sees the whole padding of a convolution
        # Before SplitPads, which may put a Pad and an Add between a ConvTranspose and its BatchNormalization.
        *([("FoldBatchNorm", FoldBatchNorm)] if fold_batchnorm else []),
        # After shapes: a pad is provably `same` only at a known size, or with stride 1.
        ("SplitPads", SplitPads),
        ("FuseDense", FuseDense),
        # After everything that recognises patterns: they are written in the source's axes.
        ("Layout", lambda: Layout(layout)),
        ("DropKeepdims", DropKeepdims),
        ("RemoveUnused", RemoveUnused),  # the layout needs inferred shapes only: shape arithmetic is dead now
    ]


PIPELINE = pipeline()


def run_pipeline(
    model: ir.Model,
    *,
    layout: str = "channels_last",
    fold_batchnorm: bool = False,
    observer: Observer | None = None,
) -> ir.Model:
    """Run every pass on the model, in place where the pass is.

    Args:
        layout: "channels_last", or "source" to keep the axes of the source at inputs and outputs.
        fold_batchnorm: fold BatchNormalization into the operator before it.
        observer: called after each pass with its name and the graph as it stands.
    Raises:
        ConversionError: as the pass says it.
    """
    folder = os.environ.get("KERAPORT_DEBUG_DIR") if os.environ.get("KERAPORT_DEBUG") else None
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for index, (name, make) in enumerate(pipeline(layout=layout, fold_batchnorm=fold_batchnorm)):
        model = make()(model).model
        if observer is not None:
            observer(name, model)
        if folder:
            ir.save(model, Path(folder) / f"{index:02d}_{name}.onnx")
    return model


def stages(
    model: ir.Model, *, layout: str = "channels_last", fold_batchnorm: bool = False
) -> Iterator[tuple[str, ir.Model]]:
    """The graph after every pass, one by one."""
    for name, make in pipeline(layout=layout, fold_batchnorm=fold_batchnorm):
        model = make()(model).model
        yield name, model
