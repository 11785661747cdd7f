"""Products with the matrix of one's own group: mixtures of experts."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints, length, places


def grouped_product(x: Any, weights: Any, ends: Any) -> Any:
    """Rows x [S, K] in groups, the last row of group g being `ends[g] - 1`, by weights [G, K, N]: [S, N].

    Every row by every matrix, of which that of its own group stays: what a row costs must not depend on numbers.
    """
    place = op.Unsqueeze(places(length(x, 0)), ints(0))
    ends = op.Unsqueeze(op.Cast(ends, to=ir.DataType.INT64), ints(1))
    is_before_end = op.Less(place, ends)
    begins = op.Concat(ints(0), op.Slice(op.Squeeze(ends, ints(1)), ints(0), ints(-1)), axis=0)
    is_own = op.And(is_before_end, op.GreaterOrEqual(place, op.Unsqueeze(begins, ints(1))))
    own = op.CastLike(op.Unsqueeze(is_own, ints(2)), x)
    return op.ReduceSum(op.Mul(op.MatMul(op.Unsqueeze(x, ints(0)), weights), own), ints(0), keepdims=0)
