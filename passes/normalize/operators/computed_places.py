"""Which places of an axis the results of a Resize take, and how much of each, as operators on live numbers.

The arithmetic is that of converter/backends/keras/build/interpolation.py, which has it for sizes that are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, sizes_of
from passes.normalize.opset_adapters import NEAREST_KEY

BY_SCALE = "by_scale"
"""The pixel below where an axis grows, and the one above where it shrinks, as at opset 10."""

FLOAT, INT64, BOOL = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.BOOL


@dataclass(frozen=True)
class ResizedAxis:
    """One that is resized.

    Attributes:
        counted: 0, 1, … of its results, in float32.
        wanted: how many they are, as a dimension.
        length: the size of the input, as a whole number [1].
        size: the same in float32.
        count: how many results it has, in float32 [1].
        scale: of the output to the input, in float32 [1].
        part: where the part of the axis that is looked at starts and ends, from 0 to 1.
    """

    counted: ir.Value
    wanted: Dim | None
    length: ir.Value
    size: ir.Value
    count: ir.Value
    scale: ir.Value
    part: tuple[ir.Value, ir.Value] | None


def places_along(at: Builder, axis: ResizedAxis, way: Interpolation) -> ir.Value:
    """Where each result lies in the input, in float32."""
    on = _Arithmetic(at, axis.wanted)
    one, half = on.number(1), on.number(0.5)
    last, last_result = on("Sub", axis.size, one), on("Sub", axis.count, one)
    if axis.part is not None:
        start, end = axis.part
        far = on("Max", last_result, one)  # one result alone is in the middle
        step = on("Div", on("Mul", on("Sub", end, start), last), far)
        along = on("Add", on("Mul", start, last), on("Mul", axis.counted, step, axis.wanted), axis.wanted)
        middle = on("Mul", on("Mul", half, on("Add", start, end)), last)
        is_one = at.node("LessOrEqual", [axis.count, one], [1], dtype=BOOL)
        return at.node("Where", [is_one, middle, along], [axis.wanted], dtype=FLOAT)
    if way.coordinates == "asymmetric":
        return on("Div", axis.counted, axis.scale, axis.wanted)
    if way.coordinates == "align_corners":
        return on("Div", on("Mul", axis.counted, last, axis.wanted), on("Max", last_result, one), axis.wanted)
    places = on("Div", on("Add", axis.counted, half, axis.wanted), axis.scale, axis.wanted)
    if way.coordinates == "half_pixel_symmetric":
        share = on("Div", axis.count, on("Mul", axis.scale, axis.size))
        shift = on("Mul", on("Mul", axis.size, half), on("Sub", one, share))
        return on("Sub", on("Add", shift, places, axis.wanted), half, axis.wanted)
    places = on("Sub", places, half, axis.wanted)
    if way.coordinates == "pytorch_half_pixel":
        return on("Mul", places, on("Min", last_result, one), axis.wanted)  # 0 if there is one only
    return places


@dataclass(frozen=True)
class Interpolation:
    """How to interpolate: the attributes of ONNX's Resize that are not sizes."""

    mode: str
    coordinates: str
    rounding: str
    cubic: float
    exclude_outside: bool

    @classmethod
    def of(cls, node: ir.Node) -> Interpolation:
        told = node.attributes
        rounding = told.get_string("nearest_mode", "round_prefer_floor") or ""
        return cls(
            told.get_string("mode", "nearest") or "",
            told.get_string("coordinate_transformation_mode", "half_pixel") or "",
            BY_SCALE if NEAREST_KEY in node.metadata_props else rounding,
            told.get_float("cubic_coeff_a", -0.75) or 0.0,
            bool(told.get_int("exclude_outside", 0)) and told.get_string("mode", "nearest") == "cubic",
        )

    def taps(self, at: Builder, places: ir.Value, axis: ResizedAxis) -> list[tuple[ir.Value, ir.Value | None]]:
        """(index, weight) of what each result takes; no weight for the nearest."""
        on = _Arithmetic(at, axis.wanted)
        if self.mode == "nearest":
            return [(on.index(self._rounded(on, places, axis), axis), None)]
        below = on.alone("Floor", places)
        t = on("Sub", places, below, axis.wanted)
        shifts = (0, 1) if self.mode == "linear" else (-1, 0, 1, 2)
        neighbours = [on.plus(below, shift) for shift in shifts]
        weights = [on.less_from(1, t), t] if self.mode == "linear" else self._keys(on, t)
        if self.exclude_outside:
            weights = _of_inside(on, neighbours, weights, axis)
        return [(on.index(place, axis), weight) for place, weight in zip(neighbours, weights, strict=True)]

    def _rounded(self, on: _Arithmetic, places: ir.Value, axis: ResizedAxis) -> ir.Value:
        if self.rounding == BY_SCALE:
            shrinks = on.at.node("Less", [axis.scale, on.number(1)], [1], dtype=BOOL)
            ways = [on.alone(operator, places) for operator in ("Ceil", "Floor")]
            return on.at.node("Where", [shrinks, *ways], [axis.wanted], dtype=FLOAT)
        if self.rounding in ("floor", "ceil"):
            return on.alone(self.rounding.capitalize(), places)
        if self.rounding == "round_prefer_floor":
            return on.alone("Ceil", on.plus(places, -0.5))
        return on.alone("Floor", on.plus(places, 0.5))

    def _keys(self, on: _Arithmetic, t: ir.Value) -> list[ir.Value]:
        """Keys' kernel at the distances 1 + t, t, 1 - t, 2 - t."""
        a, back = self.cubic, on.less_from(1, t)
        near, far = (a + 2, -(a + 3), 0, 1), (a, -5 * a, 8 * a, -4 * a)
        return [
            on.polynomial(on.plus(t, 1), far),
            on.polynomial(t, near),
            on.polynomial(back, near),
            on.polynomial(on.plus(back, 1), far),
        ]


def _of_inside(on: _Arithmetic, places: list[ir.Value], weights: list[ir.Value], axis: ResizedAxis) -> list[ir.Value]:
    """The weights of places outside of the axis are 0, and those of the others again 1 in all."""
    at, zero = on.at, on.number(0)
    last = on("Sub", axis.size, on.number(1))
    kept = []
    for place, weight in zip(places, weights, strict=True):
        not_before = at.node("GreaterOrEqual", [place, zero], [axis.wanted], dtype=BOOL)
        not_behind = at.node("LessOrEqual", [place, last], [axis.wanted], dtype=BOOL)
        both = at.node("And", [not_before, not_behind], [axis.wanted])
        kept.append(at.node("Where", [both, weight, zero], [axis.wanted], dtype=FLOAT))
    total = kept[0]
    for weight in kept[1:]:
        total = on("Add", total, weight, axis.wanted)
    return [on("Div", weight, total, axis.wanted) for weight in kept]


@dataclass(frozen=True)
class _Arithmetic:
    """On rows of float32."""

    at: Builder
    wanted: Dim | None

    def __call__(self, operator: str, one: ir.Value, other: ir.Value, size: Dim | None = 1) -> ir.Value:
        return self.at.node(operator, [one, other], [size])

    def number(self, value: float) -> ir.Value:
        return self.at.constant(np.array([value], np.float32), "number")

    def alone(self, operator: str, value: ir.Value) -> ir.Value:
        return self.at.node(operator, [value], sizes_of(value))

    def plus(self, value: ir.Value, number: float) -> ir.Value:
        return self("Add", value, self.number(number), self.wanted) if number else value

    def less_from(self, number: float, value: ir.Value) -> ir.Value:
        return self("Sub", self.number(number), value, self.wanted)

    def polynomial(self, x: ir.Value, coefficients: tuple[float, ...]) -> ir.Value:
        """The highest power first."""
        result = self.number(coefficients[0])
        for coefficient in coefficients[1:]:
            result = self("Mul", result, x, self.wanted)
            result = self.plus(result, coefficient)
        return result

    def index(self, places: ir.Value, axis: ResizedAxis) -> ir.Value:
        """As indices of the axis, those outside at its borders."""
        last = self("Sub", axis.size, self.number(1))
        within = self("Min", self("Max", places, self.number(0), self.wanted), last, self.wanted)
        return self.at.node("Cast", [within], [self.wanted], {"to": INT64.value, "saturate": 1}, dtype=INT64)
