"""Stage 1 of the pipeline: one opset, no defaults, no constants to compute, every shape known."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from passes.fold.constants import FoldConstants
from passes.graph.weight_views import MarkWeights
from passes.normalize.coerced_softmax import NormalizeSoftmax
from passes.normalize.convert_opset import ConvertOpset
from passes.normalize.default_attributes import ExplicitDefaults
from passes.normalize.explicit_axes import ExplicitAxes
from passes.normalize.inline_functions import InlineFunctions
from passes.normalize.module_paths import ModulePaths
from passes.normalize.nearest_resize_10 import NormalizeNearestResize
from passes.normalize.position_table_length import NormalizePositionTables
from passes.normalize.rms_norm_scale import NormalizeNormScales
from passes.shapes.infer import InferShapes
from passes.simplify.constant_reshape_shape import ConstantReshapeShapes
from passes.simplify.constant_resize_size import ConstantResizeSizes
from passes.simplify.identity_gather_nd import RemoveIdentityGathers
from passes.simplify.no_ops import RemoveNoOps, RemoveZeroBias
from passes.simplify.unused import RemoveUnused

PASSES: list[type[ir.passes.PassBase]] = [
    InlineFunctions,  # first: the passes below look at one sorted graph, in which weights are constants
    ModulePaths,  # before any rewrite, so that errors name modules and new nodes inherit them
    MarkWeights,  # before folding: what is computed is no weight of the source
    ConvertOpset,  # before folding: values are computed as operators mean it at one opset
    FoldConstants,  # two thirds of an export are constants of shape arithmetic: the passes below never see them
    ExplicitDefaults,
    InferShapes,  # folds on where a shape turns out to be known
    NormalizePositionTables,
    NormalizeSoftmax,  # from here on ranks are known
    NormalizeNormScales,
    NormalizeNearestResize,  # and scales are folded
    ExplicitAxes,
    ConstantReshapeShapes,  # before what is unused goes: it sets shape arithmetic free
    ConstantResizeSizes,
    RemoveNoOps,  # "does nothing" is a matter of shapes
    RemoveZeroBias,
    RemoveIdentityGathers,  # additions of zero are gone, behind which positions hide
    RemoveUnused,
    NameFixPass,  # last: whatever was made has a name of its own
]
