"""A weight that several operators use in unlike ways is one variable: training one use of it trains all of them.

Layers that are alike, with the same weights, are one layer anyway. The others would each have a copy.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import onnx_ir as ir

from passes.errors import operator
from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.view_steps import WeightView, shape_after, simplest
from passes.graph.weight_takes import taken, takes
from passes.graph.weight_views import WEIGHT_KEY, provenance, recorded_view, seen_tensor

TURNED: WeightView = (("transpose", (1, 0)),)


class Use(NamedTuple):
    """A node that takes a weight, or a part of it, as its input number `place`, seen through `view`."""

    node: ir.Node
    place: int
    view: WeightView
    shape: tuple[int, ...]
    """Of the weight as the source has it."""

    @property
    def is_kernel(self) -> bool:
        return operator(self.node) == "keraport::Dense" and self.place == 1

    @property
    def is_spelled(self) -> bool:
        """Whether it is the kernel of a product along any axis."""
        return operator(self.node) == "keraport::EinsumDense" and self.place == 1

    @property
    def is_table(self) -> bool:
        """Whether rows of it are looked up."""
        gathers = operator(self.node) == "Gather" and not self.place and not self.node.attributes.get_int("axis", 0)
        table = self.node.inputs[0]
        return gathers and table is not None and table.shape is not None and len(table.shape) == 2

    @property
    def form(self) -> object:
        """What two uses have in common that become calls of one layer."""
        if takes(self.view):
            return self.part
        is_product = self.is_kernel or self.is_spelled
        bias = self.node.inputs[2] if is_product and len(self.node.inputs) > 2 else None
        equation = self.node.attributes["equation"].as_string() if self.is_spelled else ""
        return self.is_kernel, self.is_table, equation, self.view, bias

    @property
    def part(self) -> object:
        """What two parts of a weight have in common that are taken from one variable: all of it, or its rows."""
        take = taken(self.view, self.shape)
        if take is None:
            return self.view
        whole = self.shape
        for step in take.before:
            whole = shape_after(whole, step)
        return take.before, prod(whole[: take.axis]) == 1

    @property
    def is_free(self) -> bool:
        """Whether its operator can take the variable of another layer."""
        is_product = self.is_kernel or self.is_spelled
        return (
            is_product or (operator(self.node), self.place) == ("keraport::Dense", 0) or operator(self.node) in OPERANDS
        )


OPERANDS = frozenset(
    {"Add", "Concat", "Div", "Einsum", "Exp", "Expand", "Gather", "Identity", "MatMul", "Max", "Min", "Mul", "Neg"}
    | {"Pow", "Reshape", "Resize", "Sigmoid", "Softmax", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile", "Transpose"}
    | {"Unsqueeze", "Where", "keraport::Expand", "nhwc::Resize"}
)
"""Operators that compute on a tensor what they compute on a constant."""


class ShareWeights(ir.passes.InPlacePass):
    """Given    e = Gather(W, ids);  y = Dense(h, Wᵀ, b)
    Result   e = keraport::ReversibleEmbedding(ids, W);  t = keraport::ReversibleEmbedding<reverse=1>(h, W)
             y = Add(t, b)

    Given    y = Dense(x, W, b);  z = Dense(h, W, c)
    Result   y = Add(Dense(x, W), b);  z = Add(Dense(h, W), c)

    Given    y = Dense(x, W);  z = Dense(h, Wᵀ)
    Result   w = Identity(W);  y = MatMul(x, w);  t = Transpose(w);  z = MatMul(h, t)

    Not where it is the weight of a convolution, a norm or a bias, too: those have variables of their own. Nor for
    constants that are no weights of the source. Parts of a weight are taken of it where the others are not.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        unlike = {
            name: uses
            for name, uses in _uses_by_weight(model.graph).items()
            if len({use.form for use in uses}) > 1 and all(use.is_free for use in uses)
        }
        if not unlike:
            return ir.passes.PassResult(model, False)
        names = FreshNames(model)
        for name, uses in unlike.items():
            _share(name, uses, names)
        return ir.passes.PassResult(model, True)


def _uses_by_weight(graph: ir.Graph) -> dict[str, list[Use]]:
    """For each weight of the source, by its name, the operators that take all of it, in order."""
    found: dict[str, list[Use]] = {}
    for node in graph:
        for place, value in enumerate(node.inputs):
            if value is None or value.const_value is None or not value.const_value.dtype.is_floating_point():
                continue  # nobody trains whole numbers
            source = recorded_view(value)
            if source is not None and not isinstance(source[1], str):
                shape = tuple(seen_tensor(value.const_value).shape.numpy())
                found.setdefault(source[0], []).append(Use(node, place, simplest(source[1], shape), shape))
    return found


def _share(name: str, uses: list[Use], names: FreshNames) -> None:
    kernels = [use for use in uses if use.is_kernel]
    tables = [use for use in uses if use.is_table]
    if len(kernels) == len(uses) and len({use.view for use in uses}) == 1:
        for use in kernels:
            _replace_product(use.node, "Dense", use.node.inputs[1], names, domain="keraport")
    elif len(kernels) + len(tables) == len(uses) and all(use.view == TURNED * use.is_kernel for use in uses):
        table = tables[0].node.inputs[0]
        for use in tables:
            at = Builder(use.node, names)
            inputs, sizes = [use.node.inputs[1], table], sizes_of(use.node.outputs[0])
            dtype = use.node.outputs[0].dtype
            at.replace(at.node(REVERSIBLE, inputs, sizes, domain="keraport", dtype=dtype, name=use.node.name))
        for use in kernels:
            _replace_product(use.node, REVERSIBLE, table, names, {"reverse": 1}, domain="keraport")
    else:
        _compute_on(_whole(name, uses[0], names), uses, names)


REVERSIBLE = "ReversibleEmbedding"


def _replace_product(
    dense: ir.Node,
    op_type: str,
    weight: ir.Value | None,
    names: FreshNames,
    attributes: dict[str, Any] | None = None,
    *,
    domain: str = "",
) -> None:
    """Another product in the place of a Dense or an EinsumDense; its bias is added to it."""
    at = Builder(dense, names)
    x, bias, sizes = dense.inputs[0], dense.inputs[2] if len(dense.inputs) > 2 else None, sizes_of(dense.outputs[0])
    y = at.node(op_type, [x, weight], sizes, attributes, domain=domain, name=dense.name)
    at.replace(y if bias is None else at.node("Add", [y, bias], sizes))


def _whole(name: str, use: Use, names: FreshNames) -> ir.Value:
    """The weight as the source has it."""
    seen = use.node.inputs[use.place]
    assert seen is not None and seen.const_value is not None
    tensor = seen_tensor(seen.const_value)
    at = Builder(use.node, names)
    value = ir.Value(
        name=names.fresh(f"{name}_whole"),
        shape=ir.Shape(tensor.shape.numpy()),
        type=ir.TensorType(tensor.dtype),
        const_value=tensor,
    )
    value.metadata_props[WEIGHT_KEY] = provenance(name, ())
    at.graph.register_initializer(value)
    return at.node("Identity", [value], sizes_of(value))


def _compute_on(whole: ir.Value, uses: list[Use], names: FreshNames) -> None:
    """Every use computes on the tensor, or on a look at it."""
    at = Builder(uses[0].node, names)
    seen: dict[WeightView, ir.Value] = {(): whole}
    for use in uses:
        for depth, (kind, numbers) in enumerate(use.view, start=1):
            before, view = seen[use.view[: depth - 1]], use.view[:depth]
            if view not in seen:
                sizes = shape_after(before.shape.numpy() if before.shape else (), (kind, numbers))
                if kind == "transpose":
                    seen[view] = at.node("Transpose", [before], sizes, {"perm": numbers})
                elif kind == "take":
                    places = at.constant(list(numbers[1:]), "places")
                    seen[view] = at.node("Gather", [before, places], sizes, {"axis": numbers[0]})
                else:
                    seen[view] = at.node("Reshape", [before, at.constant(list(numbers), "shape")], sizes)
    for use in uses:
        if use.is_kernel:
            _replace_product(use.node, "MatMul", seen[use.view], names)
        elif use.is_spelled:
            equation = use.node.attributes["equation"].as_string()
            _replace_product(use.node, "Einsum", seen[use.view], names, {"equation": equation})
        else:
            use.node.replace_input_with(use.place, seen[use.view])
