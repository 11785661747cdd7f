"""Axes and parts that a graph computes: refused by name, never taken for something else."""

from __future__ import annotations

import pytest

from passes.errors import Unsupported
from tests.harness import check_onnx


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("g (float[b, 3] x, int64[k] a) => (float[b, 3] y) { y = ReduceSum(x, a) }", "axes of a reduction",
                     id="how-many-axes"),
        pytest.param("g (float[b, 4] x, int64[2] s) => (float[b, p] y, float[b, q] z) { y, z = Split<axis=1>(x, s) }",
                     "known only at run time", id="split-sizes"),
        pytest.param("g (float[b, 3] x) => (float[p, 3] y, float[q, 3] z) { y, z = Split<axis=0, num_outputs=2>(x) }",
                     "known only at run time", id="split-batch"),
    ],
)  # fmt: skip
def test_what_is_known_only_at_run_time_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason) as caught:
        check_onnx(text)
    assert caught.value.node


@pytest.mark.parametrize("value", ["float[1] {0.5}", "int64[1] {-7}", "bool[1] {1}", ""])
def test_numbers_of_a_computed_shape(value: str) -> None:
    dtype = value.partition("[")[0] or "float"
    attribute = f"<value = {value}>" if value else ""
    check_onnx(f"""
        g (float[b, 3, 5] x) => ({dtype}[b, 2, 5] y) <int64[2] rest = {{2, 5}}>
        {{ s = Shape<start=0, end=1>(x)  t = Concat<axis=0>(s, rest)  y = ConstantOfShape{attribute}(t) }}
    """)


def test_a_constant_integer_to_the_power_of_floats_stays_an_integer() -> None:
    check_onnx("""
        g (float[b, 3] x) => (int64[b, 3] y) <int64 c = {2}> { e = Relu(x) f = Round(e) y = Pow(c, f) }
    """)
