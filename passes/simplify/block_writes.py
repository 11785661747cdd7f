"""A write into a block of a tensor is what lies before it, what is written, and what lies behind it, joined.

    Given    r = Slice(Range(0, n, 1), [1], [2⁶³ - 1]);  y = ScatterND(x, Unsqueeze(r, [-1]), updates)      x: [n, 8, 7]
    Result   y = Concat(Slice(x, [0], [1]), updates)

torch's exporters write `x[1:] = updates` so, after they have made the assignment a function; n may be a symbol. Writes
into several axes at once, `x[0:2, 3] = updates`, have a constant table of places. What covers everything is what is
written, and nothing of x is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import maker, number

MOST_PIECES = 16
"""More pieces than this to be joined are no shorter than a scatter."""

LAST = int(np.iinfo(np.int64).max)
MOST_INDEX = 2**31 - 1
"""No axis is as long: an end from here on is that of the axis."""


@dataclass(frozen=True)
class Run:
    """The places start, start + 1, … along an axis, and how many lie behind them."""

    start: int
    behind: int


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
    if any(r.start or r.behind for r in runs[axis + 1 :]):
        inner[axis] = sizes_of(updates)[axis]
        middle = _cut(at, x, axis, run.start, -run.behind or LAST, inner)
    written = _joined(at, middle, inner, updates, runs, axis + 1)
    pieces = [written]
    if run.start:
        pieces.insert(0, _cut(at, x, axis, 0, run.start, _with(sizes, axis, run.start)))
    if run.behind:
        pieces.append(_cut(at, x, axis, -run.behind, LAST, _with(sizes, axis, run.behind)))
    return pieces[0] if len(pieces) == 1 else at.node("Concat", pieces, sizes, {"axis": axis}, name=at.anchor.name)


def _with(sizes: Sequence[Dim | None], axis: int, size: int) -> list[Dim | None]:
    return [size if a == axis else known for a, known in enumerate(sizes)]


def _cut(at: Builder, x: ir.Value, axis: int, start: int, end: int, sizes: Sequence[Dim | None]) -> ir.Value:
    places = (at.constant([value], label) for value, label in ((start, "start"), (end, "end"), (axis, "axis")))
    return at.node("Slice", [x, *places, at.constant([1], "step")], sizes)


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
        runs.append(Run(first, size - first - places.shape[axis]))
    pieces = 1 + 2 * sum(bool(run.start or run.behind) for run in runs)
    return runs if pieces <= MOST_PIECES and all(run.behind >= 0 for run in runs) else None


def _counted_run(places: ir.Value | None, size: Dim | None) -> Run | None:
    """s, s + 1, s + 2, … as a part of 0, 1, 2, … along an axis of this size; None where it is something else."""
    cut = maker(places, "Slice")
    counted = maker(places if cut is None else cut.inputs[0], "Range")
    if places is None or counted is None or number(counted.inputs[2]) != 1:
        return None
    first, start = _whole(counted.inputs[0]), 0 if cut is None else _start(cut)
    count, whole = sizes_of(places)[0], sizes_of(counted.outputs[0])[0]
    if first is None or start is None or count is None or whole is None or size is None:
        return None
    start += first
    if whole + first == size and (cut is None or (_whole(cut.inputs[2]) or 0) >= MOST_INDEX):
        return Run(start, 0)  # also where fewer than `start` are there: then nothing is written
    behind = size - count - start
    return Run(start, behind) if isinstance(behind, int) and behind >= 0 else None


def _start(cut: ir.Node) -> int | None:
    """The start of a Slice that goes by ones from the front."""
    step = number(cut.inputs[4]) if len(cut.inputs) > 4 else 1
    return _whole(cut.inputs[1]) if step == 1 else None


def _whole(value: ir.Value | None) -> int | None:
    """A constant that is not negative."""
    found = number(value)
    return None if found is None or found < 0 else int(found)
