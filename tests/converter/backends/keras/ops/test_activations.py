"""Activations through the whole converter, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from tests.op_cases import Case, c, case, w, x
from tests.op_checks import check, parameters

BATCH = "batch"


def simple(op_type: str, **attributes: float) -> list[Case]:
    """An activation of one input: several ranks, wide values, and the other float types."""
    return [
        case(op_type, x(BATCH, 5), **attributes),
        case(op_type, x(BATCH, 3, 4, 5, draw="large"), **attributes),
        case(op_type, x(BATCH, 3, 4), **attributes),
        case(op_type, x(BATCH, 3, 4, 2, 2), **attributes),
        case(op_type, x(BATCH, 3, 4, dtype="float16"), **attributes),
        case(op_type, x(BATCH, 3, 4, dtype="float64"), **attributes),
    ]


CASES = {
    "Relu": [*simple("Relu"), case("Relu", x(BATCH, 3, 4, dtype="int32")), case("Relu", x(BATCH, 4, dtype="int64"))],
    "LeakyRelu": [*simple("LeakyRelu"), *simple("LeakyRelu", alpha=0.3), *simple("LeakyRelu", alpha=-0.5)],
    "Elu": [*simple("Elu"), *simple("Elu", alpha=0.7)],
    "Celu": [*simple("Celu")[:4], *simple("Celu", alpha=0.4)[:4]],
    "Gelu": [*simple("Gelu"), *simple("Gelu", approximate="tanh"), *simple("Gelu", approximate="none")],
    "HardSigmoid": [
        *simple("HardSigmoid"), *simple("HardSigmoid", alpha=1 / 6), *simple("HardSigmoid", alpha=0.3, beta=0.1),
    ],
    "HardSwish": simple("HardSwish"),
    "keraport::Silu": [case("Swish", x(BATCH, 3, 4, 5), _opset=24), case("Swish", x(BATCH, 5), alpha=0.5, _opset=24)],
    "Mish": simple("Mish")[:4],
    "Selu": [*simple("Selu"), *simple("Selu", alpha=1.2, gamma=0.9)],
    "Sigmoid": simple("Sigmoid"),
    "Softplus": simple("Softplus"),
    "Softsign": simple("Softsign"),
    "Tanh": simple("Tanh"),
    "ThresholdedRelu": [*simple("ThresholdedRelu")[:4], *simple("ThresholdedRelu", alpha=0.2)[:4]],
    "Shrink": [*simple("Shrink"), *simple("Shrink", lambd=0.3, bias=0.1), *simple("Shrink", lambd=0.0, bias=-0.5)],
    "Softmax": [
        *(case("Softmax", x(BATCH, 3, 4, 5), axis=axis) for axis in (-4, -3, -2, -1, 1, 2, 3)),
        *(case("Softmax", x(BATCH, 3, 4), axis=axis) for axis in (-1, 1, 2)),
        case("Softmax", x(BATCH, 6)), case("Softmax", x(BATCH, 3, 4, 2, 2), axis=1),
        case("Softmax", x(BATCH, 3, 4, dtype="float16")), case("Softmax", x(BATCH, 3, 4, dtype="float64"), axis=1),
        case("Softmax", x(BATCH, 3, 4, 5, draw="large"), axis=1), case("Softmax", x(BATCH, 1, 4), axis=1),
        *(case("Softmax", x(BATCH, 3, 4, 5), axis=axis, _opset=11) for axis in (1, 2, 3)),
        case("Softmax", x(2, 3, 4), axis=0, _opset=11), case("Softmax", x(2, 3, 4), axis=0),
    ],
    "LogSoftmax": [
        *(case("LogSoftmax", x(BATCH, 3, 4, 5), axis=axis) for axis in (-3, -1, 1, 2)), case("LogSoftmax", x(BATCH, 6)),
        case("LogSoftmax", x(BATCH, 3, 4, 5), axis=1, _opset=11), case("LogSoftmax", x(BATCH, 6, draw="large")),
    ],
    "Hardmax": [
        *(case("Hardmax", x(BATCH, 3, 4, 5, draw="small"), axis=axis) for axis in (-3, -1, 1, 2)),
        case("Hardmax", x(BATCH, 6, draw="small")), case("Hardmax", x(BATCH, 3, 4), axis=1, _opset=11),
    ],
    "Clip": [
        *(case("Clip", x(BATCH, 3, 4, 5), c(low, "float32"), c(high, "float32"))
          for low, high in ((0, 6), (-1, 1), (0.5, 0.5), (1, -1), (0, -1), (-np.inf, 0.5), (0, np.inf), (2, 0))),
        case("Clip", x(BATCH, 3), c(0, "float32")), case("Clip", x(BATCH, 3), None, c(0.25, "float32")),
        case("Clip", x(BATCH, 3, 4)), case("Clip", x(BATCH, 3, 4), c(-0.5, "float32")),
        case("Clip", x(BATCH, 3, 4, dtype="int32"), c(-2, "int32"), c(3, "int32")),
        case("Clip", x(BATCH, 3, 4, dtype="int64"), c(2, "int64"), c(-3, "int64")),
        case("Clip", x(BATCH, 3, 4, dtype="uint8"), c(2, "uint8"), c(5, "uint8")),
        case("Clip", x(BATCH, 3, 4, dtype="float16"), c(0, "float16"), c(1.5, "float16")),
        case("Clip", x(BATCH, 3, 4, dtype="float64"), c(-1, "float64"), c(1.5, "float64")),
        case("Clip", x(BATCH, 3, 4, 4), x(draw="unit"), c(1, "float32")),
        case("Clip", x(BATCH, 3, 4, 4), c(-0.3, "float32"), x(draw="positive")),
        case("Clip", x(BATCH, 3, 4, 5), min=-1.0, max=0.5, _opset=9), case("Clip", x(BATCH, 4), max=0.5, _opset=9),
    ],
    "PRelu": [
        case("PRelu", x(BATCH, 3, 4, 5), w(3, 1, 1)), case("PRelu", x(BATCH, 3, 4, 5), w(1, 3, 1, 1)),
        case("PRelu", x(BATCH, 3, 4, 5), w(1)), case("PRelu", x(BATCH, 3, 4, 5), w(1, 1, 1)),
        case("PRelu", x(BATCH, 3, 4, 5), w()), case("PRelu", x(BATCH, 3, 4, 5), w(3, 4, 5)),
        case("PRelu", x(BATCH, 3, 4, 5), w(5)), case("PRelu", x(BATCH, 3, 4, 5), w(4, 1)),
        case("PRelu", x(BATCH, 3, 4, 5), w(3, 1, 5)), case("PRelu", x(BATCH, 3, 4), w(3, 1)),
        case("PRelu", x(BATCH, 6), w(6)), case("PRelu", x(BATCH, 6), w(1)), case("PRelu", x(BATCH, 3, 4, 2, 2), w(3, 1, 1, 1)),
        case("PRelu", x(2, 3, 4), w(2, 3, 4)), case("PRelu", x(2, 3, 4), w(2, 1, 1)),
        case("PRelu", x(BATCH, 3, 4, 5), x(3, 1, 1)), case("PRelu", x(BATCH, 3, 4, 5), x(BATCH, 3, 1, 1)),
        case("PRelu", x(BATCH, 3, 4, 5, dtype="float16"), w(3, 1, 1, dtype="float16")),
        case("PRelu", x(BATCH, 3, 4, 5, dtype="float64"), w(3, 1, 1, dtype="float64")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
