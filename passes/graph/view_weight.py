"""Views of weights for passes that permute them: a constant seen through transposes and reshapes, made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from passes.graph.view_steps import Step, WeightView, shape_after
from passes.graph.weight_views import WEIGHT_KEY, Look, extend, provenance, recorded_sources, recorded_view


class WeightViews:
    """The views that one pass has made: the same look at the same constant is one initializer.

    Args:
        fresh: a name that no value of the graph has, like the one that is wanted. A name tells nothing: a file may have
            an initializer of any name.
    """

    def __init__(self, fresh: Callable[[str], str]) -> None:
        self._fresh = fresh
        self._made: dict[tuple[ir.Value, WeightView], ir.Value] = {}

    def view(self, graph: ir.Graph, value: ir.Value, steps: Sequence[Step]) -> ir.Value:
        """A transposed and reshaped constant as an initializer of its own; the numbers are made when asked for.

        Args:
            steps: ("transpose", permutation) and ("reshape", shape), applied in order.
        """
        tensor = value.const_value
        if tensor is None:
            raise ValueError(f"Only constants have views of this kind. Received: {value.name!r}")
        view: WeightView = ()
        start = shape = tuple(int(size) for size in tensor.shape.numpy())
        for step in steps:
            step = _cheapest(step, shape)
            view = extend(view, step, shape)
            shape = shape_after(shape, step)
        if not view or (len(view) == 1 and view[0] == ("reshape", start)):
            return value
        if (value, view) not in self._made:
            self._made[value, view] = made = _made(value, view, shape, self._fresh(f"{value.name}_view"))
            graph.register_initializer(made)
        return self._made[value, view]


def _made(value: ir.Value, view: WeightView, shape: Sequence[int], name: str) -> ir.Value:
    tensor = value.const_value
    assert tensor is not None
    look = Look(tensor, view, shape)
    result = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(tensor.dtype), const_value=look)
    source = recorded_view(value)
    if source is not None:
        earlier = source[1]
        joined = earlier if isinstance(earlier, str) else (*earlier, *view)
        result.metadata_props[WEIGHT_KEY] = provenance(
            source[0], joined, recorded_sources(value)[1:] and recorded_sources(value)
        )
    return result


def _cheapest(step: Step, shape: tuple[int, ...]) -> Step:
    """A transpose that moves only axes of size 1 is a reshape."""
    kind, numbers = step
    numbers = tuple(numbers)
    if kind == "transpose":
        moved = [axis for axis in numbers if shape[axis] != 1]
        if moved == sorted(moved):
            return "reshape", tuple(shape[axis] for axis in numbers)
    return kind, numbers
