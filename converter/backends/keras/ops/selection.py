"""Results whose size the numbers decide: TensorFlow and PyTorch compute them, JAX does not compile them."""

from __future__ import annotations

from typing import Any

from keras import ops

from converter.backends.keras.build.operands import operands
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput
from keraport.layers.non_max_suppression import NUMBERS, NonMaxSuppression
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
    numbers = dict(zip(NUMBERS, (most, iou_threshold, score_threshold), strict=True))
    live = {key: value for key, value in numbers.items() if value is not None and not isinstance(value, ConstantInput)}
    constant = {key: value.numpy().item() for key, value in numbers.items() if isinstance(value, ConstantInput)}
    layer = NonMaxSuppression(
        **constant, center_point_box=bool(center_point_box), given=tuple(live), name=name, dtype=scores.dtype
    )
    return layer([boxes, scores, *live.values()])
