"""Operators that keep a shape, and those that broadcast several."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from passes.dims.bounds import maximum
from passes.dims.polynomial import Dim, is_symbol, symbols
from passes.errors import BadSource, describe
from passes.shapes.rules.registry import Shape, Shapes, Site, rule

_UNARY = """
    Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh CumSum
    Dropout Elu Erf Exp Floor Gelu GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization
    IsInf IsNaN LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg
    Not RMSNormalization Reciprocal Relu Round ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax
    Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Trilu keraport::FlattenedHardmax keraport::FlattenedLogSoftmax
    keraport::BitCast keraport::CumProd keraport::FlattenedSoftmax keraport::Roll
"""
UNARY = tuple(_UNARY.split())
_BROADCASTING = """
    Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min
    Mod Mul Or Pow Sub Sum Where Xor
"""
BROADCASTING = tuple(_BROADCASTING.split())


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """numpy's broadcasting. Two different symbols: one of them may be 1, so the result is the greater; two expressions
    of the same symbols are one size, written in two ways."""
    rank = max(map(len, shapes))
    result: list[Dim] = [1] * rank
    for shape in shapes:
        for axis, dim in enumerate(shape, rank - len(shape)):
            known = result[axis]
            if known == dim or dim == 1:
                continue
            if known == 1 or (isinstance(dim, int) and not isinstance(known, int)):
                result[axis] = dim
            elif not isinstance(known, int):
                result[axis] = simpler(known, dim) if _is_one_size(known, dim) else maximum(known, dim)
    return tuple(result)


def _is_one_size(a: Dim, b: Dim) -> bool:
    return symbols(a) == symbols(b) and not (is_symbol(a) and is_symbol(b))


def simpler(a: Dim, b: Dim) -> Dim:
    """Of two ways to write a size the number, or the shorter one."""
    return min((a, b), key=lambda dim: (not isinstance(dim, int), len(str(dim)), str(dim)))


@rule(*UNARY)
def _same(node: ir.Node, site: Site) -> Shapes:
    return [site.shape(0)] + [None] * (len(node.outputs) - 1)


@rule(*BROADCASTING)
def _broadcast(node: ir.Node, site: Site) -> Shapes:
    return [broadcast([site.shape(index) for index in range(len(node.inputs))])]


@rule("Shape")
def _shape(node: ir.Node, site: Site) -> Shapes:
    rank = len(site.shape(0))
    return [(len(range(rank)[node.attributes.get_int("start", 0) : node.attributes.get_int("end", rank)]),)]


@rule("Size")
def _size(node: ir.Node, site: Site) -> Shapes:
    return [()]


@rule("PRelu")
def _prelu(node: ir.Node, site: Site) -> Shapes:
    x, slope = site.shape(0), site.shape(1)
    known = [(a, b) for a, b in zip(x[::-1], slope[::-1], strict=False) if isinstance(a, int) and isinstance(b, int)]
    if len(slope) > len(x) or any(b not in (1, a) for a, b in known):
        raise BadSource(f"A slope of shape {list(slope)} does not fit {list(x)}.", node=describe(node))
    return [x]
