"""How the tensors of one layer can become the variables of another: names, shapes, and the views between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from converter.weights.port.calls import Array
from converter.weights.port.sources import SourceLayer, SourceTensor
from passes.graph.view_steps import WeightView, apply_view

FILLS = {"bias": 0.0, "beta": 0.0, "gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}
"""What a layer without such a variable computes as if it had."""

OTHERS = ("kernel", "recurrent_kernel", "embeddings")
"""Names that Keras' own layers have for the rest."""

PARTS = (2, 3, 4)
"""How many layers one may stand for: queries, keys and values are often one product."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class FilledVariable:
    """A variable that the source has not, with the number that changes nothing."""

    value: float


@dataclass(frozen=True)
class HeldTensor:
    """A variable that holds a tensor of the source, seen by some more steps."""

    tensor: SourceTensor
    steps: WeightView

    @property
    def array(self) -> Array:
        return apply_view(self.tensor.array, self.steps)

    @property
    def view(self) -> WeightView | None:
        """From the source's own tensor; None where it is computed."""
        return None if self.tensor.view is None else (*self.tensor.view, *self.steps)


@dataclass(frozen=True)
class Reading:
    """One way to fill a layer from a layer of the source.

    Attributes:
        variables: by their names.
        part: (i, n) where it is one of n parts of the source's last axis.
        lost: tensors of the source's layer that this one has no place for.
        beside: layers of the source that this one stands for as well.
    """

    source: SourceLayer
    variables: Mapping[str, HeldTensor | FilledVariable]
    part: tuple[int, int] | None = None
    lost: tuple[str, ...] = ()
    beside: tuple[SourceLayer, ...] = ()

    @property
    def key(self) -> tuple[int, tuple[int, int] | None]:
        return self.source.number, self.part

    @property
    def keys(self) -> set[tuple[int, tuple[int, int] | None]]:
        """Of all that it uses."""
        return {self.key, *((source.number, None) for source in self.beside)}

    @property
    def made(self) -> Array:
        """What the source's layer gives, of this part."""
        if self.part is None:
            return self.source.made
        place, count = self.part
        size = self.source.made.shape[-1] // count
        return self.source.made[..., place * size : (place + 1) * size]


def readings(wanted: Mapping[str, Shape], source: SourceLayer) -> Iterator[Reading]:
    """Every way, the plainest first."""
    pairs = _alone(wanted, source) or _paired(wanted, source.tensors)
    if pairs is None:
        return
    lost = tuple(name for name in source.tensors if name not in pairs.values())
    filled: dict[str, HeldTensor | FilledVariable] = {
        name: FilledVariable(FILLS[name]) for name, other in pairs.items() if other is None
    }
    held = {name: source.tensors[other] for name, other in pairs.items() if other is not None}
    ways = [list(views(tensor.array.shape, wanted[name])) for name, tensor in held.items()]
    for steps in itertools.islice(itertools.product(*ways), 24):
        found = {name: HeldTensor(tensor, view) for (name, tensor), view in zip(held.items(), steps, strict=True)}
        yield Reading(source, {**found, **filled}, None, lost)
    if any(not way for way in ways):
        yield from _parts(wanted, source, held, filled)


def _parts(
    wanted: Mapping[str, Shape],
    source: SourceLayer,
    held: Mapping[str, SourceTensor],
    filled: Mapping[str, HeldTensor | FilledVariable],
) -> Iterator[Reading]:
    for count in PARTS:
        for place in range(count):
            found: dict[str, HeldTensor | FilledVariable] = {}
            for name, tensor in held.items():
                shape = tensor.array.shape
                if prod(shape) != count * prod(wanted[name]) or shape[-1] % count:
                    break
                size = shape[-1] // count
                take = ("take", (len(shape) - 1, *range(place * size, (place + 1) * size)))
                rest = next(views((*shape[:-1], size), wanted[name]), None)
                if rest is None:
                    break
                found[name] = HeldTensor(tensor, (take, *rest))
            else:
                yield Reading(source, {**found, **filled}, (place, count))


def _alone(wanted: Mapping[str, Shape], source: SourceLayer) -> dict[str, str | None] | None:
    """A parameter and the one variable that may hold it, whatever both are called: a scale is often a gamma."""
    if not source.is_parameter or len(wanted) != 1 or len(source.tensors) != 1:
        return None
    ((name, shape),) = wanted.items()
    ((other, tensor),) = source.tensors.items()
    return {name: other} if tensor.array.size == prod(shape) else None


def _paired(wanted: Mapping[str, Shape], tensors: Mapping[str, SourceTensor]) -> dict[str, str | None] | None:
    """For each variable the name of a tensor, by its own name or else by its size; None for one that may be filled."""
    pairs: dict[str, str | None] = {name: name for name in wanted if name in tensors}
    for name in wanted.keys() - pairs.keys():
        others = [other for other in tensors if other not in pairs.values() and other not in wanted]
        if name in FILLS:
            others = [other for other in others if other not in FILLS and other not in OTHERS]
        elif name in OTHERS:  # the tied end of a language model is a product with its table
            others = [other for other in others if other not in FILLS]
        fitting = [other for other in others if tensors[other].array.size == prod(wanted[name])]
        if name in FILLS and not (fitting and len(wanted) > 1 and fitting[0] not in FILLS):
            pairs[name] = None
        elif fitting:
            pairs[name] = fitting[0]
        else:
            return None
    return pairs if any(pairs.values()) else None


def views(source: Shape, wanted: Shape) -> Iterator[WeightView]:
    """From one shape to the other: as it is, with axes split or joined, or turned."""
    if source == wanted:
        yield ()
    elif _regroups(source, wanted):
        yield (("reshape", wanted),)
    if 2 <= len(source) == len(wanted) <= 5:
        for order in itertools.permutations(range(len(source))):
            if order != tuple(range(len(source))) and tuple(source[axis] for axis in order) == wanted:
                yield (("transpose", order),)


def _regroups(source: Shape, wanted: Shape) -> bool:
    """Whether axes are only split and joined: one shape's boundaries are all among the other's."""
    if prod(source) != prod(wanted):
        return False
    first, second = (set(itertools.accumulate(shape, lambda a, b: a * b, initial=1)) for shape in (source, wanted))
    return first <= second or second <= first
