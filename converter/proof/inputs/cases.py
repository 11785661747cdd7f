"""What a converted model is tried at: batch sizes, image sizes, lengths and seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.bounds import substitute
from passes.dims.polynomial import Dim, symbols
from passes.errors import UsageError
from passes.shapes.rules.known_shapes import name_of_open

Array = np.ndarray[Any, np.dtype[Any]]

BATCH_SIZES = (1, 2, 3)

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
            roles.setdefault(symbol_of(value, axis), role)
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
                found[symbol_of(value, axis)] = example.shape[axis]
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
            name = symbol_of(value, axis)
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


def symbol_of(value: ir.Value, axis: int) -> str:
    """The dimension's name; one without a name gets one of its own."""
    size = value.shape[axis] if value.shape is not None else None
    text = getattr(size, "value", None)
    return str(text) if text else name_of_open(value, axis)
