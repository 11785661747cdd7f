"""Quantised operators: they compute on the numbers that the integers stand for, as the standard says."""

from __future__ import annotations

import onnx_ir as ir

from passes.normalize.bodies.text import CONV, Body, has


def _float(node: ir.Node, name: str, place: int, zero: int) -> str:
    """The numbers of integers less their zero point, as floats."""
    shifted = f"{name}_f = Cast<to: int = 1>(i{place})"
    if not has(node, zero):
        return f"{shifted} {name} = Identity({name}_f)"
    return f"{shifted} {name}_z = Cast<to: int = 1>(i{zero}) {name} = Sub({name}_f, {name}_z)"


def qlinear_conv(node: ir.Node) -> str:
    bias = "k = Mul(i1, i4) c = Cast<to: int = 1>(i8) b = Mul(c, k)" if has(node, 8) else ""
    inputs = "x, w, b" if bias else "x, w"
    return f"""x = DequantizeLinear(i0, i1, i2) w = DequantizeLinear<axis: int = 0>(i3, i4, i5) {bias}
        y = Conv<{CONV}>({inputs}) o0 = QuantizeLinear(y, i6, i7)"""


def qlinear_matmul(node: ir.Node) -> str:
    return """a = DequantizeLinear(i0, i1, i2) b = DequantizeLinear<axis: int = 1>(i3, i4, i5)
        y = MatMul(a, b) o0 = QuantizeLinear(y, i6, i7)"""


def _rank_of_kernel(node: ir.Node) -> int:
    kernel = node.inputs[1]
    if kernel is not None and kernel.shape is not None:
        return len(kernel.shape)
    return len(node.attributes.get_ints("kernel_shape", ()) or (1, 1)) + 2


def conv_integer(node: ir.Node) -> str:
    if not has(node, 3):
        return f"""{_float(node, "x", 0, 2)} w = Cast<to: int = 1>(i1)
            y = Conv<{CONV}>(x, w) o0 = Cast<to: int = 6>(y)"""
    ones = ",".join("1" for _ in range(_rank_of_kernel(node) - 1))
    return f"""{_float(node, "x", 0, 2)} w_f = Cast<to: int = 1>(i1) w_z = Cast<to: int = 1>(i3)
        each = Constant<value: tensor = int64[{_rank_of_kernel(node)}] {{-1,{ones}}}>() w_c = Reshape(w_z, each)
        w = Sub(w_f, w_c) y = Conv<{CONV}>(x, w) o0 = Cast<to: int = 6>(y)"""


def matmul_integer(node: ir.Node) -> str:
    b = f"{_float(node, 'b', 1, 3)} y = MatMul(a, b) o0 = Cast<to: int = 6>(y)"
    if not has(node, 2):
        return f"a = Cast<to: int = 1>(i0) {b}"
    return f"""last = Constant<value: tensor = int64[1] {{-1}}>() z = Cast<to: int = 1>(i2) rows = Unsqueeze(z, last)
        f = Cast<to: int = 1>(i0) a = Sub(f, rows) {b}"""


DYNAMIC = """z = Constant<value: tensor = float {0}>() u = Constant<value: tensor = float {255}>()
    m = ReduceMax<keepdims: int = 0>(i0) n = ReduceMin<keepdims: int = 0>(i0) h = Max(m, z) l = Min(n, z)
    d = Sub(h, l) scale = Div(d, u) q = Div(l, scale) p = Neg(q) r = Round(p) c = Clip(r, z, u)
    zero = Cast<to: int = 2>(c)"""


def dynamic_quantize(node: ir.Node) -> str:
    return f"{DYNAMIC} o1 = Identity(scale) o2 = Identity(zero) o0 = QuantizeLinear(i0, scale, zero)"


def dynamic_quantize_matmul(node: ir.Node) -> str:
    b = "i1, i2, i3" if has(node, 3) else "i1, i2"
    end = "o0 = Add(y, i4)" if has(node, 4) else "o0 = Identity(y)"
    return f"""{DYNAMIC} k = QuantizeLinear(i0, scale, zero) a = DequantizeLinear(k, scale, zero)
        b = DequantizeLinear<axis: int = 1>({b}) y = MatMul(a, b) {end}"""


def matmul_integer_to_float(node: ir.Node) -> str:
    a, b = ("i0, i2, i4" if has(node, 4) else "i0, i2"), ("i1, i3, i5" if has(node, 5) else "i1, i3")
    end = "o0 = Add(y, i6)" if has(node, 6) else "o0 = Identity(y)"
    return f"x = DequantizeLinear({a}) w = DequantizeLinear<axis: int = 1>({b}) y = MatMul(x, w) {end}"


def qgemm(node: ir.Node) -> str:
    axis = 0 if node.attributes.get_int("transB", 0) else 1
    bias = "k = Mul(i1, i4) c = Cast<to: int = 1>(i6) d = Mul(c, k)" if has(node, 6) else ""
    inputs = "a, b, d" if bias else "a, b"
    end = "o0 = QuantizeLinear(y, i7, i8)" if has(node, 7) else "o0 = Identity(y)"
    return f"""a = DequantizeLinear(i0, i1, i2) b = DequantizeLinear<axis: int = {axis}>(i3, i4, i5) {bias}
        y = Gemm<alpha: float = @alpha, transA: int = @transA, transB: int = @transB>({inputs}) {end}"""


def qlinear_binary(operation: str) -> Body:
    return lambda node: (
        f"""a = DequantizeLinear(i0, i1, i2) b = DequantizeLinear(i3, i4, i5)
        y = {operation}(a, b) o0 = QuantizeLinear(y, i6, i7)"""
    )


def qlinear_unary(operation: str) -> Body:
    return lambda node: f"x = DequantizeLinear(i0, i1, i2) y = {operation}(x) o0 = QuantizeLinear(y, i3, i4)"


def qlinear_concat(node: ir.Node) -> str:
    places = range(2, len(node.inputs), 3)
    parts = " ".join(f"x{i} = DequantizeLinear(i{i}, i{i + 1}, i{i + 2})" for i in places)
    return f"""{parts} y = Concat<axis: int = @axis>({", ".join(f"x{i}" for i in places)})
        o0 = QuantizeLinear(y, i0, i1)"""
