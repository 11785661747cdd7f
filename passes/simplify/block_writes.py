"""A write into a block of a tensor is what lies before it, what is written, and what lies behind it, joined.

    Given    r = Slice(Range(0, n, 1), [1], [2⁶³ - 1]);  y = ScatterND(x, Unsqueeze(r, [-1]), updates)      x: [n, 8, 7]
    Result   y = Concat(Slice(x, [0], [1]), updates)

torch's exporters write `x[1:] = updates` so, after they have made the assignment a function; n may be a symbol. Writes
into several axes at once, `x[0:2, 3] = updates`, have a constant table of places. What covers everything is what is
written, and nothing of x is left.

`x[:-7] = updates` and `x[-7:-3] = updates`, the regions of shifted windows, are joined from x[:-7], what is written and
x[-3:]: two bounds of one sign cut every axis into the same three parts, however short it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.dims.least import known_lower_bound
from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import maker, number
from passes.shapes.rules.slicing import slice_length

MOST_PIECES = 16
"""More pieces than this to be joined are no shorter than a scatter."""

LAST = int(np.iinfo(np.int64).max)
MOST_INDEX = 2**31 - 1
"""No axis is as long: an end from here on is that of the axis."""


@dataclass(frozen=True)
class Run:
    """The places from start up to end along an axis, as Slice has them; `LAST` is the axis' own end."""

    start: int
    end: int

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.end == LAST


class JoinBlockWrites(ir.passes.InPlacePass):
    """Take apart every ScatterND whose places are runs along the first axes. Not where writes are added up."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names: FreshNames | None = None
        modified = False
        for node in model.graph:
            if node.op_type != "ScatterND" or node.domain or node.attributes.get_string("reduction", "none") != "none":
                continue
            runs = _runs(node)
            if runs is None:
                continue
            names = names or FreshNames(model)
            _replace(node, runs, names)
            modified = True
        return ir.passes.PassResult(model, modified)


def _replace(node: ir.Node, runs: Sequence[Run], names: FreshNames) -> None:
    x, _, updates = node.inputs
    if x is None or updates is None:
        return
    at = Builder(node, names)
    written = _joined(at, x, sizes_of(x), updates, runs, 0)
    if written is updates:
        written = at.node("Identity", [updates], sizes_of(updates), name=node.name)
    at.replace(written)


def _joined(
    at: Builder, x: ir.Value, sizes: Sequence[Dim | None], updates: ir.Value, runs: Sequence[Run], axis: int
) -> ir.Value:
    """x with the updates written into the block that begins at these runs, from this axis on."""
    if axis == len(runs):
        return updates
    run = runs[axis]
    middle = x
    inner = list(sizes)
    if not all(r.is_whole for r in runs[axis + 1 :]):
        inner[axis] = sizes_of(updates)[axis]
        middle = _cut(at, x, axis, run.start, run.end, inner)
    pieces = [_joined(at, middle, inner, updates, runs, axis + 1)]
    if run.start:
        pieces.insert(0, _cut(at, x, axis, 0, run.start, sizes))
    if run.end != LAST:
        pieces.append(_cut(at, x, axis, run.end, LAST, sizes))
    return pieces[0] if len(pieces) == 1 else at.node("Concat", pieces, sizes, {"axis": axis}, name=at.anchor.name)


def _cut(at: Builder, x: ir.Value, axis: int, start: int, end: int, sizes: Sequence[Dim | None]) -> ir.Value:
    places = (at.constant([value], label) for value, label in ((start, "start"), (end, "end"), (axis, "axis")))
    size = sizes[axis]
    length = None if size is None else slice_length(size, start, end, 1)
    return at.node("Slice", [x, *places, at.constant([1], "step")], [*sizes[:axis], length, *sizes[axis + 1 :]])


def _runs(node: ir.Node) -> list[Run] | None:
    """For each axis that the places name, the run along it; None where they are no block."""
    x, indices, updates = node.inputs
    if x is None or indices is None or updates is None or None in (x.shape, indices.shape, updates.shape):
        return None
    sizes, grid = sizes_of(x), sizes_of(indices)
    if not sizes or indices.const_value is not None:
        return _constant_runs(indices, sizes)
    column = indices.producer()
    if len(grid) != 2 or grid[1] != 1 or column is None or column.op_type not in ("Unsqueeze", "Reshape"):
        return None
    run = _counted_run(column.inputs[0], sizes[0])
    return None if run is None else [run]


def _constant_runs(indices: ir.Value, sizes: Sequence[Dim | None]) -> list[Run] | None:
    """Places […, depth] of as many axes as are named, each a run along its own axis."""
    if indices.const_value is None or not sizes:
        return None
    places = indices.const_value.numpy()
    depth = places.shape[-1] if places.ndim else 0
    if not 0 < depth == places.ndim - 1 <= len(sizes) or not places.size:
        return None
    runs = []
    for axis in range(depth):
        size, first = sizes[axis], int(places[(0,) * depth][axis])
        line = np.arange(first, first + places.shape[axis]).reshape([-1 if a == axis else 1 for a in range(depth)])
        if first < 0 or not isinstance(size, int) or not (places[..., axis] == line).all():
            return None
        end = first + places.shape[axis]
        if end > size:
            return None
        runs.append(Run(first, LAST if end == size else end))
    pieces = 1 + 2 * sum(not run.is_whole for run in runs)
    return runs if pieces <= MOST_PIECES else None


def _counted_run(places: ir.Value | None, size: Dim | None) -> Run | None:
    """s, s + 1, s + 2, … as a part of 0, 1, 2, … along an axis of this size; None where it is something else."""
    cut = maker(places, "Slice")
    counted = maker(places if cut is None else cut.inputs[0], "Range")
    if places is None or counted is None or number(counted.inputs[2]) != 1:
        return None
    first, bounds = _integer(counted.inputs[0]), Run(0, LAST) if cut is None else _bounds(cut)
    count, whole = sizes_of(places)[0], sizes_of(counted.outputs[0])[0]
    if first is None or first < 0 or bounds is None or count is None or whole is None or size is None:
        return None
    if bounds.start < 0 and first:
        return None
    run = Run(first + bounds.start, bounds.end + first if 0 <= bounds.end < LAST else bounds.end)
    if whole + first == size and _parts(run, known_lower_bound(size)):
        return run  # also where fewer than `start` are there: then nothing is written
    behind = size - count - run.start
    return Run(run.start, -behind or LAST) if run.start >= 0 and isinstance(behind, int) and behind >= 0 else None


def _parts(run: Run, least: int | None) -> bool:
    """Whether what lies before it, it and what lies behind it are the whole axis, however long that is."""
    if run.start == 0 or run.end == LAST:
        return True
    if run.start > 0 > run.end:
        return least is not None and least >= run.start - run.end
    return run.start <= run.end and (run.start < 0) == (run.end < 0)


def _bounds(cut: ir.Node) -> Run | None:
    """Where a Slice by ones begins and ends."""
    start, end = _integer(cut.inputs[1]), _integer(cut.inputs[2])
    if start is None or end is None or (len(cut.inputs) > 4 and number(cut.inputs[4]) != 1):
        return None
    return Run(0 if start <= -MOST_INDEX else start, LAST if end >= MOST_INDEX else end)


def _integer(value: ir.Value | None) -> int | None:
    constant = value.const_value if value is not None else None
    return None if constant is None or constant.size != 1 else int(constant.numpy().reshape(()))
