"""The arrays of a case, with the noise that the source would draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.inputs.arrays import IntegerRanges, feeds
from converter.proof.inputs.cases import Case
from converter.sources.source import Source
from passes.dims.bounds import substitute
from passes.dims.parse import parse

Array = np.ndarray[Any, np.dtype[Any]]


def feeds_of(
    source: Source,
    case: Case,
    examples: Mapping[str, Array] | None = None,
    ranges: IntegerRanges | None = None,
) -> dict[str, Array]:
    """`feeds` for a source, and with them what it would draw: of the seed of the case, whatever scale that has."""
    given = feeds(source.asked, case, examples, ranges)
    noise = [value for value in source.model.graph.inputs if value.name in source.noise]
    for place, value in enumerate(noise):
        name = str(value.name)
        generator = np.random.default_rng([case.seed, place])
        shape = [_size(size, case) for size in value.shape or ()]
        dtype = np.dtype(np.float32) if value.dtype is None else value.dtype.numpy()
        given[name] = case.examples.get(name, _noise(generator, shape, dtype, source.noise[name].distribution))
    return given


def _size(size: int | ir.SymbolicDim, case: Case) -> int:
    number = size if isinstance(size, int) else substitute(parse(str(size.value)), case.dims)
    if not isinstance(number, int):
        raise ValueError(f"The size {size} of noise does not follow from {', '.join(case.dims)}.")
    return number


def _noise(generator: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any], distribution: str) -> Array:
    """Uniform numbers are whole steps of the type's: rounded to it, they could reach 1."""
    if distribution == "normal":
        return np.asarray(generator.standard_normal(shape)).astype(dtype)
    steps = 2 ** (np.finfo(dtype).nmant + 1)
    return np.asarray(generator.integers(0, steps, shape) / steps).astype(dtype)
