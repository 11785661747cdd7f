"""The arrays of a trial: floats, masks, lengths, and integers from the range that the graph shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.inputs.cases import Case, symbol_of
from converter.proof.inputs.index_bounds import (
    compared_sizes,
    counts_frames,
    equal_numbers,
    index_bounds,
    open_index_bounds,
)
from converter.proof.inputs.quantised_inputs import kept_range
from passes.dims.bounds import substitute
from passes.dims.parse import parse
from passes.dims.polynomial import Dim
from passes.errors import UsageError

Array = np.ndarray[Any, np.dtype[Any]]

WIDTH = 4.0
"""Standard deviations from the least to the greatest number of a quantised input: one in twenty is cut off."""


def feeds(
    inputs: Sequence[ir.Value],
    case: Case,
    examples: Mapping[str, Array] | None = None,
    ranges: IntegerRanges | None = None,
) -> dict[str, Array]:
    """Arrays for a trial, the same for the same seed.

    Floats are N(0, 1), or spread over what the first step of a quantised graph keeps apart; integers small and valid as
    indices, booleans fair but neither all true nor all false. Where an example exists, an input that is no float and
    whose shape does not change keeps the example's value: a sampling rate or a mode is no random number.

    Args:
        ranges: of integer inputs, where that follows from sizes.
    """
    ranges = ranges or IntegerRanges()
    generator = np.random.default_rng(case.seed)
    result: dict[str, Array] = {}
    for value in inputs:
        name = value.name or ""
        if name in case.examples:
            result[name] = case.examples[name]
            continue
        if value.shape is None or value.dtype is None:
            raise UsageError(f"The input {name!r} declares no shape or no dtype.", hint=f"Give --input {name}=...")
        shape = tuple(
            size if isinstance(size, int) else case.dims[symbol_of(value, axis)]
            for axis, size in enumerate(value.shape)
        )
        example = (examples or {}).get(name)
        dtype = value.dtype.numpy()
        if (
            example is not None
            and example.shape == shape
            and (value.dtype.is_integer() or dtype.kind == "b" or not shape)
        ):
            result[name] = example
        elif numbers := choices_of(value):
            result[name] = np.full(shape, numbers[case.seed % len(numbers)], dtype)
        elif most := _most(ranges.lengths.get(name), case.dims):
            result[name] = _lengths(generator, shape, dtype, most)
        else:
            bound = _index_bound(value, example, _numbers(ranges.tables.get(name, ()), case.dims))
            result[name] = _sample(generator, shape, dtype, bound, case.scale)
            if value.dtype.is_floating_point() and (kept := kept_range(value)):
                low, high = kept
                result[name] = (result[name] * ((high - low) / WIDTH) + case.scale * (low + high) / 2).astype(dtype)
    return result


@dataclass(frozen=True)
class IntegerRanges:
    """How large integer inputs may be, by name, where that follows from sizes.

    Attributes:
        lengths: the inputs that are lengths of others' rows, and the size that each is a part of.
        tables: the inputs that pick rows of tables of open size, and these sizes.
    """

    lengths: Mapping[str, Dim] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Dim]] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: ir.Graph) -> IntegerRanges:
        """Those of a graph whose shapes are known."""
        integers = [value for value in graph.inputs if value.dtype is not None and value.dtype.is_integer()]
        return cls(_lengths_of(graph), {value.name or "": list(open_index_bounds(value)) for value in integers})


def _lengths_of(graph: ir.Graph) -> dict[str, Dim]:
    found: dict[str, Dim] = {}
    for value in graph.inputs:
        if value.dtype is not None and value.dtype.is_integer():
            sizes = [size for size in compared_sizes(value) if isinstance(size, int) or size.value is not None]
            if any(index_bounds(value)):
                continue
            if not sizes and counts_frames(value):
                sizes = _row_lengths(graph, value)
            if sizes:
                size = sizes[0]
                found[value.name or ""] = size if isinstance(size, int) else parse(str(size.value))
    return found


def _row_lengths(graph: ir.Graph, lengths: ir.Value) -> list[int | ir.SymbolicDim]:
    """How long the rows are of the floats beside lengths [batch]: there is one such input, as a rule."""
    shapes = [
        list(value.shape or ()) for value in graph.inputs if value.dtype is not None and value.dtype.is_floating_point()
    ]
    batch = list(lengths.shape or ())
    rows = [shape[1] for shape in shapes if len(shape) > 1 and shape[:1] == batch]
    return [size for size in rows if isinstance(size, int) or size.value is not None]


def _most(size: Dim | None, dims: Mapping[str, int]) -> int:
    """The size at these dimensions, 0 where it is not known."""
    return next(iter(_numbers([] if size is None else [size], dims)), 0)


def _numbers(sizes: Sequence[Dim], dims: Mapping[str, int]) -> list[int]:
    """The sizes at these dimensions, of those that are known."""
    return [number for size in sizes if isinstance(number := substitute(size, dims), int)]


def _lengths(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], most: int) -> Array:
    """The first row is as long as rows can be, the others at least half as long."""
    drawn = generator.integers(max(1, most // 2), most + 1, shape)
    drawn.reshape(-1)[:1] = most
    return drawn.astype(dtype)


def _sample(
    generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], bound: int, scale: float
) -> Array:
    if dtype.kind == "b":
        fair = generator.random(shape) < 0.5
        if fair.size > 1 and fair.all() == fair.any():
            fair.reshape(-1)[0] ^= True
        return fair
    if dtype.kind in "iu":
        return generator.integers(0, bound, shape).astype(dtype)
    if dtype.kind == "c":
        return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(dtype)
    if dtype.kind in "OUS":
        raise UsageError("Inputs of text cannot be made up.", hint="Pass example_inputs.")
    return np.asarray(scale * generator.standard_normal(shape)).astype(dtype)


def _index_bound(value: ir.Value, example: Array | None, tables: Sequence[int]) -> int:
    """One more than the greatest integer to try: an input that picks rows of a table must not reach past it."""
    if value.dtype is None or not value.dtype.is_integer():
        return 1
    bounds = [*index_bounds(value), *tables]
    if bounds:
        return max(1, min(bounds))
    if example is not None and example.size:
        return max(int(example.max()) + 1, 1)
    # 0 and 1 are valid as ids, modes and masks everywhere; bytes are pictures.
    return 256 if value.dtype == ir.DataType.UINT8 else 2


def choices_of(value: ir.Value) -> list[int]:
    """What a mode or a sampling rate, one integer, may be: each number that it is compared with, and another one."""
    if list(value.shape or ()) not in ([], [1]) or value.dtype is None or not value.dtype.is_integer():
        return []
    numbers = sorted(set(equal_numbers(value)))
    return [*numbers, max(numbers) // 2] if numbers else []
