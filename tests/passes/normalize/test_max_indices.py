"""Indices of maxima, and unpooling."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.normalize.operators.max_indices import NormalizeMaxIndices
from passes.shapes.infer import InferShapes
from tests.harness import check_onnx, check_pass, graph, operators

POOLS = {
    "plain": ("float[n,3,8,6]", "kernel_shape=[2,2], strides=[2,2]"),
    "one image": ("float[1,2,5,7]", "kernel_shape=[3,2], strides=[1,2]"),
    "padded": ("float[n,3,7,8]", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,0,1]"),
    "dilated": ("float[n,2,9,9]", "kernel_shape=[2,3], strides=[2,1], dilations=[3,2], pads=[1,2,1,2]"),
    "same": ("float[n,2,7,9]", 'kernel_shape=[3,4], strides=[2,3], auto_pad="SAME_UPPER"'),
    "same lower": ("float[n,2,7,8]", 'kernel_shape=[2,3], strides=[2,2], auto_pad="SAME_LOWER"'),
    "by columns": ("float[n,2,6,8]", "kernel_shape=[2,2], strides=[2,2], storage_order=1"),
    "ceiling": ("float[n,2,7,7]", "kernel_shape=[2,2], strides=[2,2], ceil_mode=1"),
    "sequence": ("float[n,3,9]", "kernel_shape=[3], strides=[2]"),
    "volume": ("float[n,2,4,5,6]", "kernel_shape=[2,2,2], strides=[2,1,2]"),
}


def shaped(text: str) -> ir.Model:
    model: ir.Model = InferShapes()(graph(text)).model
    return model


def shape(of: str) -> str:
    return f"[{','.join('abcde'[: of.count(',') + 1])}]"


@pytest.mark.parametrize("name", POOLS)
def test_indices(name: str) -> None:
    x, attributes = POOLS[name]
    text = f"g ({x} x) => (float{shape(x)} y, int64{shape(x)} i) {{ y, i = MaxPool<{attributes}>(x) }}"
    result = check_pass(NormalizeMaxIndices(), shaped(text), sizes={"n": (1, 3)}, modified=True)
    assert "ArgMax" in operators(result)
    check_onnx(text, sizes={"n": (1, 3)})


def test_indices_alone_are_read() -> None:
    check_onnx("g (float[n,2,6,6] x) => (int64[n,2,3,3] i) { y, i = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }")


@pytest.mark.parametrize(
    ("x", "window"),
    [("float[n,3,6,8]", "kernel_shape=[2,2], strides=[2,2]"), ("float[n,2,9]", "kernel_shape=[3], strides=[3]")],
    ids=["image", "sequence"],
)
def test_there_and_back(x: str, window: str) -> None:
    text = f"""g ({x} x) => (float{shape(x)} y) {{
        p, i = MaxPool<{window}>(x) r = Neg(p) y = MaxUnpool<{window}>(r, i) }}"""
    check_pass(NormalizeMaxIndices(), shaped(text), sizes={"n": (1, 3)}, modified=True)
    check_onnx(text, sizes={"n": (1, 3)})


def test_without_indices_it_stays() -> None:
    check_pass(
        NormalizeMaxIndices(),
        "g (float[n,2,6,6] x) => (float[n,2,5,5] y) { y = MaxPool<kernel_shape=[2,2]>(x) }",
        modified=False,
    )
