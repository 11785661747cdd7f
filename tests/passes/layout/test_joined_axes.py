"""An open axis joined with the known one behind it, among other open axes: in plain Keras."""

from __future__ import annotations

import pytest

import converter
from tests.harness import check_onnx, graph

SIZES = {"b": (1, 3), "q": (1, 4), "r": (2, 5)}

HEIGHT = "d = Concat<axis=0>(s, m, rr, behind)"
WIDTH = "k = Shape<start=1, end=3>(x) d = Concat<axis=0>(s, k, n, last)"
BOTH = "d = Concat<axis=0>(s, m, n, last)"


def windows(target: str, output: str) -> str:
    return f"""g (float[b,q,7,r,3,4] x) => (float[{output}] y)
    <int64[1] seven = {{7}}, int64[1] three = {{3}}, int64[1] last = {{4}}, int64[2] behind = {{3, 4}}> {{
        s = Shape<start=0, end=1>(x) qq = Shape<start=1, end=2>(x) rr = Shape<start=3, end=4>(x)
        m = Mul(qq, seven) n = Mul(rr, three) {target} a = Neg(x) y = Reshape(a, d)
    }}"""


CASES = [(HEIGHT, "b,m,r,3,4"), (WIDTH, "b,q,7,n,4"), (BOTH, "b,m,n,4")]


@pytest.mark.parametrize(("target", "output"), CASES, ids=["height", "width", "both"])
@pytest.mark.parametrize("layout", ["source", "channels_last"])
def test_equals_onnxruntime(target: str, output: str, layout: str) -> None:
    check_onnx(windows(target, output), sizes=SIZES, layout=layout)


@pytest.mark.parametrize(("target", "output"), CASES, ids=["height", "width", "both"])
def test_they_need_no_layer_of_ours(target: str, output: str) -> None:
    report = converter.convert(graph(windows(target, output)), verify=False, layout="source").report
    assert report.custom_layers == []
