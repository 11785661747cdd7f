"""Stage 1 of the pipeline: one opset, no defaults, no constants to compute, every shape known."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from passes.fold.constants import FoldConstants
from passes.graph.weight_views import MarkWeights
from passes.normalize.coerced_softmax import SettleSoftmax
from passes.normalize.convert_opset import SettleOpset
from passes.normalize.default_attributes import SettleDefaults
from passes.normalize.explicit_axes import SettleAxes
from passes.normalize.inline_functions import OneGraph
from passes.normalize.module_paths import ModulePaths
from passes.normalize.nearest_resize_10 import SettleNearest
from passes.normalize.position_table_length import SettleTables
from passes.normalize.rms_norm_scale import SettleScales
from passes.shapes.infer import InferShapes
from passes.simplify.constant_reshape_shape import TidyReshapes
from passes.simplify.constant_resize_size import TidyResizes
from passes.simplify.identity_gather_nd import TidyLookups
from passes.simplify.no_ops import RemoveNoOps, RemoveZeroBias
from passes.simplify.unused import RemoveUnused

PASSES: list[type[ir.passes.PassBase]] = [
    OneGraph,  # first: the passes below look at one sorted graph, in which weights are constants
    ModulePaths,  # before any rewrite, so that errors name modules and new nodes inherit them
    MarkWeights,  # before folding: what is computed is no weight of the source
    SettleOpset,  # before folding: values are computed as operators mean it at one opset
    FoldConstants,  # two thirds of an export are constants of shape arithmetic: the passes below never see them
    SettleDefaults,
    InferShapes,  # folds on where a shape turns out to be known
    SettleTables,
    SettleSoftmax,  # from here on ranks are known
    SettleScales,
    SettleNearest,  # and scales are folded
    SettleAxes,
    TidyReshapes,  # before what is unused goes: it sets shape arithmetic free
    TidyResizes,
    RemoveNoOps,  # "does nothing" is a matter of shapes
    RemoveZeroBias,
    TidyLookups,  # additions of zero are gone, behind which positions hide
    RemoveUnused,
    NameFixPass,  # last: whatever was made has a name of its own
]
