"""Normalisations through the whole converter, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import converter
from converter.proof.compare import compare
from tests.harness import run_keras
from tests.op_cases import Case, case, w, x
from tests.op_checks import check, parameters

B = "batch"
SIZES = {"batch": (2,), "h": (3, 5), "w": (4,)}


def batch_norm(*shape: int | str, dtype: str = "float32", **attributes: Any) -> Case:
    parameters = [w(int(shape[1]), dtype=dtype, draw=draw) for draw in ("normal", "nonzero", "unit", "positive")]
    return case("BatchNormalization", x(*shape, dtype=dtype), *parameters, **attributes)


def instance_norm(*shape: int | str, **attributes: float) -> Case:
    return case("InstanceNormalization", x(*shape), w(int(shape[1])), w(int(shape[1]), draw="nonzero"), **attributes)


def group_norm(groups: int, *shape: int | str, per: str = "channel", **attributes: float) -> Case:
    size = groups if per == "group" else int(shape[1])
    opset = 18 if per == "group" else 23
    return case(
        "GroupNormalization", x(*shape), w(size), w(size, draw="nonzero"), num_groups=groups, _opset=opset, **attributes
    )


CASES = {
    "nhwc::BatchNormalization": [
        batch_norm(B, 3, 4, 5), batch_norm(B, 3, 4, 5, epsilon=1e-3), batch_norm(B, 3, 4, 5, epsilon=0.1, momentum=0.7), batch_norm(B, 3, 4),
        batch_norm(B, 6), batch_norm(B, 3, 2, 2, 3), batch_norm(B, 3, 4, 4, dtype="float16"), batch_norm(B, 3, 4, 5, dtype="float64"),
        batch_norm(B, 3, "h", "w", _sizes=SIZES), case("BatchNormalization", x(B, 3, 4, 5), w(3), w(3), w(3), w(3, draw="positive"), _opset=9),
        case("BatchNormalization", x(B, 3, 4, 5), x(3), x(3), x(3), x(3, draw="positive"), epsilon=1e-3), case("BatchNormalization", x(B, 3, 6), x(3), w(3), w(3), w(3, draw="positive")),
    ],
    "nhwc::InstanceNormalization": [
        instance_norm(B, 3, 4, 5), instance_norm(B, 3, 4, 5, epsilon=1e-3), instance_norm(B, 3, 7), instance_norm(B, 3, 2, 3, 2), instance_norm(B, 1, 4, 5),
        case("InstanceNormalization", x(B, 3, 4, 5), x(3), x(3)), case("InstanceNormalization", x(B, 3, 7), w(3), x(3)),
    ],
    "nhwc::GroupNormalization": [
        *(group_norm(groups, B, 6, 4, 5) for groups in (1, 2, 3, 6)), group_norm(2, B, 6, 4, 5, epsilon=1e-2), group_norm(3, B, 6, 7), group_norm(2, B, 4, 2, 3, 2),
        *(group_norm(groups, B, 6, 4, 5, per="group") for groups in (1, 2, 3, 6)), group_norm(2, B, 6), case("GroupNormalization", x(B, 6, 4, 5), x(6), x(6), num_groups=3),
    ],
    "LayerNormalization": [
        *(case("LayerNormalization", x(B, 3, 4, 5), w(*shape), w(*shape), axis=axis)
          for axis, shape in ((-1, (5,)), (3, (5,)), (-2, (4, 5)), (1, (3, 4, 5)), (2, (4, 5)))),
        case("LayerNormalization", x(B, 7, 6), w(6)), case("LayerNormalization", x(B, 7, 6), w(6), w(6), epsilon=1e-2), case("LayerNormalization", x(B, 6), w(6), w(6)),
        case("LayerNormalization", x(B, 7, 6), w(1), w(1)), case("LayerNormalization", x(B, 3, 4, 5), w(4, 1), w(5), axis=2), case("LayerNormalization", x(B, 7, 6), w()),
        case("LayerNormalization", x(B, 7, 6, dtype="float64"), w(6, dtype="float64"), w(6, dtype="float64")),
        case("LayerNormalization", x(B, 7, 6, dtype="float16"), w(6, dtype="float16"), w(6, dtype="float16")), case("LayerNormalization", x(B, "h", 6), w(6), w(6), _sizes=SIZES),
        case("LayerNormalization", x(B, 3, 4, 5, 6), w(4, 5, 6), w(4, 5, 6), axis=2),
        case("LayerNormalization", x(B, 7, 6), x(6), x(6), epsilon=1e-3), case("LayerNormalization", x(B, 3, 4, 5), x(4, 5), axis=2), case("LayerNormalization", x(B, 7, 6), w(6), x(B, 7, 6)),
    ],
    "RMSNormalization": [
        case("RMSNormalization", x(B, 7, 6), x(6)),
        case("RMSNormalization", x(B, 7, 6), w(6)), case("RMSNormalization", x(B, 7, 6), w(6), epsilon=1e-2), case("RMSNormalization", x(B, 3, 4, 5), w(5), axis=3),
        case("RMSNormalization", x(B, 3, 4, 5), w(4, 5), axis=2), case("RMSNormalization", x(B, 7, 6), w(1)), case("RMSNormalization", x(B, 3, 4, 5), w(3, 4, 5), axis=1),
    ],
    "nhwc::LRN": [
        *(case("LRN", x(B, 6, 3, 4), size=size) for size in (1, 3, 5, 13)), case("LRN", x(B, 6, 3, 4), size=3, alpha=0.5, beta=0.3, bias=2.0),
        case("LRN", x(B, 6, 3, 4), size=5, alpha=0.9, beta=0.75, bias=0.5),
    ],
    "LpNormalization": [
        *(case("LpNormalization", x(B, 3, 4, 5), axis=axis, p=p) for axis in (1, 2, -1) for p in (1, 2)), case("LpNormalization", x(B, 6)), case("LpNormalization", x(B, 6, draw="small"), p=1),
        case("LpNormalization", x(B, 6, dtype="float64")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_lrn_over_an_even_number_of_channels(size: int) -> None:
    """onnxruntime refuses it, onnx's evaluator loops over the batch for the channels: the formula of the standard."""
    even = case("LRN", x(B, 6, 3, 4), size=size, alpha=0.9, bias=0.5)
    feeds = even.feeds({"batch": 2}, "plain")
    (array,) = feeds.values()
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    total = np.stack([(array[:, max(0, c - before) : c + after + 1] ** 2).sum(axis=1) for c in range(6)], axis=1)
    expected = array / (0.5 + 0.9 / size * total) ** 0.75
    found = run_keras(converter.convert(ir.from_proto(even.model()), verify=False), feeds)
    assert compare(expected.astype(np.float32), found[0]).passed
