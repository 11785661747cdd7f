"""The order of the passes, and its reasons."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from passes.fold.constants import FoldConstants
from passes.fuse.activations import FuseActivations
from passes.fuse.attention import FuseAttention
from passes.fuse.batch_norm import FoldBatchNorm
from passes.fuse.dense import FuseDense
from passes.fuse.embedding import FuseEmbeddings
from passes.fuse.gelu import FuseGelu
from passes.fuse.group_norm import FuseGroupNorm
from passes.fuse.layer_norm import FuseLayerNorm
from passes.fuse.recurrent import FuseRecurrent
from passes.fuse.roll import FuseRoll
from passes.fuse.shared_weights import ShareWeights
from passes.fuse.unrolled_recurrent import UnrollRecurrent
from passes.graph.weight_views import MARKED_KEY, MarkWeights
from passes.layout import Layout
from passes.layout.turns.join import JoinTransposes
from passes.layout.turns.take_back import TakeBackTransposes
from passes.normalize.convert_opset import ConvertOpset
from passes.normalize.default_attributes import ExplicitDefaults
from passes.normalize.einsum import NormalizeEinsum
from passes.normalize.explicit_axes import ExplicitAxes
from passes.normalize.inline_functions import InlineFunctions
from passes.normalize.module_paths import ModulePaths
from passes.normalize.open_batch import CloseBatch, OpenBatch, Opened
from passes.normalize.operators.coerced_softmax import NormalizeSoftmax
from passes.normalize.operators.col2im import NormalizeCol2Im
from passes.normalize.operators.computed_numbers import NormalizeComputedNumbers
from passes.normalize.operators.computed_resize import NormalizeComputedResize
from passes.normalize.operators.computed_slices import NormalizeComputedSlices
from passes.normalize.operators.deform_conv import NormalizeDeformConv
from passes.normalize.operators.max_indices import NormalizeMaxIndices
from passes.normalize.operators.nearest_resize_10 import NormalizeNearestResize
from passes.normalize.operators.own_length_dft import NormalizeDftLength
from passes.normalize.operators.rms_norm_scale import NormalizeNormScales
from passes.normalize.position_table_length import NormalizePositionTables
from passes.normalize.refuse_private import RefusePrivate
from passes.normalize.sizes.open_sizes import OpenSizes
from passes.padding.fuse_pad import FusePads
from passes.padding.split_pads import SplitPads
from passes.shapes.infer import InferShapes
from passes.simplify.block_writes import JoinBlockWrites
from passes.simplify.constant_reshape_shape import ConstantReshapeShapes
from passes.simplify.constant_resize_size import ConstantResizeSizes
from passes.simplify.dropout import RemoveDropout
from passes.simplify.identity_gather_nd import RemoveIdentityGathers
from passes.simplify.keepdims import DropKeepdims
from passes.simplify.needless_expands import RemoveNeedlessExpands
from passes.simplify.no_ops import RemoveNoOps, RemoveZeroBias
from passes.simplify.unused import RemoveUnused

NamedPass = tuple[str, Callable[[], ir.passes.PassBase]]
Observer = Callable[[str, ir.Model], None]


SETTLING: list[type[ir.passes.PassBase]] = [
    InlineFunctions,  # first: the passes below look at one sorted graph, in which weights are constants
    ModulePaths,  # before any rewrite, so that errors name modules and new nodes inherit them
    MarkWeights,  # before folding: what is computed is no weight of the source
    ConvertOpset,  # before folding: values are computed as operators mean it at one opset
    FoldConstants,  # two thirds of an export are constants of shape arithmetic: the passes below never see them
    ExplicitDefaults,
    FuseRoll,  # before shapes: parts that are cut at a computed place, and joined again, are as long as the whole
    InferShapes,  # folds on where a shape turns out to be known
    NormalizePositionTables,
    NormalizeSoftmax,  # from here on ranks are known
    NormalizeNormScales,
    NormalizeEinsum,
    NormalizeCol2Im,
    NormalizeDeformConv,
    NormalizeMaxIndices,
    NormalizeNearestResize,  # and scales are folded
    NormalizeDftLength,
    NormalizeComputedSlices,  # before axes are named, which it does where they are computed
    NormalizeComputedNumbers,
    NormalizeComputedResize,
    ExplicitAxes,
    ConstantReshapeShapes,  # before what is unused goes: it sets shape arithmetic free
    ConstantResizeSizes,
]
"""What writes everything in one way, in order."""

CLEARING: list[type[ir.passes.PassBase]] = [
    JoinBlockWrites,  # before positions that are then read by nobody go
    RemoveNoOps,  # "does nothing" is a matter of shapes
    RemoveNeedlessExpands,
    RemoveZeroBias,
    RemoveIdentityGathers,  # additions of zero are gone, behind which positions hide
    RemoveUnused,
    NameFixPass,  # last: whatever was made has a name of its own
]
"""What takes out what is then superfluous, in order."""

NORMALIZING = [*SETTLING, *CLEARING]
"""What makes a graph say everything once and in one way."""


def pipeline(
    *,
    layout: str = "channels_last",
    fold_batchnorm: bool = False,
    dropout: bool = True,
    opened: Opened | None = None,
    of_body: bool = False,
) -> list[NamedPass]:
    """The passes in order, by name, each made anew for one run. `of_body`: of a loop that was kept."""
    closing: list[NamedPass] = [("CloseBatch", partial(CloseBatch, opened))] if opened else []
    # Where every size is a number, what has the batch's written down can be seen.
    opening: list[NamedPass] = [] if opened is None else _opening(opened)
    # First: what the passes write into a graph is theirs alone.
    door: list[NamedPass] = [] if of_body else [("RefusePrivate", RefusePrivate)]
    return [
        *door,
        *closing,
        *((each.__name__, each) for each in SETTLING),
        ("UnrollRecurrent", UnrollRecurrent),  # what the next would refuse, and FoldConstants could not look into
        ("FuseRecurrent", FuseRecurrent),  # while the parameters are there of which an exporter has made its weights
        *((each.__name__, each) for each in CLEARING),
        *opening,
        # After shapes, which tell a norm over the last axes from others; before everything that changes axes.
        ("FuseLayerNorm", FuseLayerNorm),
        ("FuseGroupNorm", FuseGroupNorm),
        ("FuseGelu", FuseGelu),
        ("FuseActivations", FuseActivations),
        ("RemoveDropout", partial(RemoveDropout, everywhere=not dropout)),
        ("FuseAttention", FuseAttention),
        ("FusePads", FusePads),  # before SplitPads, which then sees the whole padding of a convolution
        # Before SplitPads, which may put a Pad and an Add between a ConvTranspose and its BatchNormalization.
        *([("FoldBatchNorm", FoldBatchNorm)] if fold_batchnorm else []),
        # After shapes: a pad is provably `same` only at a known size, or with stride 1.
        ("SplitPads", SplitPads),
        ("FuseDense", FuseDense),
        ("DropKeepdims", DropKeepdims),  # a Dense after a pool then has two axes, as a person would write it
        # After everything that recognises patterns: they are written in the source's axes.
        ("Layout", lambda: Layout(layout)),
        ("RemoveUnused", RemoveUnused),  # the layout needs inferred shapes only: shape arithmetic is dead now
        ("JoinTransposes", JoinTransposes),  # one is easier to take back than the parts of it
        ("TakeBackTransposes", TakeBackTransposes),
        ("DropKeepdims", DropKeepdims),
        ("ShareWeights", ShareWeights),  # after the layout, which looks at weights in its own way
        ("FuseEmbeddings", FuseEmbeddings),  # after tied ones have become one
        ("RemoveUnused", RemoveUnused),
    ]


def _opening(opened: Opened) -> list[NamedPass]:
    batch: list[NamedPass] = [("OpenBatch", partial(OpenBatch, opened)), ("InferShapes", InferShapes)]
    sizes: list[NamedPass] = [("OpenSizes", partial(OpenSizes, opened)), ("InferShapes", InferShapes)]
    # A size that was opened is arithmetic on others by now: what that makes superfluous goes.
    superfluous: list[type[ir.passes.PassBase]] = [ConstantReshapeShapes, ConstantResizeSizes, *CLEARING]
    tidy: list[NamedPass] = [(each.__name__, each) for each in superfluous]
    return [*(batch if opened.sizes else ()), *((*sizes, *tidy) if opened.axes else ())]


def run_pipeline(
    model: ir.Model,
    *,
    layout: str = "channels_last",
    fold_batchnorm: bool = False,
    dropout: bool = True,
    opened: Opened | None = None,
    observer: Observer | None = None,
) -> ir.Model:
    """Run every pass on the model, in place where the pass is.

    Args:
        layout: "channels_last", or "source" to keep the axes of the source at inputs and outputs.
        fold_batchnorm: fold BatchNormalization into the operator before it.
        dropout: keep Dropout, which does nothing in inference.
        opened: sizes of inputs that the file fixes, and the model is to have open.
        observer: called after each pass with its name and the graph as it stands.
    Raises:
        ConversionError: as the pass says it.
    """
    folder = os.environ.get("KERAPORT_DEBUG_DIR") if os.environ.get("KERAPORT_DEBUG") else None
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    stages = pipeline(layout=layout, fold_batchnorm=fold_batchnorm, dropout=dropout, opened=opened)
    for index, (name, make) in enumerate(stages):
        model = make()(model).model
        if observer is not None:
            observer(name, model)
        if folder:
            ir.save(model, Path(folder) / f"{index:02d}_{name}.onnx")
    _prepare_bodies(model, fold_batchnorm=fold_batchnorm, dropout=dropout)
    return model


def _prepare_bodies(model: ir.Model, *, fold_batchnorm: bool, dropout: bool) -> None:
    """The body of what was kept goes the same way, as a model of its own whose inputs stay as they are."""
    held = [
        (node, name)
        for node in model.graph
        for name, attribute in node.attributes.items()
        if attribute.type == ir.AttributeType.GRAPH
    ]
    for node, name in held:
        body = ir.Model(node.attributes[name].as_graph(), ir_version=model.ir_version)
        body.metadata_props.update({MARKED_KEY: model.metadata_props.get(MARKED_KEY, "")})
        body.opset_imports.update(model.opset_imports)
        for _, make in pipeline(layout="source", fold_batchnorm=fold_batchnorm, dropout=dropout, of_body=True):
            body = make()(body).model
        _prepare_bodies(body, fold_batchnorm=fold_batchnorm, dropout=dropout)
        node.attributes[name] = ir.AttrGraph(name, body.graph)
