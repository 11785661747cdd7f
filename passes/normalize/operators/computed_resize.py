"""Resize by scales, or to sizes, that are computed when the model runs: gathers along one axis after the other.

Given    y = Resize<mode=linear>(x, scales=s)                                       s an input of the graph
Result   p = (0, 1, …, ⌊size · s⌋ - 1) as a place in x, along each axis that is resized
         y = Gather(x, ⌊p⌋) · (1 - (p - ⌊p⌋)) + Gather(x, ⌊p⌋ + 1) · (p - ⌊p⌋)

Places are computed in 32 bits, as onnxruntime has them: one that rounds to the other side of a pixel takes another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.computed_places import Interpolation, ResizedAxis, places_along
from passes.normalize.operators.computed_slices import has_sizes_of_its_own
from passes.normalize.operators.rewrite_each import RewriteEach
from passes.normalize.opset_adapters import NEAREST_KEY

FLOAT, INT64 = ir.DataType.FLOAT, ir.DataType.INT64
FLOATS = (FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)


class NormalizeComputedResize(RewriteEach):
    """Write Resize so where its scales are computed, or sizes that no tensor has.

    Raises:
        Unsupported: with antialias, or of whole numbers that are weighed.
    """

    def wanted(self, node: ir.Node) -> bool:
        if node.domain != "" or node.op_type != "Resize" or node.inputs[0] is None or node.inputs[0].shape is None:
            return False
        if node.outputs[0].shape is None or _computed(node, 2) or not _computed(node, 3):
            return _computed(node, 2) and node.outputs[0].shape is not None
        is_plain = node.attributes.get_string("keep_aspect_ratio_policy", "stretch") == "stretch"
        return not is_plain or _is_crop(node) or has_sizes_of_its_own(node)

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _check(node)
        _Resize(node, Builder(node, names)).write()


def _computed(node: ir.Node, place: int) -> bool:
    value = node.inputs[place] if len(node.inputs) > place else None
    return value is not None and value.const_value is None


def _is_crop(node: ir.Node) -> bool:
    return node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"


def _check(node: ir.Node) -> None:
    x, why = first_input(node), ""
    mode = node.attributes.get_string("mode", "nearest")
    if node.attributes.get_int("antialias", 0):
        why = "Resize with antialias to a size that is computed when the model runs is not converted."
    elif mode != "nearest" and x.dtype not in FLOATS:
        why = "Resize of whole numbers by scales that are computed, but for the nearest, is not converted."
    elif _is_crop(node):
        sizes = list(zip(sizes_of(x), sizes_of(node.outputs[0]), strict=True))
        # onnxruntime copies the whole where no size changes, whatever part was asked for
        if len(node.inputs) < 4 or not all(isinstance(a, int) and isinstance(b, int) for a, b in sizes):
            why = "Resize of a part by scales, or to sizes, that are computed when the model runs is not converted."
        elif all(a == b for a, b in sizes):
            why = "Resize of a part to the size of the whole is not converted: onnxruntime copies the whole."
    if why:
        raise Unsupported(why, node=describe(node), hint="Give the scales or sizes with --constant NAME=VALUE.")


@dataclass
class _Resize:
    """One node that is written anew."""

    node: ir.Node
    at: Builder

    def write(self) -> None:
        node, at = self.node, self.at
        x = first_input(node)
        sizes, wanted = sizes_of(x), sizes_of(node.outputs[0])
        told = node.attributes.get_ints("axes", None) or range(len(sizes))
        axes = [axis % len(sizes) for axis in told]
        way, y, inside = Interpolation.of(node), x, list[ir.Value]()
        node.metadata_props.pop(NEAREST_KEY, None)  # said by `way` from here on
        for place, axis in enumerate(axes):
            if sizes[axis] == wanted[axis] and (self._is_outer(axis, axes) or not isinstance(sizes[axis], int)):
                continue
            described = self._axis(x, place, axes, wanted[axis])
            positions = places_along(at, described, way)
            y = self._taken(y, axis, positions, way, described)
            if _is_crop(node):
                inside.append(self._inside(positions, described, axis, len(sizes)))
        if inside:
            y = self._extrapolated(y, inside)
        at.replace(at.node("Identity", [y], wanted, name=node.name) if y is x else y)

    def _is_outer(self, axis: int, axes: list[int]) -> bool:
        """Batch and channels, where all axes are told."""
        return axis < 2 < len(axes)

    def _axis(self, x: ir.Value, place: int, axes: list[int], wanted: Dim | None) -> ResizedAxis:
        """Its size, how many results it has, and the scale between them, each [1]."""
        at, node = self.at, self.node
        length = at.size(x, axes[place])
        size = self._float(length)
        if _computed(node, 2) or not _is_given(node, 3):
            scale = self._number(self._input(2), place)
            count = self._whole(self._of(size, "Mul", scale, "Floor"))
        elif node.attributes.get_string("keep_aspect_ratio_policy", "stretch") == "stretch":
            count = self._number(self._input(3), place)
            scale = at.node("Div", [self._float(count), size], [1])
        else:
            scale = self._common_scale(x, axes)
            half = at.constant(np.array([0.5], np.float32), "half")
            grown = at.node("Add", [at.node("Mul", [scale, size], [1]), half], [1])
            count = self._whole(at.node("Floor", [grown], [1]))
        if isinstance(wanted, int):
            count = at.constant([wanted], "count")
            counted = at.constant(np.arange(wanted, dtype=np.float32), "counted")
        else:
            counted = self._float(at.counted(count, wanted))
        part = None
        if _is_crop(node):
            roi = self._input(1)
            part = (self._number(roi, place), self._number(roi, place + len(axes)))
        return ResizedAxis(counted, wanted, length, size, self._float(count), scale, part)

    def _common_scale(self, x: ir.Value, axes: list[int]) -> ir.Value:
        """The least, or the greatest, of the scales of all axes: proportions are kept."""
        policy = self.node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
        lengths = [self._float(self.at.size(x, axis)) for axis in axes]
        wanted = [self._float(self._number(self._input(3), place)) for place in range(len(axes))]
        scales = [self.at.node("Div", [a, b], [1]) for a, b in zip(wanted, lengths, strict=True)]
        return self.at.node("Min" if policy == "not_larger" else "Max", scales, [1])

    def _taken(
        self, x: ir.Value, axis: int, positions: ir.Value, way: Interpolation, described: ResizedAxis
    ) -> ir.Value:
        at, sizes = self.at, sizes_of(x)
        sizes[axis] = described.wanted
        parts = []
        for place, weight in way.taps(at, positions, described):
            part = at.node("Gather", [x, place], sizes, {"axis": axis}, name=self.node.name)
            if weight is not None:
                shape = at.constant([-1 if a == axis else 1 for a in range(len(sizes))], "shape")
                flat: list[Dim | None] = [described.wanted if a == axis else 1 for a in range(len(sizes))]
                shaped = at.node("Reshape", [weight, shape], flat, {"allowzero": 0})
                if x.dtype not in (None, FLOAT):
                    shaped = at.node("Cast", [shaped], flat, {"to": x.dtype.value, "saturate": 1}, dtype=x.dtype)
                part = at.node("Mul", [part, shaped], sizes)
            parts.append(part)
        total = parts[0]
        for part in parts[1:]:
            total = at.node("Add", [total, part], sizes)
        return total

    def _inside(self, positions: ir.Value, described: ResizedAxis, axis: int, rank: int) -> ir.Value:
        at, wanted = self.at, [described.wanted]
        zero, one = (at.constant(np.array([number], np.float32), "bound") for number in (0, 1))
        last = at.node("Sub", [described.size, one], [1])
        not_before = at.node("GreaterOrEqual", [positions, zero], wanted, dtype=ir.DataType.BOOL)
        not_behind = at.node("LessOrEqual", [positions, last], wanted, dtype=ir.DataType.BOOL)
        both = at.node("And", [not_before, not_behind], wanted)
        shape = at.constant([-1 if a == axis else 1 for a in range(rank)], "shape")
        flat: list[Dim | None] = [described.wanted if a == axis else 1 for a in range(rank)]
        return at.node("Reshape", [both, shape], flat, {"allowzero": 0})

    def _extrapolated(self, y: ir.Value, inside: list[ir.Value]) -> ir.Value:
        """What lies outside of the image is this value."""
        at, everywhere = self.at, inside[0]
        for other in inside[1:]:
            sizes = [a if b == 1 else b for a, b in zip(sizes_of(everywhere), sizes_of(other), strict=True)]
            everywhere = at.node("And", [everywhere, other], sizes)
        value = self.node.attributes.get_float("extrapolation_value", 0.0)
        fill = at.constant(np.array(value, (y.dtype or FLOAT).numpy()), "outside")
        return at.node("Where", [everywhere, y, fill], sizes_of(y), dtype=y.dtype)

    def _input(self, place: int) -> ir.Value:
        value = self.node.inputs[place]
        assert value is not None
        return value

    def _number(self, line: ir.Value, place: int) -> ir.Value:
        return self.at.node("Gather", [line, self.at.constant([place], "place")], [1], {"axis": 0})

    def _float(self, value: ir.Value) -> ir.Value:
        return self.at.node("Cast", [value], sizes_of(value), {"to": FLOAT.value, "saturate": 1}, dtype=FLOAT)

    def _whole(self, value: ir.Value) -> ir.Value:
        return self.at.node("Cast", [value], sizes_of(value), {"to": INT64.value, "saturate": 1}, dtype=INT64)

    def _of(self, one: ir.Value, operator: str, other: ir.Value, then: str) -> ir.Value:
        return self.at.node(then, [self.at.node(operator, [one, other], [1])], [1])


def _is_given(node: ir.Node, place: int) -> bool:
    return len(node.inputs) > place and node.inputs[place] is not None
