"""NonMaxSuppression as the ONNX standard has it, for every backend (JAX: not compiled, since its size is a number)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

NUMBERS = ("max_output_boxes_per_class", "iou_threshold", "score_threshold")
MOST = 2**31 - 1


@keras.saving.register_keras_serializable(package="keraport")
class NonMaxSuppression(keras.layers.Layer):
    """[boxes [B, N, 4], scores [B, C, N]] → [n, 3] int64: batch, class and box of what is kept, best score first.

    A box is kept unless it overlaps one that is kept already, of the same class, by more than `iou_threshold`. Of equal
    scores the lower index comes first. Areas that are not above 0 overlap nothing.

    Args:
        max_output_boxes_per_class: at most as many of each class.
        iou_threshold: intersection over union; what is above it overlaps.
        score_threshold: only boxes with a score above it; None for all.
        given: which of these numbers, by their names and in their order, are further inputs of the layer instead.
        center_point_box: boxes are (x, y, width, height) of their centre, not two corners (y, x, y, x) in any order.
    """

    def __init__(
        self,
        max_output_boxes_per_class: int = 0,
        iou_threshold: float = 0.0,
        score_threshold: float | None = None,
        center_point_box: bool = False,
        given: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        unknown = set(given) - set(NUMBERS)
        if unknown:
            raise ValueError(f"given may have {', '.join(NUMBERS)}. Received: {sorted(unknown)}")
        self.given = tuple(given)
        self.max_output_boxes_per_class = int(max_output_boxes_per_class)
        self.iou_threshold = float(iou_threshold)
        self.score_threshold = None if score_threshold is None else float(score_threshold)
        self.center_point_box = bool(center_point_box)

    def call(self, inputs: Any) -> Any:
        boxes, scores, *numbers = inputs
        told = {name: ops.reshape(number, ()) for name, number in zip(self.given, numbers, strict=True)}
        most, iou, least = (told.get(name, getattr(self, name)) for name in NUMBERS)
        rank = self._ranks(boxes, scores, most, iou, least)
        places = ops.nonzero(rank)
        _, classes, count = ops.shape(scores)
        order = ops.take(ops.reshape(rank, (-1,)), (places[0] * classes + places[1]) * count + places[2])
        row = (places[0] * classes + places[1]) * (count + 1)
        sorted_places = ops.argsort(row + ops.cast(order, row.dtype))
        return ops.cast(ops.take(ops.stack(places, axis=-1), sorted_places, axis=0), "int64")

    def _ranks(self, boxes: Any, scores: Any, most: Any, iou: Any, least: Any) -> Any:
        """[B, C, N] int32: the how-manieth of its class each box is, counted from 1; 0 where it is not kept."""
        corners, areas = self._corners(boxes)
        lowest = ops.full_like(scores, float("-inf"))
        left = scores
        if least is not None:
            left = ops.where(ops.greater(scores, least), scores, lowest)
        most = min(most, MOST) if isinstance(most, int) else ops.cast(ops.minimum(most, MOST), "int32")
        place = ops.cumsum(ops.ones_like(scores, dtype="int32"), axis=-1) - 1

        def goes_on(turn: Any, left: Any, ranks: Any) -> Any:
            return ops.logical_and(ops.less(turn, most), ops.any(ops.greater(left, float("-inf"))))

        def keep_one(turn: Any, left: Any, ranks: Any) -> tuple[Any, Any, Any]:
            best = ops.argmax(left, axis=-1)
            found = ops.expand_dims(ops.max(left, axis=-1) > float("-inf"), -1)
            chosen = ops.equal(place, ops.cast(ops.expand_dims(best, -1), "int32"))
            overlaps = self._overlaps(corners, areas, ops.expand_dims(best, -1), iou)
            ranks = ops.where(ops.logical_and(chosen, found), turn + 1, ranks)
            return turn + 1, ops.where(ops.logical_or(chosen, overlaps), lowest, left), ranks

        start = (ops.convert_to_tensor(0, "int32"), left, ops.zeros_like(scores, dtype="int32"))
        return ops.while_loop(goes_on, keep_one, start)[2]

    def _corners(self, boxes: Any) -> tuple[list[Any], Any]:
        """Least and greatest of both axes, each [B, 1, N], and the areas."""
        a, b, c, d = (ops.expand_dims(boxes[..., i], 1) for i in range(4))
        if self.center_point_box:
            corners = [b - d / 2, a - c / 2, b + d / 2, a + c / 2]
        else:
            corners = [ops.minimum(a, c), ops.minimum(b, d), ops.maximum(a, c), ops.maximum(b, d)]
        return corners, (corners[2] - corners[0]) * (corners[3] - corners[1])

    def _overlaps(self, corners: list[Any], areas: Any, best: Any, iou: Any) -> Any:
        """Whether each box [B, C, N] overlaps the best of its class, whose index is `best` [B, C, 1]."""
        first_low, second_low, first_high, second_high = corners

        def of_best(x: Any) -> Any:  # [B, 1, N] at [B, C, 1]
            return ops.expand_dims(ops.take_along_axis(x[:, 0, :], best[..., 0], axis=1), -1)

        height = ops.minimum(first_high, of_best(first_high)) - ops.maximum(first_low, of_best(first_low))
        width = ops.minimum(second_high, of_best(second_high)) - ops.maximum(second_low, of_best(second_low))
        common = ops.maximum(height, 0) * ops.maximum(width, 0)
        area = of_best(areas)
        union = ops.subtract(area, ops.subtract(common, areas))  # a sum, which Keras (3.15) may take for a bias
        sound = ops.logical_and(ops.logical_and(area > 0, areas > 0), ops.logical_and(union > 0, common > 0))
        ratio = common / ops.where(sound, union, ops.ones_like(union))
        return ops.logical_and(sound, ratio > iou)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((None, 3), dtype="int64")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_output_boxes_per_class": self.max_output_boxes_per_class,
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "center_point_box": self.center_point_box,
            "given": self.given,
        }
