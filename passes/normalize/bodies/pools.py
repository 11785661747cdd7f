"""Pools of powers."""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.normalize.bodies.text import WINDOW


def _power(node: ir.Node) -> str:
    """|x|ᵖ as s, and 1/p as r; p is 2 where nothing is said."""
    return f"""a = Abs(i0) p = Constant<value: tensor = float {{{_p(node)}}}>() s = Pow(a, p)
        r = Constant<value: tensor = float {{{1 / _p(node)!r}}}>()"""


def _p(node: ir.Node) -> float:
    return float(node.attributes.get_int("p", 2))


def lp_pool(node: ir.Node) -> str:
    """(Σ |x|ᵖ)^(1/p): the mean over a window, pads counted as zeros, times how many numbers a window has."""
    size = prod(node.attributes.get_ints("kernel_shape", ()))
    if node.attributes.get_int("ceil_mode", 0):
        raise Unsupported("LpPool with ceil_mode is not converted.", node=describe(node))
    return f"""{_power(node)} n = Constant<value: tensor = float {{{float(size)}}}>()
        m = AveragePool<{WINDOW}, dilations: ints = @dilations, count_include_pad: int = 1>(s)
        t = Mul(m, n) o0 = Pow(t, r)"""


def global_lp_pool(node: ir.Node) -> str:
    return f"""{_power(node)} m = GlobalAveragePool(s) all = Size(i0) each = Size(m) k = Div(all, each)
        n = CastLike(k, i0) t = Mul(m, n) o0 = Pow(t, r)"""
