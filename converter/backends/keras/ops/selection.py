"""Results whose size the numbers decide: TensorFlow and PyTorch compute them, JAX does not compile them."""

from __future__ import annotations

from typing import Any

from keras import ops

from converter.backends.keras.build.operands import operands
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import Weight
from keraport.layers import NonMaxSuppression
from passes.errors import Unsupported


@op("NonZero")
def non_zero(x: Any, *, name: str) -> Any:
    """[rank, n]: the places of the numbers that are not 0, in rising order."""
    return ops.cast(ops.stack(ops.nonzero(x)), "int64")


@op("Compress")
def compress(x: Any, condition: Any, *, axis: int | None = None, name: str) -> Any:
    """What stands where the condition is true, along an axis or of all numbers in a row."""
    x, condition = operands(x, condition, name=name)
    (places,) = ops.nonzero(condition)
    return ops.take(ops.reshape(x, (-1,)) if axis is None else x, places, axis=axis or 0)


@op("Unique")
def unique(x: Any, *, axis: int | None = None, sorted: int = 1, name: str) -> Any:
    """The numbers that occur, where each is first, which of them stands at each place, and how often each occurs.

    In rising order, or in that of their first places.
    """
    if axis is not None and len(x.shape) != 1:
        raise Unsupported("Unique along an axis is converted for vectors only: Keras sorts numbers, not rows.")
    flat = ops.reshape(x, (-1,))
    place = ops.cumsum(ops.ones_like(flat, dtype="int32")) - 1
    order = ops.argsort(flat)  # of equal numbers the first comes first
    values = ops.take(flat, order)
    is_first = ops.logical_or(ops.equal(place, 0), ops.not_equal(values, ops.roll(values, 1)))
    (starts,) = ops.nonzero(is_first)
    ends = ops.concatenate([starts[1:,], ops.cast(place[-1:,] + 1, starts.dtype)])
    found, first, counts = ops.take(values, starts), ops.take(order, starts), ends - starts
    inverse = ops.take(ops.cumsum(ops.cast(is_first, "int32")) - 1, ops.argsort(order))
    if not sorted:
        turn = ops.argsort(first)
        found, first, counts = (ops.take(y, turn) for y in (found, first, counts))
        inverse = ops.take(ops.argsort(turn), inverse)
    return found, *(ops.cast(y, "int64") for y in (first, inverse, counts))


@op("NonMaxSuppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    most: Any = None,
    iou_threshold: Any = None,
    score_threshold: Any = None,
    *,
    center_point_box: int = 0,
    name: str,
) -> Any:
    """A layer of keraport.layers: the best boxes one after the other, in a loop that ends when none is left."""
    boxes, scores = operands(boxes, scores, name=name)
    layer = NonMaxSuppression(
        max_output_boxes_per_class=int(_number(most, 0)),
        iou_threshold=_number(iou_threshold, 0.0),
        score_threshold=None if score_threshold is None else _number(score_threshold, 0.0),
        center_point_box=bool(center_point_box),
        name=name,
        dtype=scores.dtype,
    )
    return layer([boxes, scores])


def _number(value: Any, default: float) -> float:
    if value is None:
        return default
    if not isinstance(value, Weight):
        raise Unsupported(
            "A threshold or number of boxes that the graph computes is not converted.",
            hint="Where it is an input of the file, --constant NAME=VALUE fixes it.",
        )
    return float(value.numpy().reshape(()))
