"""Arithmetic, comparison and logic through the whole converter, against onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.op_cases import Array, Case, Input, c, case, w, x
from tests.op_checks import check, parameters

B = "batch"
FLOAT = onnx.TensorProto.FLOAT
FLOATS = ("float16", "float64")


def unary(op_type: str, draw: str = "normal", dtypes: tuple[str, ...] = FLOATS) -> list[Case]:
    return [
        case(op_type, x(B, 3, 4, 5, draw=draw)), case(op_type, x(B, 5, draw=draw)), case(op_type, x(draw=draw)),
        *(case(op_type, x(B, 3, 2, dtype=dtype, draw=draw)) for dtype in dtypes),
    ]  # fmt: skip


def broadcast_pairs(dtype: str, draw: str, draw_b: str) -> list[tuple[Input | Array, Input | Array]]:
    """Two operands in every way in which they can meet: equal, broadcasting in both directions, constants on a side."""
    full: tuple[int | str, ...] = (B, 3, 4, 5)

    def a(*shape: int | str) -> Input:
        return x(*shape, dtype=dtype, draw=draw)

    def b(*shape: int | str) -> Input:
        return x(*shape, dtype=dtype, draw=draw_b)

    def const(*shape: int) -> Array:
        return w(*shape, dtype=dtype, draw=draw_b)

    def const_first(*shape: int) -> Array:
        return w(*shape, dtype=dtype, draw=draw)

    return [
        (a(*full), b(*full)), (a(*full), b(B, 3, 1, 1)), (a(B, 1, 4, 5), b(*full)), (a(B, 3, 1, 1), b(B, 1, 4, 5)),
        (a(*full), b(5)), (a(4, 1), b(*full)), (a(*full), b()), (a(*full), b(1, 3, 1, 5)), (a(*full), b(3, 4, 5)),
        (a(*full), const(3, 1, 1)), (a(*full), const(1, 3, 1, 1)), (a(*full), const()), (a(*full), const(1)),
        (a(*full), const(5)), (a(*full), const(4, 5)), (a(*full), const(3, 4, 5)), (a(*full), const(1, 1, 1, 1)),
        (const_first(3, 1, 1), b(*full)), (const_first(), b(*full)), (const_first(4, 1), b(*full)),
        (a(B, 3, 1, 5), const(3, 4, 1)), (a(B, 3, 1, 1), const(4, 5)), (const_first(2, 1, 1, 1, 1), b(*full)),
        (a(B, 6), b(B, 6)), (a(B, 6), const(6)), (a(B, 1), const(6)), (a(B, 3, 4), const(3, 1)), (a(B), const(1)),
        (a(B, 3, 4), b(B, 3, 1)), (a(B, 3, 2, 2, 2), const(3, 1, 1, 1)), (a(B, 3, 2, 2, 2), b(B, 3, 2, 2, 2)),
        (a(B, 3, 4, 5), const(3, 64, 4, 1)), (a(2, 3, 4), const(2, 1, 1)),
    ]  # fmt: skip


def binary(
    op_type: str, dtypes: tuple[str, ...] = FLOATS, draw: str = "normal", draw_b: str = "", **attributes: int
) -> list[Case]:
    """Every pair in float32; some of them in each other dtype."""
    draw_b = draw_b or draw
    found = []
    for index, (a, b) in enumerate(broadcast_pairs("float32", draw, draw_b)):
        if isinstance(b, Input) or b.shape != (3, 64, 4, 1):
            found.append(case(op_type, a, b, **attributes))
        elif index:
            found.append(case(op_type, x(B, 3, 1, 5, draw=draw), w(3, 4, 1, draw=draw_b), **attributes))
    for dtype in dtypes:
        pairs = broadcast_pairs(dtype, draw, draw_b)
        found += [case(op_type, *pairs[index], **attributes) for index in (0, 1, 9, 17)]
    return found


def few(op_type: str, dtypes: tuple[str, ...], draw: str = "normal", draw_b: str = "", **attributes: int) -> list[Case]:
    """The ways of meeting that differ most, in each dtype."""
    found = []
    for dtype in dtypes:
        pairs = broadcast_pairs(dtype, draw, draw_b or draw)
        found += [case(op_type, *pairs[index], **attributes) for index in (0, 1, 4, 9, 17)]
    return found


def several(op_type: str) -> list[Case]:
    """Sum, Mean, Max and Min take any number of operands."""
    return [
        case(op_type, x(B, 3, 4, 5), x(B, 3, 4, 5), x(B, 3, 4, 5)), case(op_type, x(B, 3, 4, 5)),
        case(op_type, x(B, 3, 4, 5), w(3, 1, 1), x(B, 1, 4, 5)), case(op_type, w(1, 3, 1, 1), x(B, 3, 4, 5), w(5), x(B, 3, 4, 5)),
        case(op_type, x(B, 3, 4, dtype="float64"), x(B, 3, 4, dtype="float64")), case(op_type, x(B, 3), c(0.5, "float32")),
    ]  # fmt: skip


def square(op_type: str) -> list[Case]:
    """Axes that are equally long, where Keras takes what is added for a bias of the wrong axis; see sums.py."""
    return [
        case(op_type, x(4, 4), w(4, 1)), case(op_type, x(B, 4, 4), w(4, 1)), case(op_type, x(B, 4, 4), w(4)), case(op_type, w(4, 1), x(B, 4, 4)),
        case(op_type, x(B, 4, 4, 4), w(4, 1)), case(op_type, x(B, 4, 4, 4), w(4, 1, 1)), case(op_type, x(B, 4, 4, 3), w(4, 1)),
        case(op_type, x(B, 4, 5), x(B, 1, 1), _sizes={"batch": (1, 3, 4, 5)}), case(op_type, x(B, 1, 1), x(B, 4, 5), _sizes={"batch": (1, 3, 4, 5)}),
        case(op_type, x(B, 4, 1), x(B, 1, 4), _sizes={"batch": (1, 4)}), case(op_type, x(B, 4), w(1, 1, 4)), case(op_type, x(B, 4), w(4, 1, 1)),
        case(op_type, x(1, 4, 1), w(1, 1, 4)), case(op_type, w(1, 4, 1), x(1, 1, 4)), case(op_type, x(B, "n"), x("n"), _sizes={"batch": (1, 3), "n": (3,)}),
        case(op_type, x("n", "m"), x("n", 1), _sizes={"n": (1, 3), "m": (1, 3)}), case(op_type, x(B, 3, 4, 4), x(B, 1, 4, 1), _sizes={"batch": (1, 4)}),
    ]  # fmt: skip


INTS = ("int32", "int64")
CASES = {
    "keraport::BitCast": [
        case("BitCast", x(B, 3, 4), to=6, _opset=26), case("BitCast", x(B, 3, dtype="int64"), to=13, _opset=26), case("BitCast", x(B, 2, 4, 5, dtype="int32"), to=1, _opset=26),
    ],
    "BitShift": [
        case("BitShift", x(B, 5, dtype=dtype), c([0, 1, 2, 3, 7], dtype), direction=direction) for dtype in ("uint8", "uint32") for direction in ("LEFT", "RIGHT")
    ],
    "Add": [*binary("Add", (*FLOATS, *INTS)), *square("Add")],
    "Sub": binary("Sub", (*FLOATS, *INTS)),
    "Mul": binary("Mul", (*FLOATS, *INTS)),
    "Sum": several("Sum"),
    "Mean": several("Mean"),
    "Max": [*several("Max"), *few("Max", ("float32", *INTS)), case("Max", x(B, 4, draw="special"), c(0, "float32"))],
    "Min": [*several("Min"), *few("Min", ("float32", *INTS)), case("Min", x(B, 4, draw="special"), c(0, "float32"))],
    "Div": [
        *binary("Div", (*FLOATS, *INTS, "uint8", "int8"), draw_b="nonzero"),
        case("Div", x(B, 3, 4, dtype="int64"), c(3)), case("Div", x(B, 3, 4, dtype="int64"), c(-2)),
        case("Div", c(7), x(B, 3, 4, dtype="int64", draw="nonzero")), case("Div", x(B, 4), c(0, "float32")),
        case("Div", x(B, 3, 4, 5, dtype="int32"), w(3, 1, 1, dtype="int32", draw="nonzero")),
    ],
    "Mod": [
        *few("Mod", (*INTS, "uint8"), draw_b="nonzero"), *few("Mod", INTS, draw_b="nonzero", fmod=1),
        *few("Mod", ("float32", "float64"), draw_b="nonzero", fmod=1),
        case("Mod", x(B, 3, 4, dtype="int64"), c(3)), case("Mod", x(B, 3, 4, dtype="int64"), c(-3)),
        case("Mod", x(B, 3, 4, dtype="int64"), c(-3), fmod=1),
    ],
    "Pow": [
        *few("Pow", ("float32", "float64"), draw="positive"),
        *(case("Pow", x(B, 3, 4, 5, draw="positive"), c(e, "float32")) for e in (2, 0.5, 3, -1, 1.7, 0, 1, -0.5)),
        *(case("Pow", x(B, 3, 4), c(e, "float32")) for e in (2, 3, 0)),
        case("Pow", c(2, "float32"), x(B, 3, 4)), case("Pow", x(B, 3, 4), c(3, "int64")), case("Pow", x(B, 3, 4), c([2], "float32")),
        case("Pow", x(B, 3, 4), c([[[2]]], "float32")), case("Pow", x(B), c([[2]], "float32")),
        case("Pow", x(B, 3, 4, dtype="int64"), c(2)), case("Pow", x(B, 3, 4, dtype="int32"), c(3, "int32")),
        case("Pow", x(B, 3, dtype="int64", draw="positive"), c(2, "float32")),
        case("Pow", x(B, 3, dtype="int32", draw="positive"), c(0.5, "float32")),
        case("Pow", x(B, 3, 4, 5, draw="positive"), w(3, 1, 1)),
        case("Pow", x(B, 3, dtype="float16", draw="positive"), c(2, "float16")),
        case("Pow", x(B, 3, draw="positive"), c(2, "float64")),
    ],
    "Where": [
        case("Where", x(B, 3, 4, 5, dtype="bool"), x(B, 3, 4, 5), x(B, 3, 4, 5)),
        case("Where", x(B, 3, 1, 1, dtype="bool"), x(B, 3, 4, 5), x(5)),
        case("Where", x(B, 1, 4, 5, dtype="bool"), x(B, 3, 1, 1), x(B, 3, 4, 5)),
        case("Where", x(B, 3, 4, 5, dtype="bool"), c(0, "float32"), x(B, 3, 4, 5)),
        case("Where", x(B, 3, 4, 5, dtype="bool"), x(B, 3, 4, 5), c(-np.inf, "float32")),
        case("Where", w(3, 1, 1, dtype="bool"), x(B, 3, 4, 5), w(3, 4, 1)),
        case("Where", w(4, 5, dtype="bool"), x(B, 3, 4, 5), c(1.5, "float32")),
        case("Where", x(B, 3, 4, 5, dtype="bool"), w(3, 1, 1), w(5)),
        case("Where", x(B, 3, 4, 5, dtype="bool"), c(1, "float32"), c(0, "float32")),
        case("Where", x(B, 3, 4, dtype="bool"), c(1), c(0)), case("Where", x(dtype="bool"), c(2**40), c(0)), case("Where", x(B, 3, 4, dtype="bool"), x(B, 3, 4, dtype="int64"), c(-1)),
        case("Where", x(B, 4, dtype="bool"), x(B, 4, dtype="int32"), x(B, 1, dtype="int32")),
        case("Where", x(B, 4, dtype="bool"), x(B, 4, dtype="float16"), c(2, "float16")),
        case("Where", x(B, 4, dtype="bool"), c(2, "float64"), x(B, 4, dtype="float64")),
    ],
    **{name: [*few(name, ("float32", "float64", "int32", "int64"), draw="small")]
       for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
    **{name: few(name, ("bool",)) for name in ("And", "Or", "Xor")},
    **{name: few(name, ("int32", "int64", "uint8")) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    "BitwiseNot": unary("BitwiseNot", dtypes=("int32", "int64", "uint8"))[3:],
    "Not": [case("Not", x(B, 3, 4, 5, dtype="bool")), case("Not", x(B, 5, dtype="bool")), case("Not", x(dtype="bool"))],
    "Abs": [*unary("Abs", dtypes=(*FLOATS, *INTS)), case("Abs", x(B, 4, draw="special"))],
    "Neg": unary("Neg", dtypes=(*FLOATS, *INTS)),
    "Sign": [*unary("Sign", "small", dtypes=(*FLOATS, *INTS))],
    "Ceil": unary("Ceil", "halves"),
    "Floor": unary("Floor", "halves"),
    "Round": [*unary("Round", "halves"), *unary("Round", "large")],
    "Reciprocal": unary("Reciprocal", "nonzero"),
    "Sqrt": [*unary("Sqrt", "positive"), case("Sqrt", x(B, 5))],
    "Exp": unary("Exp"),
    "Log": [*unary("Log", "positive"), case("Log", x(B, 5))],
    "Erf": unary("Erf"),
    "Identity": [*unary("Identity"), case("Identity", x(B, 3, dtype="bool")), case("Identity", x(B, 3, dtype="int64"))],
    **{name: unary(name) for name in ("Cos", "Sin", "Sinh", "Cosh", "Asinh", "Atan")},
    **{name: unary(name, "unit") for name in ("Tan", "Acos", "Asin", "Atanh")},
    "Acosh": unary("Acosh", "above_one"),
    "IsNaN": unary("IsNaN", "special"),
    "IsInf": [
        *unary("IsInf", "special", ("float64",)),
        *(case("IsInf", x(B, 3, 4, draw="special"), detect_negative=n, detect_positive=p) for n in (0, 1) for p in (0, 1)),
    ],
    "Cast": [
        *(case("Cast", x(B, 3, 4, 5, dtype=a, draw="large" if a[0] == "f" else "normal"), to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(b)))
          for a in ("float32", "float64", "int32", "int64", "bool", "uint8", "float16")
          for b in ("float32", "float64", "int32", "int64", "bool", "uint8", "float16")
          if a != b and not (a[0] == "f" and b == "uint8")),
        case("Cast", x(B, 4, draw="halves"), to=onnx.TensorProto.INT64), case("Cast", x(B, 4, draw="positive"), to=onnx.TensorProto.UINT8),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
