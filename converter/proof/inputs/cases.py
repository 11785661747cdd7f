"""What a converted model is tried with: batch sizes, image sizes and seeds, and the arrays that go with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir as ir

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
from passes.dims.polynomial import Dim, symbols
from passes.errors import UsageError
from passes.shapes.rules.known_shapes import name_of_open

Array = np.ndarray[Any, np.dtype[Any]]

BATCH_SIZES = (1, 2, 3)

WIDTH = 4.0
"""Standard deviations from the least to the greatest number of a quantised input: one in twenty is cut off."""

FARTHEST = 8
"""How many times as large a size is tried at most, where one is looked for that the source accepts."""

LARGER = 32
"""By how much an image is larger: networks with strides of 32 in all want that."""


@dataclass(frozen=True)
class TriedSizes:
    """What to try for dimensions that the source leaves open and for which there is no example.

    Attributes:
        image: the edge of an image.
        other: anything else, such as the length of a sequence or the number of boxes.
    """

    image: int
    other: int


ATTEMPTS = (
    TriedSizes(64, 8),
    TriedSizes(224, 64),
    TriedSizes(320, 512),
    TriedSizes(1024, 4096),
    TriedSizes(1024, 16384),
)
"""In this order, until the source runs and its outputs move: networks want multiples of 32, and at least their
receptive field."""


@dataclass(frozen=True)
class Case:
    """One trial: a number for every dynamic dimension, and a seed. `examples` are taken as they are.

    Where `continues`, the state that goes in is the one that came out of the trial before. Floats are drawn `scale`
    times as large as usual.
    """

    seed: int
    dims: Mapping[str, int]
    note: str = ""
    examples: Mapping[str, Array] = field(default_factory=dict)
    continues: bool = False
    scale: float = 1.0


def graph_inputs(model: ir.Model) -> list[ir.Value]:
    """The inputs that a caller must give: old files list their weights as inputs as well."""
    return [value for value in model.graph.inputs if value.name not in model.graph.initializers]


def dynamic_axes(inputs: Sequence[ir.Value]) -> dict[str, str]:
    """Every dynamic dimension of the inputs by name, and its role: "batch", "image" or "other"."""
    roles: dict[str, str] = {}
    for value in inputs:
        rank = len(value.shape) if value.shape is not None else 0
        for axis, size in enumerate(value.shape or ()):
            if isinstance(size, int):
                continue
            role = "batch" if axis == 0 else "image" if rank >= 4 else "other"
            roles.setdefault(_symbol(value, axis), role)
    return roles


def base_sizes(
    inputs: Sequence[ir.Value], examples: Mapping[str, Array], sizes: TriedSizes = ATTEMPTS[0]
) -> dict[str, int]:
    """A size for every dynamic dimension: the example's where there is one.

    Raises:
        UsageError: an example does not fit the source.
    """
    defaults = {"batch": 1, "image": sizes.image, "other": sizes.other}
    found = {name: defaults[role] for name, role in dynamic_axes(inputs).items()}
    for value in inputs:
        example = examples.get(value.name or "")
        if example is None or value.shape is None:
            continue
        if len(value.shape) != example.ndim:
            raise UsageError(
                f"The example for input {value.name!r} has rank {example.ndim}, the source wants {len(value.shape)}."
            )
        for axis, size in enumerate(value.shape):
            if isinstance(size, int) and size != example.shape[axis]:
                raise UsageError(
                    f"The example for input {value.name!r} has shape {example.shape}, the source wants {value.shape}."
                )
            if not isinstance(size, int):
                found[_symbol(value, axis)] = example.shape[axis]
    return found


def plan(
    inputs: Sequence[ir.Value],
    examples: Mapping[str, Array] | None = None,
    *,
    use_examples: bool = True,
    sizes: TriedSizes = ATTEMPTS[0],
    never_one: Collection[str] = (),
    settled: Mapping[str, int | str] | None = None,
    demanded: Mapping[Dim, int] | None = None,
) -> list[Case]:
    """The trials of one model: the examples as they are; three seeds, each with its own batch size where the batch is
    dynamic; a larger and an odd image, its two edges different, where the image size is; a longer and a shorter
    sequence where a length is.

    Args:
        inputs: of the graph.
        examples: by name; their sizes stand for dynamic dimensions.
        use_examples: whether their values mean something, so that they make a case of their own.
        sizes: for dimensions that no example fixes.
        never_one: dimensions at whose size 1 the source drops the axis.
        settled: of `settled_dimensions`.
        demanded: arithmetic on dimensions, and what it has to come to or the source does not run.
    """
    examples = dict(examples or {})
    roles = dynamic_axes(inputs)
    base = base_sizes(inputs, examples, sizes)
    batches = [name for name, role in roles.items() if role == "batch"]
    complete = use_examples and bool(inputs) and len(examples) == len(inputs)
    cases = [Case(0, base, "the example inputs", examples)] if complete else []
    for seed, batch in enumerate(BATCH_SIZES if batches else (1, 1, 1)):
        cases.append(Case(seed, base | {name: batch + (name in never_one) for name in batches}))
    edges = [name for name, role in roles.items() if role == "image"]
    if edges:
        larger = {name: base[name] + LARGER * (1 + place) for place, name in enumerate(edges)}
        odd = {name: base[name] // 2 * 2 + 3 + 2 * place for place, name in enumerate(edges)}
        cases.append(Case(3, base | larger, "a larger image"))
        cases.append(Case(4, base | odd, "an odd image size"))
    lengths = [name for name, role in roles.items() if role == "other"]
    if lengths:
        longer = {name: base[name] + base[name] // 4 + 1 + place for place, name in enumerate(lengths)}
        cases.append(Case(5, base | longer, "longer"))
        cases.append(Case(6, base | {name: max(1, base[name] // 2) for name in lengths}, "shorter"))
    planned: list[Case] = []
    for case in cases:
        dims = {**case.dims, **_not_one(case.dims, never_one)}
        fitting = dims if case.examples else _as_demanded(dims, demanded or {})
        planned.append(replace(case, dims=fitting | _settled(fitting, settled or {})))
    return planned


def settled_dimensions(inputs: Sequence[ir.Value], known: ir.Graph) -> dict[str, int | str]:
    """The open sizes of inputs of which operators demand a number, or that they are the same as another one.

    Args:
        known: with known shapes, axes as in the source.
    """
    there = {value.name: value.shape for value in known.inputs}
    settled: dict[str, int | str] = {}
    firsts: dict[str, str] = {}
    for value in inputs:
        for axis, (own, size) in enumerate(zip(value.shape or (), there.get(value.name) or (), strict=False)):
            name = _symbol(value, axis)
            if isinstance(own, int):
                continue
            if isinstance(size, int):
                settled[name] = size
            elif size.value is not None and firsts.setdefault(size.value, name) != name:
                settled[name] = firsts[size.value]
    return settled


def _settled(dims: Mapping[str, int], settled: Mapping[str, int | str]) -> dict[str, int]:
    return {name: dims[size] if isinstance(size, str) else size for name, size in settled.items()}


def _not_one(dims: Mapping[str, int], never_one: Collection[str]) -> dict[str, int]:
    return {name: 2 for name, size in dims.items() if size == 1 and name in never_one}


def _as_demanded(dims: Mapping[str, int], demanded: Mapping[Dim, int]) -> dict[str, int]:
    """The nearest sizes at which everything comes to what it has to, each looked at alone."""
    found = dict(dims)
    for name, size in dims.items():
        of_it = [(dim, number) for dim, number in demanded.items() if symbols(dim) == {name}]
        near = sorted(range(1, FARTHEST * size), key=lambda other: abs(other - size)) if of_it else ()
        fits = (other for other in near if all(substitute(dim, {name: other}) == number for dim, number in of_it))
        found[name] = next(fits, size)
    return found


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
            size if isinstance(size, int) else case.dims[_symbol(value, axis)] for axis, size in enumerate(value.shape)
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


def _symbol(value: ir.Value, axis: int) -> str:
    """The dimension's name; one without a name gets one of its own."""
    size = value.shape[axis] if value.shape is not None else None
    text = getattr(size, "value", None)
    return str(text) if text else name_of_open(value, axis)
