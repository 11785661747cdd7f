"""Operators that move, cut, join and look up along axes."""

from __future__ import annotations

import numpy as np

from tests.wild_graphs.drawing import Drawing, Value

Drawn = list[Value] | None


def transpose(d: Drawing, x: Value) -> Drawn:
    if x.rank < 2:
        return None
    order = list(range(x.rank))
    for place in range(x.rank - 1):
        other = d.whole(place, x.rank - 1)
        order[place], order[other] = order[other], order[place]
    return d.node("Transpose", [x], perm=order)


def reshape(d: Drawing, x: Value) -> Drawn:
    """Neighbours joined, an axis split, sizes kept by 0, one left to -1."""
    target: list[int] = []
    for axis in range(x.rank):
        size = x.size(axis)
        if size is None:
            target.append(0 if len(target) == axis and d.yes() else -1)
        elif target and target[-1] > 0 and d.yes():
            target[-1] *= size
        elif size % 2 == 0 and d.yes():
            target += [size // 2, 2] if d.yes() else [2, size // 2]
        else:
            target.append(size)
    if d.yes():
        target.insert(d.whole(0, len(target)), 1)
    if target.count(-1) > 1:
        return None
    return d.node("Reshape", [x, d.constant(target)])


def reshape_by_shape(d: Drawing, x: Value) -> Drawn:
    """To sizes that are read off the tensor: the first axis stays, the others become one."""
    if x.rank < 2:
        return None
    shape = d.node("Shape", [x], end=1)
    target = shape and d.node("Concat", [shape[0], d.constant([-1])], axis=0)
    return target and d.node("Reshape", [x, target[0]])


def flatten(d: Drawing, x: Value) -> Drawn:
    return d.node("Flatten", [x], axis=d.whole(-x.rank, x.rank))


def unsqueeze(d: Drawing, x: Value) -> Drawn:
    return d.node("Unsqueeze", [x, d.constant([d.whole(-x.rank - 1, x.rank)])])


def squeeze(d: Drawing, x: Value) -> Drawn:
    ones = [axis for axis in x.fixed if x.size(axis) == 1]
    return d.node("Squeeze", [x, d.constant(d.some(ones))]) if ones else None


def concat(d: Drawing, x: Value) -> Drawn:
    if not x.rank:
        return None
    axis = d.whole(0, x.rank - 1)
    shapes = [[a.shape[i] for i in range(x.rank) if i != axis] for a in x.arrays]
    others = [
        y for y in d.values
        if y.dtype == x.dtype and y.rank == x.rank
        and [[a.shape[i] for i in range(x.rank) if i != axis] for a in y.arrays] == shapes
    ]  # fmt: skip
    return d.node("Concat", [x, d.pick([x, *others])], axis=axis - d.pick((0, x.rank)))


def split(d: Drawing, x: Value) -> Drawn:
    axes = [axis for axis in x.fixed if (x.size(axis) or 0) > 1]
    if not axes:
        return None
    axis = d.pick(axes)
    size = x.size(axis) or 0
    if d.yes():
        return d.node("Split", [x], outputs=2, axis=axis, num_outputs=2)
    first = d.whole(1, size - 1)
    return d.node("Split", [x, d.constant([first, size - first])], outputs=2, axis=axis)


def slice_(d: Drawing, x: Value) -> Drawn:
    """With starts, ends and steps of either sign, beyond the ends too."""
    if not x.rank:
        return None
    axis, step = d.whole(0, x.rank - 1), d.pick((1, 1, 2, -1, -2))
    size = x.least(axis)
    start, end = d.whole(-size, size), d.pick((-1, 1, size, size - 1, 2**40, -(2**40), -size))
    return d.node("Slice", [x, *(d.constant([number]) for number in (start, end, axis, step))])


def pad(d: Drawing, x: Value) -> Drawn:
    if x.dtype == "bool" or not x.rank:
        return None
    mode = d.pick(("constant", "edge", "reflect", "wrap"))
    low = -1 if mode == "constant" else 0
    which = d.some(range(x.rank))
    amounts = [d.whole(low, 2) if axis in which else 0 for axis in [*range(x.rank)] * 2]
    value = d.constant(np.array(1, x.dtype)) if mode == "constant" and d.yes() else None
    return d.node("Pad", [x, d.constant(amounts), value], mode=mode)


def expand(d: Drawing, x: Value) -> Drawn:
    target = [2 if x.size(axis) == 1 and d.yes() else 1 for axis in range(x.rank)]
    return d.node("Expand", [x, d.constant([*([3] if d.yes() else []), *target])])


def tile(d: Drawing, x: Value) -> Drawn:
    return d.node("Tile", [x, d.constant([d.whole(1, 2) for _ in range(x.rank)])]) if x.rank else None


def gather(d: Drawing, x: Value) -> Drawn:
    """At constant places, negative ones among them, of any rank; or at places that another tensor has."""
    if not x.rank:
        return None
    axis = d.whole(0, x.rank - 1)
    least = x.least(axis)
    live = [y for y in d.values if y.is_integer and all(a.min() >= -least and a.max() < least for a in y.arrays)]
    if live and d.yes():
        return d.node("Gather", [x, d.pick(live)], axis=axis)
    shape = [d.whole(1, 3) for _ in range(d.whole(0, 2))]
    places = np.array([d.whole(-least, least - 1) for _ in range(int(np.prod(shape)))], np.int64)
    return d.node("Gather", [x, d.constant(places.reshape(shape))], axis=axis)


def gather_elements(d: Drawing, x: Value) -> Drawn:
    if not x.rank:
        return None
    axis = d.whole(0, x.rank - 1)
    places = [y for y in d.values if y.is_integer and y.rank == x.rank and y.arrays[0].max() < x.least(axis)]
    return d.node("GatherElements", [x, d.pick(places)], axis=axis) if places else None


def gather_nd(d: Drawing, x: Value) -> Drawn:
    if x.rank < 2:
        return None
    depth = d.whole(1, min(2, x.rank))
    rows = [[d.whole(-x.least(axis), x.least(axis) - 1) for axis in range(depth)] for _ in range(3)]
    return d.node("GatherND", [x, d.constant(rows)])


def scatter(d: Drawing, x: Value) -> Drawn:
    """Into the first axis, at places that are apart."""
    if not x.rank or x.dtype == "bool" or len(x.fixed) < x.rank - 1:
        return None
    places = d.constant([[0], [x.least(0) - 1]]) if x.least(0) > 1 else d.constant([[0]])
    count = len(places.arrays[0])
    updates = np.random.default_rng(7).uniform(1, 5, (count, *x.arrays[0].shape[1:])).astype(x.dtype)
    if any(a.shape[1:] != x.arrays[0].shape[1:] for a in x.arrays):
        return None
    reduction = d.pick(("none", "add", "mul", "max", "min"))
    return d.node("ScatterND", [x, places, d.constant(updates)], reduction=reduction)


def scatter_elements(d: Drawing, x: Value) -> Drawn:
    if not x.rank or x.dtype == "bool" or len(x.fixed) < x.rank:
        return None
    axis = d.whole(0, x.rank - 1)
    shape = list(x.arrays[0].shape)
    shape[axis] = 1
    where = np.random.default_rng(3).integers(0, x.least(axis), shape)
    updates = np.random.default_rng(5).uniform(1, 5, shape).astype(x.dtype)
    reduction = d.pick(("none", "add", "mul", "max", "min"))
    return d.node("ScatterElements", [x, d.constant(where), d.constant(updates)], axis=axis, reduction=reduction)


def triangle(d: Drawing, x: Value) -> Drawn:
    return d.node("Trilu", [x, d.constant(np.array(d.whole(-2, 2)))], upper=d.whole(0, 1)) if x.rank > 1 else None


def counted(d: Drawing, x: Value) -> Drawn:
    """0, 1, … as many as an axis is long, beside the tensor."""
    if not x.rank or not x.is_float:
        return None
    axis = d.whole(0, x.rank - 1)
    size = d.node("Shape", [x], start=axis, end=axis + 1)
    number = size and d.node("Squeeze", [size[0]])
    count = number and d.node("Range", [d.constant(np.array(0)), number[0], d.constant(np.array(1))])
    numbers = count and d.node("Cast", [count[0]], to=1)
    shape = [-1 if a == axis else 1 for a in range(x.rank)]
    placed = numbers and d.node("Reshape", [numbers[0], d.constant(shape)])
    return placed and d.node(d.pick(("Add", "Mul", "Less")), [x, placed[0]])


def filled(d: Drawing, x: Value) -> Drawn:
    """A constant of a tensor's shape, or of some of its sizes."""
    shape = d.node("Shape", [x], start=d.whole(0, max(0, x.rank - 1))) if x.rank else None
    return shape and d.node("ConstantOfShape", [shape[0]])


def one_hot(d: Drawing, x: Value) -> Drawn:
    if not x.is_integer or x.rank > 3:
        return None
    values = d.constant(np.array([0.25, 2.0], np.float32))
    return d.node("OneHot", [x, d.constant(np.array(9)), values], axis=d.whole(-1, x.rank))


def reverse_sequence(d: Drawing, x: Value) -> Drawn:
    if x.rank < 2 or x.size(0) is None:
        return None
    lengths = d.constant([d.whole(1, x.least(1)) for _ in range(x.size(0) or 0)])
    return d.node("ReverseSequence", [x, lengths], batch_axis=0, time_axis=1)


DRAWN = (
    transpose, transpose, reshape, reshape, reshape_by_shape, flatten, unsqueeze, squeeze, concat, split, slice_,
    slice_, pad, expand, tile, gather, gather, gather_elements, gather_nd, scatter, scatter_elements, triangle, counted,
    filled, one_hot, reverse_sequence,
)  # fmt: skip
