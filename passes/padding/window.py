"""What a convolution or pool says about its spatial axes, in one form whatever way it said it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from passes.errors import BadSource, describe
from passes.facts.keras import misreads_same
from passes.graph.builder import sizes_of
from passes.padding.arithmetic import Axis, Pads, auto_pads, ceil_mode_pads, is_same_symmetric, is_same_upper, trimmed


@dataclass(frozen=True)
class Window:
    """The spatial axes of one node, all tuples in their order.

    Attributes:
        axes: size, kernel, stride and dilation (1 where the kernel is 1: there is nothing to dilate).
        pads: what floor mode needs before and after; None where SAME has to find it at run time.
        counted: the part of `pads` that an average with count_include_pad=1 counts. A ceil-mode overhang is not in it.
        lower: SAME_LOWER, for the axes whose pads are None.
    """

    axes: tuple[Axis, ...]
    pads: tuple[Pads | None, ...]
    counted: tuple[Pads | None, ...]
    lower: bool

    @property
    def rank(self) -> int:
        return len(self.axes)

    @property
    def kernel(self) -> list[int]:
        return [axis.kernel for axis in self.axes]

    @property
    def strides(self) -> list[int]:
        return [axis.stride for axis in self.axes]

    @property
    def dilations(self) -> list[int]:
        return [axis.dilation for axis in self.axes]

    @property
    def is_valid(self) -> bool:
        """No padding on any axis."""
        return all(pads == (0, 0) for pads in self.pads)

    @property
    def is_same_upper(self) -> bool:
        """Provably SAME_UPPER on every axis, and computed so by every backend."""
        return not any(misreads_same(self.rank, axis.stride, axis.extent) for axis in self.axes) and all(
            not self.lower if pads is None else is_same_upper(axis, pads)
            for axis, pads in zip(self.axes, self.pads, strict=True)
        )

    @property
    def is_same_symmetric(self) -> bool:
        """Provably SAME on every axis, and with as much before as after."""
        return self.is_same_upper and all(map(is_same_symmetric, self.axes))


def read_window(node: ir.Node) -> Window:
    """Read a Conv, MaxPool, AveragePool or ConvTranspose node; of the latter, only `axes` means something."""
    kernel = _kernel(node)
    rank = len(kernel)
    strides = _ints(node, "strides", [1] * rank)
    dilations = [1 if k == 1 else d for k, d in zip(kernel, _ints(node, "dilations", [1] * rank), strict=True)]
    axes = tuple(map(Axis, _spatial_sizes(node, rank), kernel, strides, dilations))
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        same = tuple(auto_pads(axis, mode == "SAME_LOWER") for axis in axes)
        return Window(axes, same, same, mode == "SAME_LOWER")
    flat = [0] * 2 * rank if mode == "VALID" else _ints(node, "pads", [0] * 2 * rank)
    counted = tuple(zip(flat[:rank], flat[rank:], strict=True))
    wanted = counted
    if node.attributes.get_int("ceil_mode", 0):
        wanted = tuple(ceil_mode_pads(axis, pads) for axis, pads in zip(axes, counted, strict=True))
    pads = tuple(trimmed(axis, pads) for axis, pads in zip(axes, wanted, strict=True))
    return Window(axes, pads, counted, lower=False)


def _kernel(node: ir.Node) -> list[int]:
    declared = node.attributes.get_ints("kernel_shape", None)
    if declared is not None:
        return list(declared)
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    sizes = sizes_of(weight)[2:] if weight is not None else []
    known = [size for size in sizes if isinstance(size, int)]
    if not sizes or len(known) != len(sizes):
        raise BadSource("The kernel has no known shape.", node=describe(node))
    return known


def _ints(node: ir.Node, name: str, default: list[int]) -> list[int]:
    found = list(node.attributes.get_ints(name, default))
    if len(found) != len(default):
        raise BadSource(f"{name} has {len(found)} numbers, expected {len(default)}.", node=describe(node))
    return found


def _spatial_sizes(node: ir.Node, rank: int) -> list[int | None]:
    x = node.inputs[0]
    if x is None or x.shape is None:
        return [None] * rank
    if len(x.shape) != rank + 2:
        raise BadSource(f"The input has {len(x.shape)} axes, the kernel {rank}.", node=describe(node))
    return [size if isinstance(size, int) else None for size in x.shape[2:]]
