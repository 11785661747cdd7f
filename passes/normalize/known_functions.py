"""Operators that are compositions of others: those that onnxruntime's quantiser and optimiser write, as text.

A row is a function body in ONNX's text form. Inputs are i0, i1, …, outputs o0, o1, …; what begins with @ is an
attribute of the node. Quantised operators compute as the standard says: on the numbers that the integers stand for.
Sources: ONNX operators; onnxruntime docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import onnx
import onnx_ir as ir

from passes.errors import Unsupported, describe, operator
from passes.normalize.standard_functions import Beyond, is_composed, standard_body

DOMAIN = "keraport.functions"
OPSET = 21

Body = Callable[[ir.Node], str | None]
"""None where the node is no composition: it has a form of its own."""

WINDOW = ", ".join(
    [*(f"{name}: ints = @{name}" for name in ("kernel_shape", "strides", "pads")), "auto_pad: string = @auto_pad"]
)
CONV = f"group: int = @group, dilations: ints = @dilations, {WINDOW}"
MICROSOFT = "com.microsoft::"


def _has(node: ir.Node, place: int) -> bool:
    return place < len(node.inputs) and node.inputs[place] is not None


def _float(node: ir.Node, name: str, place: int, zero: int) -> str:
    """The numbers of integers less their zero point, as floats."""
    shifted = f"{name}_f = Cast<to: int = 1>(i{place})"
    if not _has(node, zero):
        return f"{shifted} {name} = Identity({name}_f)"
    return f"{shifted} {name}_z = Cast<to: int = 1>(i{zero}) {name} = Sub({name}_f, {name}_z)"


def _qlinear_conv(node: ir.Node) -> str:
    bias = "k = Mul(i1, i4) c = Cast<to: int = 1>(i8) b = Mul(c, k)" if _has(node, 8) else ""
    inputs = "x, w, b" if bias else "x, w"
    return f"""x = DequantizeLinear(i0, i1, i2) w = DequantizeLinear<axis: int = 0>(i3, i4, i5) {bias}
        y = Conv<{CONV}>({inputs}) o0 = QuantizeLinear(y, i6, i7)"""


def _qlinear_matmul(node: ir.Node) -> str:
    return """a = DequantizeLinear(i0, i1, i2) b = DequantizeLinear<axis: int = 1>(i3, i4, i5)
        y = MatMul(a, b) o0 = QuantizeLinear(y, i6, i7)"""


def _rank_of_kernel(node: ir.Node) -> int:
    kernel = node.inputs[1]
    if kernel is not None and kernel.shape is not None:
        return len(kernel.shape)
    return len(node.attributes.get_ints("kernel_shape", ()) or (1, 1)) + 2


def _conv_integer(node: ir.Node) -> str:
    if not _has(node, 3):
        return f"""{_float(node, "x", 0, 2)} w = Cast<to: int = 1>(i1)
            y = Conv<{CONV}>(x, w) o0 = Cast<to: int = 6>(y)"""
    ones = ",".join("1" for _ in range(_rank_of_kernel(node) - 1))
    return f"""{_float(node, "x", 0, 2)} w_f = Cast<to: int = 1>(i1) w_z = Cast<to: int = 1>(i3)
        each = Constant<value: tensor = int64[{_rank_of_kernel(node)}] {{-1,{ones}}}>() w_c = Reshape(w_z, each)
        w = Sub(w_f, w_c) y = Conv<{CONV}>(x, w) o0 = Cast<to: int = 6>(y)"""


def _matmul_integer(node: ir.Node) -> str:
    b = f"{_float(node, 'b', 1, 3)} y = MatMul(a, b) o0 = Cast<to: int = 6>(y)"
    if not _has(node, 2):
        return f"a = Cast<to: int = 1>(i0) {b}"
    return f"""last = Constant<value: tensor = int64[1] {{-1}}>() z = Cast<to: int = 1>(i2) rows = Unsqueeze(z, last)
        f = Cast<to: int = 1>(i0) a = Sub(f, rows) {b}"""


DYNAMIC = """z = Constant<value: tensor = float {0}>() u = Constant<value: tensor = float {255}>()
    m = ReduceMax<keepdims: int = 0>(i0) n = ReduceMin<keepdims: int = 0>(i0) h = Max(m, z) l = Min(n, z)
    d = Sub(h, l) scale = Div(d, u) q = Div(l, scale) p = Neg(q) r = Round(p) c = Clip(r, z, u)
    zero = Cast<to: int = 2>(c)"""


def _dynamic_quantize(node: ir.Node) -> str:
    return f"{DYNAMIC} o1 = Identity(scale) o2 = Identity(zero) o0 = QuantizeLinear(i0, scale, zero)"


def _dynamic_quantize_matmul(node: ir.Node) -> str:
    b = "i1, i2, i3" if _has(node, 3) else "i1, i2"
    end = "o0 = Add(y, i4)" if _has(node, 4) else "o0 = Identity(y)"
    return f"""{DYNAMIC} k = QuantizeLinear(i0, scale, zero) a = DequantizeLinear(k, scale, zero)
        b = DequantizeLinear<axis: int = 1>({b}) y = MatMul(a, b) {end}"""


def _matmul_integer_to_float(node: ir.Node) -> str:
    a, b = ("i0, i2, i4" if _has(node, 4) else "i0, i2"), ("i1, i3, i5" if _has(node, 5) else "i1, i3")
    end = "o0 = Add(y, i6)" if _has(node, 6) else "o0 = Identity(y)"
    return f"x = DequantizeLinear({a}) w = DequantizeLinear<axis: int = 1>({b}) y = MatMul(x, w) {end}"


def _qgemm(node: ir.Node) -> str:
    axis = 0 if node.attributes.get_int("transB", 0) else 1
    bias = "k = Mul(i1, i4) c = Cast<to: int = 1>(i6) d = Mul(c, k)" if _has(node, 6) else ""
    inputs = "a, b, d" if bias else "a, b"
    end = "o0 = QuantizeLinear(y, i7, i8)" if _has(node, 7) else "o0 = Identity(y)"
    return f"""a = DequantizeLinear(i0, i1, i2) b = DequantizeLinear<axis: int = {axis}>(i3, i4, i5) {bias}
        y = Gemm<alpha: float = @alpha, transA: int = @transA, transB: int = @transB>({inputs}) {end}"""


def _qlinear_binary(operation: str) -> Body:
    return lambda node: (
        f"""a = DequantizeLinear(i0, i1, i2) b = DequantizeLinear(i3, i4, i5)
        y = {operation}(a, b) o0 = QuantizeLinear(y, i6, i7)"""
    )


def _qlinear_unary(operation: str) -> Body:
    return lambda node: f"x = DequantizeLinear(i0, i1, i2) y = {operation}(x) o0 = QuantizeLinear(y, i3, i4)"


def _qlinear_concat(node: ir.Node) -> str:
    places = range(2, len(node.inputs), 3)
    parts = " ".join(f"x{i} = DequantizeLinear(i{i}, i{i + 1}, i{i + 2})" for i in places)
    return f"""{parts} y = Concat<axis: int = @axis>({", ".join(f"x{i}" for i in places)})
        o0 = QuantizeLinear(y, i0, i1)"""


def _fused_conv(node: ir.Node) -> str:
    activation = node.attributes.get_string("activation", "Identity")
    bias = ", i2" if _has(node, 2) else ""
    added = "s = Add(y, i3)" if _has(node, 3) else "s = Identity(y)"
    told = node.attributes.get_floats("activation_params", ())
    parameters = {
        "LeakyRelu": lambda: f"<alpha: float = {told[0]}>",
        "HardSigmoid": lambda: f"<alpha: float = {told[0]}, beta: float = {told[1]}>",
    }.get(activation, lambda: "")()
    return f"y = Conv<{CONV}>(i0, i1{bias}) {added} o0 = {activation}{parameters}(s)"


def _bias_gelu(approximate: str) -> Body:
    def body(node: ir.Node) -> str:
        x = "s = Add(i0, i1)" if _has(node, 1) else "s = Identity(i0)"
        return f'{x} o0 = Gelu<approximate: string = "{approximate}">(s)'

    return body


def _skip_layer_norm(norm: str, gamma: int) -> Body:
    """The norm of a sum; `gamma` is the place of its scale, a bias of the sum comes last."""

    def body(node: ir.Node) -> str:
        biased = gamma + (2 if norm == "LayerNormalization" else 1)
        beta = f", i{gamma + 1}" if norm == "LayerNormalization" and _has(node, gamma + 1) else ""
        added = f"s = Add(t, i{biased})" if _has(node, biased) else "s = Identity(t)"
        total = "o3 = Identity(s)" if len(node.outputs) > 3 and node.outputs[3].name else ""
        return f"""t = Add(i0, i1) {added} {total}
            o0 = {norm}<axis: int = -1, epsilon: float = @epsilon>(s, i{gamma}{beta})"""

    return body


def _power(node: ir.Node) -> str:
    """|x|ᵖ as s, and 1/p as r; p is 2 where nothing is said."""
    return f"""a = Abs(i0) p = Constant<value: tensor = float {{{_p(node)}}}>() s = Pow(a, p)
        r = Constant<value: tensor = float {{{1 / _p(node)!r}}}>()"""


def _p(node: ir.Node) -> float:
    return float(node.attributes.get_int("p", 2))


def _lp_pool(node: ir.Node) -> str:
    """(Σ |x|ᵖ)^(1/p): the mean over a window, pads counted as zeros, times how many numbers a window has."""
    size = prod(node.attributes.get_ints("kernel_shape", ()))
    if node.attributes.get_int("ceil_mode", 0):
        raise Unsupported("LpPool with ceil_mode is not converted.", node=describe(node))
    return f"""{_power(node)} n = Constant<value: tensor = float {{{float(size)}}}>()
        m = AveragePool<{WINDOW}, dilations: ints = @dilations, count_include_pad: int = 1>(s)
        t = Mul(m, n) o0 = Pow(t, r)"""


def _global_lp_pool(node: ir.Node) -> str:
    return f"""{_power(node)} m = GlobalAveragePool(s) all = Size(i0) each = Size(m) k = Div(all, each)
        n = CastLike(k, i0) t = Mul(m, n) o0 = Pow(t, r)"""


def _batch_norm_in_training(node: ir.Node) -> str | None:
    """By the batch's own mean and variance; the running ones move towards them by 1 - momentum."""
    if not node.attributes.get_int("training_mode", 0):
        return None
    momentum, epsilon = (
        node.attributes.get_float(name, default) for name, default in (("momentum", 0.9), ("epsilon", 1e-5))
    )
    number = "Constant<value: tensor = float {{{0!r}}}>()".format
    moved = " ".join(
        f"a{i} = Mul(i{i + 2}, momentum) f{i} = Reshape({what}, flat) b{i} = Mul(f{i}, rest) o{i} = Add(a{i}, b{i})"
        for i, what in ((1, "m"), (2, "v"))
        if i < len(node.outputs)
    )
    return f"""shape = Shape(i0) rows = Constant<value_ints: ints = [0, 0, -1]>() x = Reshape(i0, rows)
        axes = Constant<value_ints: ints = [0, 2]>() m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d)
        v = ReduceMean(q, axes) e = {number(epsilon)} w = Add(v, e) r = Sqrt(w) n = Div(d, r)
        each = Constant<value_ints: ints = [1, -1, 1]>() s = Reshape(i1, each) b = Reshape(i2, each)
        t = Mul(n, s) y = Add(t, b) o0 = Reshape(y, shape) flat = Constant<value_ints: ints = [-1]>()
        momentum = {number(momentum)} rest = {number(1 - momentum)} {moved}"""


def _dropout_with_mask(node: ir.Node) -> str | None:
    """In inference nothing is left out, and the mask says so."""
    if len(node.outputs) < 2 or not node.outputs[1].name or _has(node, 2):
        return None
    return "o0 = Identity(i0) s = Shape(i0) o1 = ConstantOfShape<value: tensor = bool[1] {1}>(s)"


def _tensor_scatter(node: ir.Node) -> str:
    """Each row's update at its own place along the axis: where j - index is within the update, that of the update."""
    x = node.inputs[0]
    if x is None or x.shape is None:
        raise Unsupported("TensorScatter of a tensor of unknown rank is not converted.", node=describe(node))
    rank = len(x.shape)
    axis = node.attributes.get_int("axis", -2) % rank
    others = ", ".join(str(a) for a in range(1, rank) if a != axis)
    index = (
        "w = Cast<to: int = 7>(i2)"
        if _has(node, 2)
        else "f = Shape<start: int = 0, end: int = 1>(i0) w = Expand(zero, f)"
    )
    if node.attributes.get_string("mode", "linear") == "circular":
        within = "off = Mod(apart, most)"
    else:
        within = "off = Identity(apart)"
    spread = f"more = Constant<value_ints: ints = [{others}]>()" if others else ""
    wide = "Unsqueeze({0}, more)" if others else "Identity({0})"
    return f"""zero = Constant<value_int: int = 0>() one = Constant<value_int: int = 1>() {index} {spread}
        n = Shape<start: int = {axis}, end: int = {axis + 1}>(i0) most = Squeeze(n)
        u = Shape<start: int = {axis}, end: int = {axis + 1}>(i1) size = Squeeze(u)
        last = Constant<value_ints: ints = [1]>() first = Constant<value_ints: ints = [0]>()
        place = Range(zero, most, one) row = Unsqueeze(place, first) column = Unsqueeze(w, last)
        apart = Sub(row, column) {within} above = GreaterOrEqual(off, zero) below = Less(off, size)
        inside = And(above, below) top = Sub(size, one) low = Max(off, zero) held = Min(low, top)
        at = {wide.format("held")} there = {wide.format("inside")} shape = Shape(i0) whole = Expand(at, shape)
        found = GatherElements<axis: int = {axis}>(i1, whole) o0 = Where(there, found, i0)"""


FUNCTIONS: dict[str, Body] = {
    "BatchNormalization": _batch_norm_in_training,
    "ConvInteger": _conv_integer,
    "Dropout": _dropout_with_mask,
    "DynamicQuantizeLinear": _dynamic_quantize,
    "GlobalLpPool": _global_lp_pool,
    "LpPool": _lp_pool,
    "MatMulInteger": _matmul_integer,
    "QLinearConv": _qlinear_conv,
    "QLinearMatMul": _qlinear_matmul,
    "TensorScatter": _tensor_scatter,
    f"{MICROSOFT}BiasGelu": _bias_gelu("none"),
    f"{MICROSOFT}DequantizeLinear": lambda node: f"o0 = DequantizeLinear<axis: int = @axis>({_all(node)})",
    f"{MICROSOFT}DynamicQuantizeMatMul": _dynamic_quantize_matmul,
    f"{MICROSOFT}FastGelu": _bias_gelu("tanh"),
    f"{MICROSOFT}FusedConv": _fused_conv,
    f"{MICROSOFT}Gelu": _bias_gelu("none"),
    f"{MICROSOFT}MatMulIntegerToFloat": _matmul_integer_to_float,
    f"{MICROSOFT}QGemm": _qgemm,
    f"{MICROSOFT}QLinearAdd": _qlinear_binary("Add"),
    f"{MICROSOFT}QLinearAveragePool": _qlinear_unary(
        f"AveragePool<{WINDOW}, ceil_mode: int = @ceil_mode, count_include_pad: int = @count_include_pad>"
    ),
    f"{MICROSOFT}QLinearConcat": _qlinear_concat,
    f"{MICROSOFT}QLinearGlobalAveragePool": _qlinear_unary("GlobalAveragePool"),
    f"{MICROSOFT}QLinearLeakyRelu": _qlinear_unary("LeakyRelu<alpha: float = @alpha>"),
    f"{MICROSOFT}QLinearMul": _qlinear_binary("Mul"),
    f"{MICROSOFT}QLinearSigmoid": _qlinear_unary("Sigmoid"),
    f"{MICROSOFT}QLinearSoftmax": _qlinear_unary("Softmax<axis: int = @axis>"),
    f"{MICROSOFT}QuantizeLinear": lambda node: f"o0 = QuantizeLinear<axis: int = @axis>({_all(node)})",
    f"{MICROSOFT}QuickGelu": lambda node: (
        "a = Constant<value_float: float = @alpha>() t = Mul(i0, a) s = Sigmoid(t) o0 = Mul(i0, s)"
    ),
    f"{MICROSOFT}SkipLayerNormalization": _skip_layer_norm("LayerNormalization", 2),
    f"{MICROSOFT}SkipSimplifiedLayerNormalization": _skip_layer_norm("RMSNormalization", 2),
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
    opset = 23 if "RMSNorm" in node.op_type or "Simplified" in node.op_type else OPSET
    inputs = ", ".join(f"i{place}" for place in range(len(node.inputs)))
    results = ", ".join(f"o{place}" for place in range(len(node.outputs)))
    attributes = ", ".join(sorted({part.split(",")[0].split(">")[0] for part in body.split("@")[1:]}))
    head = f'<domain: "{DOMAIN}", opset_import: ["" : {opset}]>\n{node.op_type}'
    text = f"{head}{f' <{attributes}>' if attributes else ''} ({inputs}) => ({results}) {{ {body} }}"
    return ir.serde.deserialize_function(onnx.parser.parse_function(text))
