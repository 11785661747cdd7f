"""Products: Dense and MatMul. Axes are named, not moved."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

import onnx_ir as ir

from passes.dims.product import Product, dims_of, multiply, reshape_target
from passes.graph.view_steps import Step
from passes.layout.rules.along_axes import default
from passes.layout.rules.einsum_dense.dense import dense_along
from passes.layout.rules.einsum_dense.grouped import product_of_groups
from passes.layout.walk.axes_view import AxesView, is_run, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, operand, optional


@rule("keraport::Dense")
def dense(walk: Walk, node: ir.Node) -> None:
    """y[…, n] = Σₖ x[…, k] w[k, n] + b[n], on any base whose last axis is k.

    After Flatten, k is [C, H, W] in the source and [H, W, C] in the base: the weight's rows are permuted once, here,
    and the tensor is not transposed. Axes of 1 that a Flatten has dropped go before the product, as one writes it.
    Where k is another axis of the base, and lies there again soon, it is an EinsumDense.
    """
    view, weight = walk.view(operand(node, 0)), operand(node, 1)
    group = view.axes[-1]
    dims = dims_of(view.base)
    rank = len(dims)
    order = sorted(group)
    if len(group) > 1 and order == list(range(rank - len(order), rank)) and all(dims[a].is_static for a in group):
        weight = _permute_rows(walk, weight, [dims[a].coefficient for a in group], [group.index(a) for a in order])
        merged = [*dims[: rank - len(order)], multiply(dims[a] for a in order)]
        view = AxesView(walk.reshape(view.base, merged), (*view.axes[:-1], (len(merged) - 1,)))
    elif group != (rank - 1,):
        along = dense_along(walk, node, view) if view.is_moved else None
        if along is not None:
            walk.views[node.outputs[0]] = along
            return
        view = _last_axis_last(walk, view)
    elif not view.is_moved and len(view.atoms()) < rank:
        view = plain(walk.materialise(view))
    if len(dims_of(view.base)) < 2:  # Keras' Dense wants a batch
        view = plain(walk.materialise(view))
    out_dims = [*dims_of(view.base)[:-1], dims_of(node.outputs[0])[-1]]
    inputs = [view.base, weight, optional(node, 2)]
    out = walk.emit("Dense", inputs, out_dims, dict(node.attributes), domain="keraport")
    walk.views[node.outputs[0]] = AxesView(out, view.axes)


def _permute_rows(walk: Walk, weight: ir.Value, sizes: list[int], order: list[int]) -> ir.Value:
    if order == sorted(order):
        return weight
    rows, columns = (d.coefficient for d in dims_of(weight))
    steps: list[Step] = [
        ("reshape", (*sizes, columns)),
        ("transpose", (*order, len(order))),
        ("reshape", (rows, columns)),
    ]
    return walk.view_weight(weight, steps)


def _last_axis_last(walk: Walk, view: AxesView) -> AxesView:
    """The same value with its last axis as the last axis of the base; only a run of axes needs no transpose."""
    dims, group = dims_of(view.base), view.axes[-1]
    if len(group) > 1 and group[-1] == len(dims) - 1 and is_run(group, dims):
        merged = [*dims[: group[0]], multiply(dims[a] for a in group)]
        return AxesView(walk.reshape(view.base, merged), (*view.axes[:-1], (group[0],)))
    return plain(walk.materialise(view))


@rule("MatMul")
def matmul(walk: Walk, node: ir.Node) -> None:
    """A product of two live tensors: MatMul where both lie plain, else Einsum, which names axes and moves none.

    One with constant matrices for each of a group is an EinsumDense where the groups lie elsewhere.
    """
    a, b = (walk.view(operand(node, i)) for i in (0, 1))
    result = None
    if min(a.rank, b.rank) >= 2 and not (a.is_plain and b.is_plain) and walk.is_live(a, b):
        result = contract(walk, a, b)
    elif walk.is_live(a) and not walk.is_live(b):
        result = product_of_groups(walk, a, b.base, node.outputs[0]) if b.is_plain else None
    if result is None:
        default(walk, node)
    else:
        walk.views[node.outputs[0]] = result


def contract(walk: Walk, a: AxesView, b: AxesView) -> AxesView | None:
    """[…, M, K] · [K, N] as an Einsum of the bases, with a letter for every axis of a base; None where they do not fit.

    Attention over windows of an image is a product over four axes at once: the windows need not be cut out. An axis
    along which one of the two broadcasts is a letter of the other alone: keys of one head need not be repeated.
    """
    rank = max(a.rank, b.rank)
    a, b = (without_units(walk, AxesView(view.base, ((),) * (rank - view.rank) + view.axes)) for view in (a, b))
    broadcast = [i for i in range(rank - 2) if a.dims[i] != b.dims[i]]
    if a.dims[-1] != b.dims[-2] or not all(a.dims[i].is_one or b.dims[i].is_one for i in broadcast):
        return None
    for i in broadcast:
        a, b = (_unnamed(walk, view, i) if view.dims[i].is_one else view for view in (a, b))
    shared = [*((i, i) for i in range(rank - 2) if i not in broadcast), (rank - 1, rank - 2)]
    for i, j in shared:
        pair = _same_cut(walk, a, b, i, j)
        if pair is None:
            return None
        a, b = pair
    if b.is_moved and a.dims[-2] == b.dims[-2]:
        # Attention of a sequence to itself: the rows are cut as the columns are, so that they can take their places.
        a = without_units(walk, _cut(walk, a, a.rank - 2, [dims_of(b.base)[x] for x in b.axes[-2]]) or a)
    letters = iter(ascii_lowercase)
    of_a = {atom: next(letters) for atom in a.atoms()}
    of_b: dict[int, str] = {}
    for i, j in shared:
        of_b.update((atom_b, of_a[atom_a]) for atom_a, atom_b in zip(a.axes[i], b.axes[j], strict=True))
    of_b.update((atom, next(letters)) for atom in b.atoms() if atom not in of_b)
    spelled_a, spelled_b = ("".join(names[x] for x in sorted(names)) for names in (of_a, of_b))
    groups = [[of_a[x] for x in group] for group in a.axes[:-1]] + [[of_b[x] for x in b.axes[-1]]]
    for i in broadcast:
        groups[i] = groups[i] or [of_b[x] for x in b.axes[i]]
    others = [of_a[x] for i in broadcast for x in a.axes[i]]
    order = _like_values(a, b, of_b, groups[-2], others) or _like_values_in_front(a, b, of_a, groups)
    order = order or [letter for group in groups for letter in group]
    size = dict(zip(spelled_b, dims_of(b.base), strict=True)) | dict(zip(spelled_a, dims_of(a.base), strict=True))
    equation = f"{spelled_a},{spelled_b}->{''.join(order)}"
    out = walk.emit("Einsum", [a.base, b.base], [size[x] for x in order], {"equation": equation})
    result = AxesView(out, tuple(tuple(order.index(x) for x in group) for group in groups))
    is_told = reshape_target(dims_of(out), result.dims) is not None
    return plain(walk.materialise(result)) if is_told and not result.is_moved else result


def without_units(walk: Walk, view: AxesView) -> AxesView:
    """The base without axes that no axis of the value names."""
    atoms = set(view.atoms())
    dims = dims_of(view.base)
    if len(atoms) == len(dims):
        return view
    place = {atom: i for i, atom in enumerate(sorted(atoms))}
    base = walk.reshape(view.base, [d for i, d in enumerate(dims) if i in atoms])
    return AxesView(base, tuple(tuple(place[atom] for atom in group) for group in view.axes))


def _same_cut(walk: Walk, a: AxesView, b: AxesView, i: int, j: int) -> tuple[AxesView, AxesView] | None:
    """Both views with axis i of a and axis j of b made of the same sizes, splitting whichever is coarser."""
    sizes_a, sizes_b = ([dims_of(v.base)[x] for x in v.axes[axis]] for v, axis in ((a, i), (b, j)))
    if sizes_a == sizes_b:
        return a, b
    if a.dims[i].is_one:  # in one of the two it is no axis of the base
        return _unnamed(walk, a, i), _unnamed(walk, b, j)
    finer = sizes_b if len(sizes_b) > len(sizes_a) else sizes_a
    cut_a, cut_b = _cut(walk, a, i, finer), _cut(walk, b, j, finer)
    return None if cut_a is None or cut_b is None else (cut_a, cut_b)


def _unnamed(walk: Walk, view: AxesView, axis: int) -> AxesView:
    """The view with an axis of 1 that is none of the base."""
    return without_units(walk, AxesView(view.base, (*view.axes[:axis], (), *view.axes[axis + 1 :])))


def _cut(walk: Walk, view: AxesView, axis: int, sizes: Sequence[Product]) -> AxesView | None:
    """The view with one axis of the value made of axes of these sizes."""
    if [dims_of(view.base)[x] for x in view.axes[axis]] == list(sizes):
        return view
    dims = view.dims
    split = walk.reshape_view(view, [*dims[:axis], *sizes, *dims[axis + 1 :]])
    if split is None:
        return None
    joined = tuple(x for group in split.axes[axis : axis + len(sizes)] for x in group)
    result = AxesView(split.base, (*split.axes[:axis], joined, *split.axes[axis + len(sizes) :]))
    return result if [dims_of(result.base)[x] for x in joined] == list(sizes) else None


def _like_values(
    a: AxesView, b: AxesView, of_b: dict[int, str], rows: Sequence[str], others: Sequence[str]
) -> list[str] | None:
    """Where attention weights meet values that lie permuted, the result lies as the values do, rows for columns.

    Heads that share the values of one are beside the rows, `others`.
    """
    inner = b.axes[-2]
    if b.is_plain or a.atoms() != sorted(a.atoms()) or len(inner) != len(rows):
        return None
    if others and len(of_b) == len(inner) + len(b.axes[-1]):  # one matrix for all, and no values of theirs
        return None
    if not others and inner == (len(dims_of(b.base)) - 1,) and len(of_b) == 3:  # keys, of one head
        return None
    replaced = dict(zip((of_b[x] for x in inner), rows, strict=True))
    order = [replaced.get(of_b[x], of_b[x]) for x in sorted(of_b)]
    place = max(map(order.index, rows), default=-1) + 1
    return [*order[:place], *others, *order[place:]]


def _like_values_in_front(
    a: AxesView, b: AxesView, of_a: dict[int, str], groups: Sequence[Sequence[str]]
) -> list[str] | None:
    """As `_like_values`, of values [channels, tokens] times weights the other way about: tokens for tokens.

    Values have their channels last where they lie, and weights what they are summed over.
    """
    inner, last = a.axes[-1], [(len(dims_of(view.base)) - 1,) for view in (a, b)]
    if not a.is_moved or [a.axes[-2][-1:], b.axes[-2][-1:]] != last or list(inner) != sorted(inner):
        return None
    order: list[str] = []
    for atom in sorted(of_a):
        order += groups[-1] if atom == inner[0] else [] if atom in inner else [of_a[atom]]
    return order if sorted(order) == sorted(letter for group in groups for letter in group) else None
