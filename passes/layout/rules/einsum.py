"""Einsum names its axes: they stay where they lie."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.layout.rules.along_axes import default
from passes.layout.rules.products import without_units
from passes.layout.walk.axes_view import AxesView
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk


@rule("Einsum")
def einsum(walk: Walk, node: ir.Node) -> None:
    """The letters of an operand stand in the order of its base, and those of the result as an operand has them.

    One operand that keeps all of its letters is transposed.
    """
    equation = node.attributes["equation"].as_string().replace(" ", "")
    views = [walk.view(value) for value in node.inputs if value is not None]
    terms, _, result = equation.partition("->")
    if len(views) == 1 and len(set(terms)) == len(terms) and sorted(terms) == sorted(result):
        walk.views[node.outputs[0]] = views[0].permuted([terms.index(letter) for letter in result])
        return
    if "." in equation or "->" not in equation or all(view.is_plain for view in views):
        default(walk, node)
        return
    inputs, spelled = [], []
    order = result
    for view, term in zip(views, terms.split(","), strict=True):
        view = without_units(walk, view) if all(view.axes) else view
        if view.base.const_value is None and all(len(group) == 1 for group in view.axes):
            inputs.append(view.base)
            spelled.append("".join(letter for _, letter in sorted(zip(view.atoms(), term, strict=True))))
            order = _as_it_lies(term, spelled[-1], result) if order == result else order
        else:
            inputs.append(walk.materialise(view))
            spelled.append(term)
    dims = [dims_of(node.outputs[0])[result.index(letter)] for letter in order]
    out = walk.emit("Einsum", inputs, dims, {"equation": f"{','.join(spelled)}->{order}"})
    walk.views[node.outputs[0]] = AxesView(out, tuple((order.index(letter),) for letter in result))


def _as_it_lies(term: str, spelled: str, result: str) -> str:
    """The letters that the result has in the order of an operand, in the order of that operand's base.

    ibh → ibnd of an operand that is spelled bih: bind. A letter that one of the result replaces, as rows of scores do
    the values that they weigh, has its place: jbnd → ibnd of bjnd is bind.
    """
    gone, new = [x for x in term if x not in result], [x for x in result if x not in term]
    if len(gone) == len(new) == 1:
        term, spelled = (text.replace(gone[0], new[0]) for text in (term, spelled))
    shared = [letter for letter in result if letter in term]
    if shared != [letter for letter in term if letter in shared]:
        return result
    letters = iter(letter for letter in spelled if letter in shared)
    return "".join(next(letters) if letter in shared else letter for letter in result)
