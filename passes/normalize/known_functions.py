"""Operators that are compositions of others, by name: those that onnxruntime's quantiser and optimiser write, and more.

A body is text in ONNX's own form, in bodies/. Sources: ONNX operators; onnxruntime docs/ContribOperators.md.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from passes.errors import operator
from passes.normalize.bodies import (
    attention,
    fused,
    linear,
    packed_weights,
    pools,
    quantised,
    rotary,
    tabular,
    training,
    tree_classes,
    trees,
)
from passes.normalize.bodies.text import WINDOW, Body
from passes.normalize.standard_functions import Beyond, is_composed, standard_body

DOMAIN = "keraport.functions"
OPSET = 21
NEWER = 23

MICROSOFT = "com.microsoft::"


_MADE = {
    **linear.FUNCTIONS,
    **tabular.FUNCTIONS,
    **trees.FUNCTIONS,
    f"{MICROSOFT}MatMulNBits": packed_weights.matmul_nbits,
    "ai.onnx.ml::TreeEnsembleClassifier": tree_classes.tree_ensemble_classifier,
}
"""Whose function is made of what a node has in its attributes."""

FUNCTIONS: dict[str, Body] = {
    "BatchNormalization": training.batch_norm_in_training,
    "ConvInteger": quantised.conv_integer,
    "Dropout": training.dropout_with_mask,
    "DynamicQuantizeLinear": quantised.dynamic_quantize,
    "GlobalLpPool": pools.global_lp_pool,
    "LpPool": pools.lp_pool,
    "MatMulInteger": quantised.matmul_integer,
    "QLinearConv": quantised.qlinear_conv,
    "QLinearMatMul": quantised.qlinear_matmul,
    "TensorScatter": training.tensor_scatter,
    f"{MICROSOFT}Attention": attention.attention,
    f"{MICROSOFT}BiasGelu": fused.bias_gelu("none"),
    f"{MICROSOFT}DequantizeLinear": lambda node: f"o0 = DequantizeLinear<axis: int = @axis>({_all(node)})",
    f"{MICROSOFT}DynamicQuantizeMatMul": quantised.dynamic_quantize_matmul,
    f"{MICROSOFT}EmbedLayerNormalization": fused.embed_layer_norm,
    f"{MICROSOFT}FastGelu": fused.bias_gelu("tanh"),
    f"{MICROSOFT}FusedConv": fused.fused_conv,
    f"{MICROSOFT}FusedMatMul": fused.fused_matmul,
    f"{MICROSOFT}Gelu": fused.bias_gelu("none"),
    f"{MICROSOFT}MatMulIntegerToFloat": quantised.matmul_integer_to_float,
    f"{MICROSOFT}MultiHeadAttention": attention.multi_head_attention,
    f"{MICROSOFT}QGemm": quantised.qgemm,
    f"{MICROSOFT}QLinearAdd": quantised.qlinear_binary("Add"),
    f"{MICROSOFT}QLinearAveragePool": quantised.qlinear_unary(
        f"AveragePool<{WINDOW}, ceil_mode: int = @ceil_mode, count_include_pad: int = @count_include_pad>"
    ),
    f"{MICROSOFT}QLinearConcat": quantised.qlinear_concat,
    f"{MICROSOFT}QLinearGlobalAveragePool": quantised.qlinear_unary("GlobalAveragePool"),
    f"{MICROSOFT}QLinearLeakyRelu": quantised.qlinear_unary("LeakyRelu<alpha: float = @alpha>"),
    f"{MICROSOFT}QLinearMul": quantised.qlinear_binary("Mul"),
    f"{MICROSOFT}QLinearSigmoid": quantised.qlinear_unary("Sigmoid"),
    f"{MICROSOFT}QLinearSoftmax": quantised.qlinear_unary("Softmax<axis: int = @axis>"),
    f"{MICROSOFT}QuantizeLinear": lambda node: f"o0 = QuantizeLinear<axis: int = @axis>({_all(node)})",
    f"{MICROSOFT}QuickGelu": lambda node: (
        "a = Constant<value_float: float = @alpha>() t = Mul(i0, a) s = Sigmoid(t) o0 = Mul(i0, s)"
    ),
    f"{MICROSOFT}RotaryEmbedding": rotary.rotary_embedding,
    f"{MICROSOFT}SkipLayerNormalization": fused.skip_layer_norm("LayerNormalization", 2),
    f"{MICROSOFT}SkipSimplifiedLayerNormalization": fused.skip_layer_norm("RMSNormalization", 2),
    "SimplifiedLayerNormalization": lambda node: (
        "o0 = RMSNormalization<axis: int = @axis, epsilon: float = @epsilon>(i0, i1)"
    ),
}
"""By operator, the body for a node."""


def _all(node: ir.Node) -> str:
    return ", ".join(f"i{place}" for place in range(len(node.inputs)))


def define_known(model: ir.Model, is_composed: Beyond = is_composed) -> bool:
    """Make calls of functions of what is a composition: of FUNCTIONS, and of standard_functions.py.

    `InlineFunctions` puts the functions in place, and asks again: bodies are made of such operators, too.

    Args:
        is_composed: of the standard's operators, those that become their body.
    """
    defined = False
    for number, node in enumerate(list(model.graph.all_nodes())):
        if (node.domain, node.op_type, node.overload) in model.functions:
            continue  # the file has a function of its own under this name
        body = FUNCTIONS[operator(node)](node) if operator(node) in FUNCTIONS else None
        if body is not None:
            function = _parsed(node, body)
        elif operator(node) in _MADE:
            function = _MADE[operator(node)](node)
        elif is_composed(node) and (found := standard_body(node, model)) is not None:
            function = found
        else:
            continue
        function.domain, function.name = DOMAIN, f"{node.op_type}_{number}"
        model.functions[function.identifier()] = function
        node.domain, node.op_type, node.version = DOMAIN, function.name, None
        defined = True
    if defined:
        model.opset_imports[DOMAIN] = 1
    return defined


def _parsed(node: ir.Node, body: str) -> ir.Function:
    opset = NEWER if "RMSNorm" in node.op_type or "Simplified" in node.op_type or "Attention" in body else OPSET
    inputs = ", ".join(f"i{place}" for place in range(len(node.inputs)))
    results = ", ".join(f"o{place}" for place in range(len(node.outputs)))
    attributes = ", ".join(sorted({part.split(",")[0].split(">")[0] for part in body.split("@")[1:]}))
    head = f'<domain: "{DOMAIN}", opset_import: ["" : {opset}]>\n{node.op_type}'
    text = f"{head}{f' <{attributes}>' if attributes else ''} ({inputs}) => ({results}) {{ {body} }}"
    return ir.serde.deserialize_function(onnx.parser.parse_function(text))
