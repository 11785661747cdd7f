"""What the layout pass writes."""

from __future__ import annotations

import converter
from tests.harness import check_onnx, graph

HEADS_TO_BATCH = """g (float[batch,queries,2,4] x) => (float[rows,queries,4] y)
    <int64[1] two = {2}, int64[1] four = {4}> {
    t = Transpose<perm=[0, 2, 1, 3]>(x)
    b = Shape<start=0, end=1>(x)  q = Shape<start=1, end=2>(x)  r = Mul(b, two)
    s = Concat<axis=0>(r, q, four)  v = Reshape(t, s)  y = Relu(v) }"""


def test_a_transpose_of_a_transpose_is_one() -> None:
    """Heads that join an open batch, beside another open size, which comes first, for a reshape to leave alone."""
    check_onnx(HEADS_TO_BATCH, sizes={"batch": (1, 3), "queries": (1, 5)})
    assert converter.convert(graph(HEADS_TO_BATCH), verify=False).report.transposes == 2
