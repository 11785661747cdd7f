"""Pools of a captured program that the exporter would take apart badly, or gets wrong, said in another way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

aten = torch.ops.aten

_ADAPTIVE = {
    aten.adaptive_avg_pool1d.default: [-1],
    aten.adaptive_avg_pool2d.default: [-2, -1],
    aten.adaptive_avg_pool3d.default: [-3, -2, -1],
}
_AVERAGES = (aten.avg_pool2d.default, aten.avg_pool3d.default)


def rewrite_pools(program: torch.export.ExportedProgram) -> None:
    """Write every pool so that the exporter understands it. The program changes in place."""
    for node in list(program.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in _ADAPTIVE:
            _mean(node, _ADAPTIVE[node.target])
        elif node.target in _AVERAGES:
            _without_divisor(program.graph, node)
        elif node.target == aten.max_pool2d_with_indices.default:
            _counted_indices(program.graph, node)
        elif node.target == aten.max_unpool2d.default:
            _scattered(program.graph, node)
    program.graph_module.recompile()


def called(graph: torch.fx.Graph, like: torch.fx.Node, target: Any, *args: Any) -> torch.fx.Node:
    """A new node in the place and the module of another."""
    made = graph.call_function(target, args)
    made.meta = {key: value for key, value in like.meta.items() if key != "val"}
    made.meta["val"] = target(*torch.fx.node.map_arg(args, lambda argument: argument.meta["val"]))
    return made


def _mean(node: torch.fx.Node, axes: list[int]) -> None:
    """An adaptive pool to one pixel, or along an axis that stays as it is, is a mean.

    Given    adaptive_avg_pool2d(x, [1, 1])      which the exporter turns into a mean and, on a channels-last tensor, an
                                                 as_strided: a Gather at computed positions
    Result   mean(x, [-2, -1], keepdim=True)
    """
    arguments: Any = node.args
    x, sizes = arguments[0], [_value(size) for size in arguments[1]]
    lengths = x.meta["val"].shape
    averaged = [axis for axis, size in zip(axes, sizes, strict=True) if size == 1]
    if all(size == 1 or str(size) == str(lengths[axis]) for axis, size in zip(axes, sizes, strict=True)) and averaged:
        node.target = aten.mean.dim
        node.args = (x, averaged, True)


def _value(argument: Any) -> Any:
    return argument.meta["val"] if isinstance(argument, torch.fx.Node) else argument


def _without_divisor(graph: torch.fx.Graph, node: torch.fx.Node) -> None:
    """avg_pool2d(x, 4, 4, divisor_override=7) as avg_pool2d(x, 4, 4) · 16/7: the exporter leaves the divisor out.

    Not where a window may reach beyond the padding, as with `ceil_mode`: it counts fewer there.
    """
    x, kernel, stride, padding, ceil_mode, _, divisor = _arguments(node, (None, None, (), 0, False, True, None))
    if divisor is None or ceil_mode:
        return
    call = partial(called, graph, node)
    with graph.inserting_before(node):
        mean = call(node.target, x, kernel, stride or kernel, padding, False, True)
        result = call(aten.mul.Tensor, mean, math.prod(kernel) / divisor)
    node.replace_all_uses_with(result)
    graph.erase_node(node)


def _counted_indices(graph: torch.fx.Graph, node: torch.fx.Node) -> None:
    """The maxima by the pool alone, and where each lies in its plane.

    Not at open heights and widths, whose places are no constants.
    """
    x, *window, ceil_mode = _arguments(node, (None, None, (), 0, 1, False))
    sizes = [*x.meta["val"].shape[-2:], *node.meta["val"][0].shape[-2:]]
    is_read = any(user.args[1] == 1 and user.users for user in node.users)
    if not is_read or not all(isinstance(size, int) for size in sizes):
        return
    kernel, stride, padding, dilation = (_pair(argument) for argument in window)
    with graph.inserting_before(node):
        values = called(graph, node, aten.max_pool2d.default, x, *window, ceil_mode)
        places = _places(partial(called, graph, node), x, sizes, [kernel, stride or kernel, padding, dilation])
    for user in list(node.users):
        user.replace_all_uses_with(places if user.args[1] == 1 else values)
        graph.erase_node(user)
    graph.erase_node(node)


def _places(call: Callable[..., Any], x: Any, sizes: Sequence[int], window: Sequence[Sequence[int]]) -> Any:
    """[N, C, rows, columns] int64: of the k·m shifted pictures that a window looks at, the first that is greatest."""
    height, width, rows, columns = sizes
    (k, m), (down, across), (top, left), (reach, spread) = window
    bottom = max(0, (rows - 1) * down + (k - 1) * reach + 1 - height - top)
    right = max(0, (columns - 1) * across + (m - 1) * spread + 1 - width - left)
    pads = [left, right, top, bottom]
    x = call(aten.constant_pad_nd.default, x, pads, -math.inf) if any(pads) else x

    def seen(i: int, j: int) -> Any:
        lines = call(aten.slice.Tensor, x, -2, i, i + (rows - 1) * down + 1, down)
        return call(aten.slice.Tensor, lines, -1, j, j + (columns - 1) * across + 1, across)

    pictures = [seen(i * reach, j * spread) for i in range(k) for j in range(m)]
    which = call(aten.argmax.default, call(aten.stack.default, pictures), 0)
    line = call(aten.mul.Tensor, call(aten.floor_divide.default, which, m), reach * width)
    place = call(aten.mul.Tensor, call(aten.remainder.Scalar, which, m), spread)
    first, step = -top * width, down * width
    lines = call(aten.unsqueeze.default, call(aten.arange.start_step, first, first + rows * step, step), 1)
    places = call(aten.arange.start_step, -left, -left + columns * across, across)
    return call(aten.add.Tensor, call(aten.add.Tensor, line, place), call(aten.add.Tensor, lines, places))


def _scattered(graph: torch.fx.Graph, node: torch.fx.Node) -> None:
    """max_unpool2d(x, indices, [H, W]): zeros [N, C, H·W], written at the indices."""
    arguments: Any = node.args
    x, indices, (height, width) = arguments
    if len(x.meta["val"].shape) != 4:
        return
    call = partial(called, graph, node)
    with graph.inserting_before(node):
        plane = [call(aten.sym_size.int, x, 0), x.meta["val"].shape[1], height * width]
        zeros = call(aten.new_zeros.default, x, plane)
        flat = [call(aten.flatten.using_ints, value, 2) for value in (indices, x)]
        written = call(aten.scatter.src, zeros, 2, *flat)
        result = call(aten.unflatten.int, written, 2, [height, width])
    node.replace_all_uses_with(result)
    graph.erase_node(node)


def _arguments(node: torch.fx.Node, defaults: Sequence[Any]) -> list[Any]:
    """All arguments, those that were left out as the operator has them. By name only the last is given."""
    found = [*node.args, *defaults[len(node.args) :]]
    return [*found[:-1], *node.kwargs.values()] if node.kwargs else found


def _pair(value: Any) -> list[int]:
    """One number for both axes, or one each."""
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * 2 if len(numbers) == 1 else numbers
