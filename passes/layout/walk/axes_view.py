"""Views: a value said in terms of another one whose axes are permuted, split or merged.

The layout pass computes with channels-last *bases* and only remembers how the value of the source graph follows from
them. An `AxesView` says, for each axis of the value, which axes of the base it consists of, row-major:

    value [N, C, H, W]  on base [N, H, W, C]       axes = (0), (3), (1), (2)
    value [N, C·H·W]    on the same base           axes = (0), (3, 1, 2)
    value [N, C, 1, 1]  on base [N, C]             axes = (0), (1), (), ()

so Transpose, Flatten, Squeeze, Unsqueeze and most Reshapes cost nothing: they only change the view. Axes of the base
that no group names have size 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from passes.dims.product import ONE, Product, dims_of, multiply

Axes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class AxesView:
    base: ir.Value
    axes: Axes

    @property
    def rank(self) -> int:
        return len(self.axes)

    @property
    def dims(self) -> tuple[Product, ...]:
        base = dims_of(self.base)
        return tuple(multiply(base[a] for a in group) for group in self.axes)

    @property
    def is_plain(self) -> bool:
        """The value is its base, axis by axis."""
        return self.axes == identity(len(dims_of(self.base)))

    @property
    def is_moved(self) -> bool:
        """Do axes longer than 1 lie in another order than in the value?"""
        dims = dims_of(self.base)
        return not is_ascending([a for a in self.atoms() if not dims[a].is_one])

    def atoms(self, order: Sequence[int] | None = None) -> list[int]:
        """The axes of the base in the order in which the value has them (its axes taken in `order`)."""
        return [a for i in (range(self.rank) if order is None else order) for a in self.axes[i]]

    def permuted(self, perm: Sequence[int]) -> AxesView:
        return AxesView(self.base, tuple(self.axes[p] for p in perm))

    def single(self, axis: int) -> int | None:
        """The one axis of the base that `axis` is, or None where it is several or none."""
        group = self.axes[axis]
        return group[0] if len(group) == 1 else None


def identity(rank: int) -> Axes:
    return tuple((i,) for i in range(rank))


def plain(value: ir.Value) -> AxesView:
    return AxesView(value, identity(len(dims_of(value))))


def channels_last(rank: int) -> tuple[int, ...]:
    """The permutation p with nhwc = transpose(nchw, p): 0, 2, …, rank-1, 1."""
    return (0, *range(2, rank), 1)


def channels_first_axes(rank: int) -> Axes:
    """The view of a [N, C, …] value on a [N, …, C] base."""
    return ((0,), (rank - 1,), *((i,) for i in range(1, rank - 1)))


@dataclass(frozen=True)
class Piece:
    """What an axis of the base and a target dimension have in common: a factor of both."""

    atom: int
    target: int
    size: Product


@dataclass(frozen=True)
class Segment:
    """A run of base axes that becomes a run of target dimensions with as many elements.

    `pieces` is the common refinement: [B, 768] → [B·12, 64] goes through B, 12, 64. None where there is none, as for
    [4, 6] → [6, 4]: such axes must be merged before they can be split again.
    """

    atoms: tuple[int, ...]
    targets: tuple[int, ...]
    pieces: tuple[Piece, ...] | None


def align(atoms: Sequence[int], base: Sequence[Product], target: Sequence[Product]) -> list[Segment] | None:
    """Cut a reshape into the smallest segments with equal products; None where they cannot be told apart.

    Dimensions of size 1 belong to no segment: they appear and vanish freely.
    """
    left = [a for a in atoms if not base[a].is_one]
    right = [i for i, d in enumerate(target) if not d.is_one]
    segments: list[Segment] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start_i, start_j = i, j
        have, want = base[left[i]], target[right[j]]
        i, j = i + 1, j + 1
        while not have.equals(want):
            if _comes_first(have, want) and i < len(left):
                have, i = have * base[left[i]], i + 1
            elif j < len(right):
                want, j = want * target[right[j]], j + 1
            else:
                return None
        some_atoms, some_targets = tuple(left[start_i:i]), tuple(right[start_j:j])
        segments.append(Segment(some_atoms, some_targets, _refine(some_atoms, some_targets, base, target)))
    return segments if i == len(left) and j == len(right) else None


def _comes_first(have: Product, want: Product) -> bool:
    """Must the left side of an unequal pair grow? Yes if it divides the right one, or is the smaller number."""
    if want.divided_by(have) is not None:
        return True
    return have.divided_by(want) is None and have.is_static and want.is_static and have.coefficient < want.coefficient


def _refine(
    atoms: Sequence[int], targets: Sequence[int], base: Sequence[Product], target: Sequence[Product]
) -> tuple[Piece, ...] | None:
    pieces: list[Piece] = []
    rest_of_atom, rest_of_target = ONE, ONE
    left, right = iter(atoms), iter(targets)
    atom = wanted = -1
    while True:
        if rest_of_atom.is_one:
            atom = next(left, -1)
            if atom < 0:
                return tuple(pieces)
            rest_of_atom = base[atom]
        if rest_of_target.is_one:
            wanted = next(right, -1)
            if wanted < 0:
                return None
            rest_of_target = target[wanted]
        smaller = rest_of_atom if rest_of_target.divided_by(rest_of_atom) is not None else rest_of_target
        after_atom, after_target = rest_of_atom.divided_by(smaller), rest_of_target.divided_by(smaller)
        if after_atom is None or after_target is None:
            return None
        pieces.append(Piece(atom, wanted, smaller))
        rest_of_atom, rest_of_target = after_atom, after_target


def is_ascending(atoms: Sequence[int]) -> bool:
    return all(a < b for a, b in itertools.pairwise(atoms))


def is_run(atoms: Sequence[int], base: Sequence[Product]) -> bool:
    """Are these base axes next to each other and in order, axes of size 1 aside?"""
    if not atoms:
        return True
    between = [a for a in range(atoms[0], atoms[-1] + 1) if not base[a].is_one]
    return between == [a for a in atoms if not base[a].is_one]


def reshaped(
    base: Sequence[Product], segments: Sequence[Segment], target: Sequence[Product]
) -> tuple[list[Product], Axes] | None:
    """Split the base so that every target dimension is a group of base axes: the new base's dimensions and the view.

    A segment that only merges leaves the base as it is. None where a segment has no refinement and its axes are no run
    of the base, so that only a transpose could help.
    """
    split: dict[int, list[tuple[int, Product]]] = {}
    gone: set[int] = set()
    for segment in segments:
        if segment.pieces is not None:
            for piece in segment.pieces:
                split.setdefault(piece.atom, []).append((piece.target, piece.size))
        elif is_run(segment.atoms, base):
            split[segment.atoms[0]] = [(t, target[t]) for t in segment.targets]
            gone.update(segment.atoms[1:])
        else:
            return None
    cut = bool(gone) or any(len(parts) > 1 for parts in split.values())
    new_dims: list[Product] = []
    position: dict[tuple[int, int], int] = {}
    for axis, size in enumerate(base):
        if axis in gone or (cut and size.is_one):
            continue
        for t, part in split.get(axis, [(-1, size)]):
            position[axis, t] = len(new_dims)
            new_dims.append(part)
    axes: list[tuple[int, ...]] = [()] * len(target)
    for segment in segments:
        pairs = [(segment.atoms[0], t) for t in segment.targets]
        if segment.pieces is not None:
            pairs = [(piece.atom, piece.target) for piece in segment.pieces]
        for atom, t in pairs:
            axes[t] += (position[atom, t],)
    return new_dims, tuple(axes)
