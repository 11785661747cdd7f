"""Thousands of convolutions and pools, each with its padding said in one of ONNX's ways; the same ones at every run.

One spatial axis: every kernel, stride and dilation with every kind of padding. Two and three axes: drawn at random.
What ONNX leaves free beside that (groups, bias, ceil_mode, count_include_pad, output_padding, …) is drawn too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any
from zlib import crc32

import numpy as np

SEED = 20_260_729
CHANNELS = 4
"""Of every input: divisible by the groups 1, 2 and 4 (depthwise)."""
SIZES = range(5, 17)
SMALL, LARGE = SIZES[0], 13
"""Dynamic packs run from this size on; a kernel of 5 dilated by 3 spans 13."""

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One operator and its attributes. `sizes` are the input's spatial sizes, None where they are dynamic."""

    op_type: str
    sizes: Ints | None
    kernel: Ints
    strides: Ints
    dilations: Ints
    auto_pad: str = "NOTSET"
    pads: Ints = ()
    group: int = 1
    ceil_mode: int = 0
    count_include_pad: int = 0
    output_padding: Ints = ()
    output_shape: Ints = ()
    bias: bool = False

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def extents(self) -> Ints:
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def is_pool(self) -> bool:
        return self.op_type.endswith("Pool")

    def pads_on(self, axis: int) -> tuple[int, int]:
        return (self.pads[axis], self.pads[axis + self.rank]) if self.pads else (0, 0)

    @property
    def least_sizes(self) -> Ints:
        """The smallest sizes at which every axis has a window and a result."""
        if self.auto_pad.startswith("SAME"):
            return (1,) * self.rank
        if self.op_type == "ConvTranspose":
            more = self.output_padding or (0,) * self.rank
            crops = [(0, 0) if self.output_shape else self.pads_on(i) for i in range(self.rank)]
            return tuple(
                max(1, 1 - (e + o - sum(c) - 1) // s)
                for e, o, s, c in zip(self.extents, more, self.strides, crops, strict=True)
            )
        return tuple(max(1, e - sum(self.pads_on(i))) for i, e in enumerate(self.extents))

    def attributes(self) -> dict[str, Any]:
        """As ONNX writes them, only those that say something."""
        found: dict[str, Any] = {"kernel_shape": self.kernel, "strides": self.strides, "dilations": self.dilations}
        found["auto_pad"] = self.auto_pad
        optional = ("pads", "ceil_mode", "count_include_pad", "output_padding", "output_shape")
        found |= {name: getattr(self, name) for name in optional if getattr(self, name)}
        if not self.is_pool:
            found["group"] = self.group
        return found

    def weights(self) -> list[np.ndarray]:
        """Kernel and bias, none for pools."""
        if self.is_pool:
            return []
        rng = np.random.default_rng(crc32(repr((self.op_type, self.kernel, self.group)).encode()))
        outputs = CHANNELS if self.group > 1 else 3
        shape = (outputs, CHANNELS // self.group) if self.op_type == "Conv" else (CHANNELS, outputs // self.group)
        kernel = rng.standard_normal((*shape, *self.kernel), np.float32)
        return [kernel, rng.standard_normal(outputs, np.float32)] if self.bias else [kernel]


def cases() -> Iterator[Case]:
    """One axis: every combination. Two and three axes: drawn at random."""
    rng = random.Random(SEED)
    for op_type in ("Conv", "MaxPool", "AveragePool", "ConvTranspose"):
        for kernel, stride, dilation, mode in product(range(1, 6), range(1, 4), range(1, 4), MODES):
            if dilation > 1 and kernel == 1:
                continue
            yield from _draw(rng, op_type, (kernel,), (stride,), (dilation,), mode, static=True)
            yield from _draw(rng, op_type, (kernel,), (stride,), (dilation,), mode, static=False)
        for rank, number in ((2, 500), (3, 60)):
            for index in range(number):
                kernel, strides, dilations = (_numbers(rng, rank, top) for top in ((1, 5), (1, 3), (1, 3)))
                if rng.random() < 0.5:
                    dilations = (1,) * rank
                if rng.random() < 0.3:
                    kernel, strides = (kernel[0],) * rank, (strides[0],) * rank
                yield from _draw(rng, op_type, kernel, strides, dilations, MODES[index % 5], static=index % 2 == 0)


MODES = ("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
"""NOTSET twice: its pads are drawn anew each time."""


def _numbers(rng: random.Random, rank: int, bounds: tuple[int, int]) -> Ints:
    return tuple(rng.randint(*bounds) for _ in range(rank))


def _draw(
    rng: random.Random, op_type: str, kernel: Ints, strides: Ints, dilations: Ints, mode: str, *, static: bool
) -> Iterator[Case]:
    """One case, or none where the draw has no window at the size drawn."""
    rank = len(kernel)
    case = Case(op_type, None, kernel, strides, dilations, mode)
    if op_type.endswith("Pool"):
        smallest, most = 0, max(kernel) - 1
        case = replace(case, ceil_mode=rng.randint(0, 1))
        if op_type == "AveragePool":
            case = replace(case, count_include_pad=rng.randint(0, 1))
    else:
        smallest, most = (-2 if op_type == "Conv" and rng.random() < 0.15 else 0), 3
        case = replace(case, group=rng.choice((1, 1, 2, CHANNELS)), bias=rng.random() < 0.5)
    if mode == "NOTSET":
        pads = [rng.randint(smallest, most) for _ in range(2 * rank)]
        if op_type.endswith("Pool"):
            pads = [min(p, kernel[i % rank] - 1) for i, p in enumerate(pads)]
        if rng.random() < 0.3:
            pads = pads[:rank] * 2
        case = replace(case, pads=tuple(pads) if any(pads) else ())
    if op_type == "ConvTranspose":
        case = _draw_output(rng, case)
    if static:
        least = case.least_sizes
        fitting = [size for size in _static_sizes(rank) if all(n >= m for n, m in zip(size, least, strict=True))]
        if not fitting:
            return
        case = replace(case, sizes=rng.choice(fitting))
    if max(case.least_sizes) <= LARGE:
        yield case


def _draw_output(rng: random.Random, case: Case) -> Case:
    """output_padding below the stride, or the dilation, as torch and onnxruntime want it; output_shape now and then."""
    bounds = [max(s, d) - 1 for s, d in zip(case.strides, case.dilations, strict=True)]
    if rng.random() < 0.5:
        more = tuple(rng.randint(0, bound) for bound in bounds)
        case = replace(case, output_padding=more if any(more) else ())
    if rng.random() < 0.3:
        most = [s * (SMALL - 1) + e + s - 1 for s, e in zip(case.strides, case.extents, strict=True)]
        case = replace(case, output_shape=tuple(rng.randint(max(1, m - 8), m) for m in most), pads=())
    return case


def _static_sizes(rank: int) -> tuple[Ints, ...]:
    """A few sizes, so that many cases share one; together they have every size from 5 to 16 on every axis."""
    order = [5, 14, 11, 8, 16, 7, 13, 10, 6, 15, 9, 12]
    if rank == 3:
        order = order[:6]
    return tuple(tuple(order[(first + 5 * axis) % len(order)] for axis in range(rank)) for first in range(len(order)))
