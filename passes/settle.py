"""Stage 1 of the pipeline: one opset, no defaults, no constants to compute, every shape known."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from passes.fold_constants import FoldConstants
from passes.infer_shapes import InferShapes
from passes.module_paths import ModulePaths
from passes.one_graph import OneGraph
from passes.remove_unused import RemoveUnused
from passes.settle_axes import SettleAxes
from passes.settle_defaults import SettleDefaults
from passes.settle_nearest import SettleNearest
from passes.settle_opset import SettleOpset
from passes.settle_scales import SettleScales
from passes.settle_softmax import SettleSoftmax
from passes.settle_tables import SettleTables
from passes.tidy import RemoveNoOps, RemoveZeroBias
from passes.tidy_lookups import TidyLookups
from passes.tidy_reshapes import TidyReshapes
from passes.tidy_resizes import TidyResizes
from passes.weight_views import MarkWeights

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
