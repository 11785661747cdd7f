"""Nested models that differ in numbers and names only are one function, called with its arguments.

Given    layer1-0 and layer1-1 of 64 filters, layer2-1 of 128
Result   def basic_block(x, *, filters, name)

Models are alike where their statements are, but for the arguments of layers and operations. What all of a kind have is
written into the function; what differs is a parameter, and what differs in the same way is one parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from converter.destinations.code.expressions import (
    NESTED,
    Expression,
    Literal,
    Name,
    Named,
    Tensor,
    Tree,
    tensors_in,
    text,
)
from converter.destinations.code.literals import Constants, literal
from converter.destinations.code.read import Body, Statement, read, with_any_inputs

Vector = Sequence[Expression]
"""An argument, for each of the models that a function stands for."""


@dataclass
class Template:
    """A function of the file.

    Attributes:
        bodies: of the models that it stands for.
        statements: those of the function, with parameters where the models differ.
        parameters: what each model has for them, by name.
    """

    bodies: list[Body]
    statements: list[Statement] = field(default_factory=list)
    parameters: dict[str, Vector] = field(default_factory=dict)


class Templates:
    """The functions of a model and of all that is nested in it, those first that others call."""

    def __init__(self, model: keras.Model, constants: Constants) -> None:
        self._constants = constants
        self._of: dict[int, tuple[str, int]] = {}
        self._structures: dict[str, str] = {}
        self.templates: dict[str, Template] = {}
        self._key(model, read(model, constants))
        *nested, whole = self.templates.values()
        for template in nested:
            self._settle(template, [body.name for body in template.bodies])
        self._settle(whole, [])

    def _nested_key(self, model: keras.Model) -> str:
        if id(model) in self._of:
            return self._of[id(model)][0]
        return self._key(model, with_any_inputs(read(model, self._constants)))

    def _key(self, model: keras.Model, body: Body) -> str:
        """A short name for what a model shares with those that are like it; it is noted among them."""
        keys = {name: self._nested_key(nested) for name, nested in body.models.items()}
        inputs = "any" if body.takes_any else body.inputs
        structure = repr((inputs, [_statement_shape(each, keys) for each in body.statements], _shape(body.outputs, {})))
        key = self._structures.setdefault(structure, f"template_{len(self._structures)}")
        template = self.templates.setdefault(key, Template([]))
        self._of[id(model)] = key, len(template.bodies)
        template.bodies.append(body)
        return key

    def _settle(self, template: Template, names: Sequence[str]) -> None:
        """Find what the function says, and its parameters.

        Args:
            names: of the models, which it is told; none for the whole model.
        """
        found = _Parameters(names)
        for statements in zip(*(body.statements for body in template.bodies), strict=True):
            expressions = [each.expression for each in statements]
            first = expressions[0]
            if isinstance(first, Tree) and first.kind in NESTED:
                expression: Expression = self._call(template, [e for e in expressions if isinstance(e, Tree)], found)
            else:
                expression = found.unified(expressions, "value")
            template.statements.append(replace(statements[0], expression=expression))
        template.parameters = found.vectors

    def _call(self, template: Template, calls: Sequence[Tree], found: _Parameters) -> Tree:
        """The call of a function by all models of a template: its label is the function's key."""
        pairs = zip(template.bodies, calls, strict=True)
        models = [body.models[each.label] for body, each in pairs]
        places = [self._of[id(model)] for model in models]
        key = places[0][0]
        parts = dict(calls[0].parts)
        for name, vector in self.templates[key].parameters.items():
            parts[name] = found.unified([vector[place] for _, place in places], name)
        parts["name"] = found.unified([literal(model.name) for model in models], "name")
        return Tree(calls[0].kind, key, parts)


class _Parameters:
    """The parameters of a function, as its statements turn out to need them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.vectors: dict[str, Vector] = {}
        self._known: dict[tuple[str, ...], str] = {}

    def unified(self, expressions: Vector, where: str) -> Expression:
        """One expression for all: with parameters for the smallest parts that differ."""
        first = expressions[0]
        named = self._by_name(expressions) if where == "name" and self._names else None
        if named is not None:
            return named
        if not isinstance(first, Tree):
            same = all(text(each) == text(first) for each in expressions)
            return first if same else self._parameter(expressions, where)
        trees = [each for each in expressions if isinstance(each, Tree) and _alike(each, first)]
        if len(trees) < len(expressions):
            return self._parameter(expressions, where)
        keys = list(dict.fromkeys(key for tree in trees for key in tree.parts if key != "name"))
        keys += ["name"] if "name" in first.parts else []
        parts = {key: self.unified([_part(tree, key) for tree in trees], _told(first, key, where)) for key in keys}
        return Tree(first.kind, first.label, parts, first.defaults)

    def _by_name(self, expressions: Vector) -> Expression | None:
        """A name that begins with that of the model."""
        rests = {
            each.value.removeprefix(name) if isinstance(each, Literal) and str(each.value).startswith(name) else None
            for each, name in zip(expressions, self._names, strict=True)
        }
        rest = rests.pop() if len(rests) == 1 else None
        return None if rest is None else Named(rest)

    def _parameter(self, expressions: Vector, where: str) -> Expression:
        key = tuple(text(each) for each in expressions)
        if key in self._known:
            return Name(self._known[key])
        multiple = self._multiple(expressions)
        if multiple is not None:
            return multiple
        name, number = where, 1
        while name in self.vectors or name == "name":
            number += 1
            name = f"{where}_{number}"
        self._known[key] = name
        self.vectors[name] = expressions
        return Name(name)

    def _multiple(self, expressions: Vector) -> Expression | None:
        """`4 * filters`, where that is so for all."""
        numbers = _integers(expressions)
        if numbers is None:
            return None
        for name, vector in self.vectors.items():
            others = _integers(vector)
            if others is None:
                continue
            factors = {a // b if b and not a % b else 0 for a, b in zip(numbers, others, strict=True)}
            parts = {b // a if a and not b % a else 0 for a, b in zip(numbers, others, strict=True)}
            if len(factors) == 1 and max(factors) > 1:
                return Name(f"{max(factors)} * {name}")
            if len(parts) == 1 and max(parts) > 1:
                return Name(f"{name} // {max(parts)}")
        return None


def _integers(vector: Vector) -> list[int] | None:
    values = [each.value for each in vector if isinstance(each, Literal) and type(each.value) is int]
    return values if len(values) == len(vector) else None


def _alike(one: Tree, other: Tree) -> bool:
    """Whether two trees have the same parts, but for keywords."""
    same = (one.kind, one.label, len(one.placed)) == (other.kind, other.label, len(other.placed))
    return same and (one.kind != "dict" or one.parts.keys() == other.parts.keys())


def _part(tree: Tree, key: int | str) -> Expression:
    return tree.parts[key] if key in tree.parts else literal(tree.defaults[str(key)])


def _told(tree: Tree, key: int | str, where: str) -> str:
    """What a parameter is called that stands at this place."""
    if isinstance(key, str):
        return key
    if tree.kind == "tuple" and where == "shape":
        return "size"
    named = _PLACES.get(tree.label, ())
    return named[key] if key < len(named) else where


_PLACES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("layers.Conv1D", "layers.Conv2D", "layers.Conv3D"), ("filters", "kernel_size")),
    **dict.fromkeys(("layers.Conv2DTranspose", "layers.Conv1DTranspose"), ("filters", "kernel_size")),
    **dict.fromkeys(("layers.DepthwiseConv1D", "layers.DepthwiseConv2D"), ("kernel_size",)),
    **dict.fromkeys(("layers.Dense", "layers.LSTM", "layers.GRU", "layers.SimpleRNN"), ("units",)),
    "layers.EinsumDense": ("equation", "shape"),
    "layers.Embedding": ("rows", "columns"),
    "layers.Dropout": ("rate",),
    "layers.Reshape": ("shape",),
    "ops.reshape": ("x", "shape"),
    "ops.take": ("x", "indices"),
}
"""What the arguments by place are called."""


def _statement_shape(statement: Statement, keys: Mapping[str, str]) -> Any:
    return list(statement.targets), _shape(statement.expression, keys)


def _shape(expression: Expression, keys: Mapping[str, str]) -> Any:
    """What two expressions share that differ in arguments only: functions, tensors, and which indices are slices."""
    if isinstance(expression, Tensor):
        return expression.number
    if not isinstance(expression, Tree):
        return ""
    if expression.kind in ("subscript", "slice"):
        return expression.kind, {key: _index_shape(part) for key, part in expression.parts.items()}
    label = keys[expression.label] if expression.kind in NESTED else expression.label
    parts = {
        key: _shape(part, keys)
        for key, part in expression.parts.items()
        if isinstance(key, int) or next(tensors_in(part), None) is not None
    }
    return expression.kind, label, parts


def _index_shape(part: Expression) -> Any:
    if isinstance(part, Tree) and part.kind == "slice":
        return [each == Literal(None) for each in part.placed]
    return _shape(part, {})
