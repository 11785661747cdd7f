"""A Loop of few turns is copies of its body."""

from __future__ import annotations

from tests.harness import check_onnx

CAPTURES = """g (float[b,4,6] x) => (float[b,6] h, float[b,4,6] y) <int64 four = {{4}}, bool t = {{1}},
    int64[1] one = {{1}}, float[6,6] w = {{{weights}}}> {{
    rows = Transpose<perm=[1, 0, 2]>(x)  h0 = ReduceMax<keepdims=0>(x, one)
    h, s = Loop(four, t, h0) <body = b (int64 i, bool c, float[b,6] v) => (bool go, float[b,6] n, float[b,6] r) {{
        row = Gather<axis=0>(rows, i)  m = MatMul(v, w)  a = Add(row, m)  n = Tanh(a)
        r = Identity(n)  go = Identity(c) }}>
    y = Transpose<perm=[1, 0, 2]>(s) }}"""


def test_a_body_that_is_written_out_reads_nothing_any_more() -> None:
    """Rows that it took from outside lie the other way round afterwards: nobody reads them where they were."""
    checked = check_onnx(CAPTURES.format(weights=", ".join(str(n % 5 / 10) for n in range(36))))
    assert not any("Transpose" in layer.__class__.__name__ for layer in checked.model.layers)
