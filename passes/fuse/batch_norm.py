"""BatchNormalization folded into the operator before it: the inference form, on request.

γ·(W·x + B − μ)/σ + β = (γ/σ·W)·x + γ/σ·(B − μ) + β, σ = √(variance + ε)
"""

from __future__ import annotations

import onnx_ir as ir
from onnxscript.rewriter.rules.common import _fuse_batchnorm

from passes.graph.weight_views import WEIGHT_KEY, provenance, recorded_view


class FoldBatchNorm(ir.passes.InPlacePass):
    """Given    y = BatchNormalization(Conv(x, W), γ, β, μ, variance)
    Result   y = Conv(x, W', B')          likewise after ConvTranspose and Gemm

    Not where the product or its weights are used elsewhere too: that BatchNormalization stays. The rules are
    onnxscript's; what they compute from the weights keeps the weights' names.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = {name: recorded_view(value) for name, value in model.graph.initializers.items()}
        folded = _fuse_batchnorm.rules.apply_to_model(model)
        for name, value in model.graph.initializers.items():
            source = names.get(name) or names.get(name.removesuffix("_bias"))
            if source is not None and WEIGHT_KEY not in value.metadata_props:
                value.metadata_props[WEIGHT_KEY] = provenance(
                    source[0] if name in names else f"{source[0]}_bias", "derived"
                )
        return ir.passes.PassResult(model, bool(folded))
