"""Operations of a captured program that the exporter would take apart badly, said in another way beforehand."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from converter.sources.torch.operators.pools import called

_ATTENTION = torch.ops.aten.scaled_dot_product_attention.default
_BAG = torch.ops.aten.embedding_bag.padding_idx
_OF_BAG = {
    0: torch.ops.aten.sum.dim_IntList,
    1: torch.ops.aten.mean.dim,
    2: torch.ops.aten.amax.default,
}
"""By the number that the operator has for its mode."""


def bags_to_lookups(program: torch.export.ExportedProgram) -> None:
    """Bags of one size are a lookup and a sum, a mean or a maximum; the exporter makes a loop over bags.

    Given    embedding_bag(w, reshape(ids, [-1]), arange(0, numel(ids), 6), mode)          ids: [batch, 6]
    Result   mean(embedding(w, ids), [1])

    What does not count, padding_idx, is left out of the sum, the mean and the maximum; of nothing all are 0.
    Not where bags have offsets of their own, or weights per entry.
    """
    for node in list(program.graph.nodes):
        if node.op == "call_function" and node.target == _BAG and (ids := _rows_of(node)) is not None:
            arguments: Any = node.args
            with program.graph.inserting_before(node):
                call = partial(called, program.graph, node)
                rows = call(torch.ops.aten.embedding.default, arguments[0], ids)
                padding = [*arguments, *[None] * 9][8]
                if padding is None:
                    result = call(_OF_BAG[arguments[4]], rows, [1])
                else:
                    counts = call(torch.ops.aten.ne.Scalar, ids, padding)
                    result = _of_those_that_count(call, rows, counts, arguments[4])
            for user in list(node.users):
                if user.args[1] == 0:
                    user.replace_all_uses_with(result)
                program.graph.erase_node(user)
            program.graph.erase_node(node)
    program.graph_module.recompile()


def _of_those_that_count(
    call: Callable[..., torch.fx.Node], rows: torch.fx.Node, counts: torch.fx.Node, mode: int
) -> torch.fx.Node:
    """The sum, the mean or the maximum of rows [batch, size, width], of each bag those that count [batch, size]."""
    aten = torch.ops.aten
    by_row = call(aten.unsqueeze.default, counts, -1)
    if mode == 2:
        known = call(aten.where.ScalarOther, by_row, rows, -math.inf)
        greatest, any_row = call(aten.amax.default, known, [1]), call(aten.any.dim, counts, 1, True)
        return call(aten.where.ScalarOther, any_row, greatest, 0.0)
    total = call(aten.sum.dim_IntList, call(aten.where.ScalarOther, by_row, rows, 0.0), [1])
    if mode == 0:
        return total
    number = call(aten.clamp.default, call(aten.sum.dim_IntList, counts, [1], True), 1)
    return call(aten.div.Tensor, total, number)


def _rows_of(node: torch.fx.Node) -> Any:
    """The two axes of indices of which bags of one size are made; None where they are not."""
    arguments: Any = (*node.args, *[None] * 9)
    _, flat, offsets, _, _, _, weights, last = arguments[:8]
    if weights is not None or last:
        return None
    if any(user.args[1] != 0 for user in node.users if user.users):  # which bag an entry is in, and the like
        return None
    if flat.target != torch.ops.aten.reshape.default or offsets.target != torch.ops.aten.arange.start_step:
        return None
    ids, (start, _, size) = flat.args[0], offsets.args[:3]
    shape = ids.meta["val"].shape
    told = size.meta["val"] if isinstance(size, torch.fx.Node) else size  # an open size is compared as it is written
    return ids if start == 0 and len(shape) == 2 and str(shape[1]) == str(told) else None


_PUTS = (torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default)


def masked_writes(program: torch.export.ExportedProgram) -> None:
    """x[mask] = value is a choice, not a write at as many places as the mask has.

    Given    index_put(x, [mask], value)         mask: bool, of the first axes of x; value: one number
    Result   where(mask, value, x)

    Not where x is another look at some numbers, or such a look is read later: the write would change it as well.
    """
    for node in list(program.graph.nodes):
        if node.op == "call_function" and node.target in _PUTS and _is_choice(node):
            x, (mask,), value = node.args[:3]
            call = partial(called, program.graph, node)
            with program.graph.inserting_before(node):
                for _ in range(x.meta["val"].dim() - mask.meta["val"].dim()):
                    mask = call(torch.ops.aten.unsqueeze.default, mask, -1)
                result = call(torch.ops.aten.where.self, mask, value, x)
            if node.target == _PUTS[1]:
                before = {*_until(program.graph, node)}
                x.replace_all_uses_with(result, delete_user_cb=lambda user, known=before: user not in known)
            node.replace_all_uses_with(result)
            program.graph.erase_node(node)
    program.graph_module.recompile()


def _until(graph: torch.fx.Graph, node: torch.fx.Node) -> Iterator[torch.fx.Node]:
    """The nodes up to this one."""
    for each in graph.nodes:
        yield each
        if each is node:
            return


def _is_choice(node: torch.fx.Node) -> bool:
    arguments: Any = node.args
    x, places, value, *accumulate = arguments
    if len(places) != 1 or any(accumulate) or not isinstance(value, torch.fx.Node):
        return False
    mask, number = places[0].meta["val"], value.meta["val"]
    if node.target == _PUTS[1] and (x.op != "call_function" or _is_look(x) or _is_looked_at_later(x, node)):
        return False
    return bool(mask.dtype == torch.bool and number.numel() == 1 and number.dim() <= 1)


def _is_looked_at_later(x: torch.fx.Node, write: torch.fx.Node) -> bool:
    """Whether another look at the numbers of x is read after the write."""
    before = {*_until(write.graph, write)}

    def read_later(look: torch.fx.Node) -> bool:
        return any(reader not in before or (_is_look(reader) and read_later(reader)) for reader in look.users)

    return any(read_later(user) for user in x.users if _is_look(user))


def _is_look(node: torch.fx.Node) -> bool:
    """Whether a node gives its input's own numbers in another shape."""
    schema = getattr(node.target, "_schema", None)
    writes = str(node.target).partition(".")[2].partition(".")[0].endswith("_")
    return schema is not None and not writes and any(returned.alias_info is not None for returned in schema.returns)


def differences_from_numbers(program: torch.export.ExportedProgram) -> None:
    """1.0 - x of whole numbers is -x + 1.0: the exporter (2.13) finds no overload for a number on the left.

    Not with `alpha`.
    """
    for node in list(program.graph.nodes):
        if node.op == "call_function" and node.target == torch.ops.aten.rsub.Scalar and len(node.args) == 2:
            x, number = node.args
            if not isinstance(x, torch.fx.Node) or node.kwargs or x.meta["val"].dtype == node.meta["val"].dtype:
                continue
            with program.graph.inserting_before(node):
                negative = called(program.graph, node, torch.ops.aten.neg.default, x)
                result = called(program.graph, node, torch.ops.aten.add.Tensor, negative, number)
            node.replace_all_uses_with(result)
            program.graph.erase_node(node)
    program.graph_module.recompile()


_CHUNK = torch.ops.aten.chunk.default
_SPLITS = (torch.ops.aten.split_with_sizes.default, torch.ops.aten.split.Tensor, _CHUNK)


def splits_to_slices(program: torch.export.ExportedProgram) -> None:
    """Parts whose sizes are open are slices: the exporter makes a list, whose length nobody knows.

    Given    a, b = split_with_sizes(x, [h, w], 2)
    Result   a = slice(x, 2, 0, h);  b = slice(x, 2, h, h + w)

    Not where all sizes are numbers.
    """
    for node in list(program.graph.nodes):
        if node.op != "call_function" or node.target not in _SPLITS or node.kwargs:
            continue
        x, sizes, axis = (*node.args, 0)[:3]
        users = list(node.users)
        lengths = x.meta["val"].shape
        is_open = isinstance(lengths[axis], torch.SymInt) or not _are_numbers(sizes)
        if not is_open or any(user.target is not operator.getitem for user in users):
            continue
        ends: list[Any] = [0]
        with program.graph.inserting_before(node):
            if node.target is _CHUNK:
                call = partial(called, program.graph, node)
                whole = call(operator.add, call(torch.ops.aten.sym_size.int, x, axis), sizes - 1)
                sizes = call(operator.floordiv, whole, sizes)
            for part in range(len(node.meta["val"])):
                size = sizes[part] if isinstance(sizes, (list, tuple)) else sizes
                ends.append(_sum(program.graph, node, ends[-1], size))
            parts = [
                called(program.graph, node, torch.ops.aten.slice.Tensor, x, axis, start, end)
                for start, end in itertools.pairwise(ends)
            ]
        for user in users:
            user.replace_all_uses_with(parts[user.args[1]])
            program.graph.erase_node(user)
        program.graph.erase_node(node)
    program.graph_module.recompile()


def _are_numbers(sizes: Any) -> bool:
    return all(isinstance(size, int) for size in (sizes if isinstance(sizes, (list, tuple)) else [sizes]))


def _sum(graph: torch.fx.Graph, like: torch.fx.Node, a: Any, b: Any) -> Any:
    """Of numbers and open sizes."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if isinstance(a, int) and a == 0 else called(graph, like, operator.add, a, b)


def types_of_counts(program: torch.export.ExportedProgram) -> None:
    """arange(1, 11.0) counts in floats, since one of its ends is one: the exporter looks at the start alone."""
    for node in program.graph.nodes:
        if node.op == "call_function" and node.target in _COUNTS and node.kwargs.get("dtype") is None:
            node.kwargs = {**node.kwargs, "dtype": node.meta["val"].dtype}
    program.graph_module.recompile()


_COUNTS = (torch.ops.aten.arange.default, torch.ops.aten.arange.start, torch.ops.aten.arange.start_step)


def attention_in_steps(program: torch.export.ExportedProgram) -> None:
    """Attention that the exporter refuses (PyTorch 2.13): not on four axes, or with keys that all heads share.

    Given    scaled_dot_product_attention(q, k, v, mask)      q: [B, windows, H, T, D], or k: [B, 1, S, D]
    Result   softmax(q @ kᵀ * scale + mask, -1) @ v

    Not where it is causal, or heads share keys by groups: those refusals stay.
    """
    for node in list(program.graph.nodes):
        if node.op == "call_function" and node.target == _ATTENTION and not _has_heads(node):
            arguments = _arguments(node)
            if not arguments["is_causal"] and not arguments["enable_gqa"]:
                _take_apart(program.graph, node, arguments)
    program.graph_module.recompile()


def _has_heads(node: torch.fx.Node) -> bool:
    """Are queries, keys and values on four axes, with as many heads each?"""
    shapes = [argument.meta["val"].shape for argument in node.args[:3] if isinstance(argument, torch.fx.Node)]
    return all(len(shape) == 4 and shape[1] == shapes[0][1] for shape in shapes)


def _arguments(node: torch.fx.Node) -> dict[str, Any]:
    """All arguments by name, with the defaults of the operator's schema."""
    schema = _ATTENTION._schema.arguments
    given = dict(zip((argument.name for argument in schema), node.args, strict=False))
    return {argument.name: argument.default_value for argument in schema} | given | node.kwargs


def _take_apart(graph: torch.fx.Graph, node: torch.fx.Node, arguments: dict[str, Any]) -> None:
    aten = torch.ops.aten
    q, k, v, mask = (arguments[name] for name in ("query", "key", "value", "attn_mask"))
    scale = 1 / math.sqrt(q.meta["val"].shape[-1]) if arguments["scale"] is None else arguments["scale"]

    def call(target: Any, *args: Any) -> torch.fx.Node:
        return called(graph, node, target, *args)

    with graph.inserting_before(node):
        scores = call(aten.matmul.default, q, call(aten.transpose.int, k, -2, -1))
        scores = call(aten.mul.Tensor, scores, float(scale))
        if mask is not None and mask.meta["val"].dtype == torch.bool:
            hidden = call(aten.logical_not.default, mask)
            scores = call(aten.masked_fill.Scalar, scores, hidden, -math.inf)
        elif mask is not None:
            scores = call(aten.add.Tensor, scores, mask)
        weights = call(aten._safe_softmax.default, scores, -1)  # 0 where a query sees no key
        result = call(aten.matmul.default, weights, v)
    node.replace_all_uses_with(result)
    graph.erase_node(node)
