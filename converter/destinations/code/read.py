"""A functional model as statements, in the order in which its outputs need them."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras.src.utils.naming import to_snake_case

from converter.destinations.code.expressions import Expression, Name, Tensor, Tree, group, replaced, tensors_in, tree
from converter.destinations.code.layer_code import layer_code
from converter.destinations.code.literals import MOST_WRITTEN, Constants, literal, tuples
from converter.destinations.code.operation_code import operation_code


@dataclass(frozen=True)
class Statement:
    """`targets = expression`; a target is a tensor, or a layer that is called more than once, which has a name."""

    targets: Sequence[int]
    expression: Expression
    layer: str = ""


@dataclass
class Body:
    """What a model computes.

    Attributes:
        inputs, shapes: of its inputs.
        outputs: the tensors that it returns, in the structure in which it does.
        models: the nested models that it calls, by the label of the calls.
        results: the shapes of its outputs.
        takes_any: whether it takes any number of inputs, all of them as one list.
    """

    name: str
    inputs: list[int]
    shapes: list[tuple[int | None, ...]]
    statements: list[Statement]
    outputs: Expression
    models: dict[str, keras.Model]
    results: list[tuple[int | None, ...]]
    takes_any: bool = False


def read(model: keras.Model, constants: Constants) -> Body:
    """The statements of a model.

    Args:
        constants: takes the arrays that are too large to be written.

    Raises:
        Unsupported: an argument or an operation that cannot be written as code.
    """
    return _Reader(model, constants).body()


class _Reader:
    def __init__(self, model: keras.Model, constants: Constants) -> None:
        self._model, self._constants = model, constants
        self._numbers: dict[int, int] = {}
        self._models: dict[str, keras.Model] = {}
        self._nodes = list(_nodes(model))
        counts = Counter(id(node.operation) for node in self._nodes)
        self._often = {each for each, count in counts.items() if count > 1}
        self._given = given_names(model)

    def body(self) -> Body:
        model = self._model
        inputs = [-1 - place for place in range(len(model.inputs))]
        self._numbers |= {id(tensor): number for tensor, number in zip(model.inputs, inputs, strict=True)}
        statements = [statement for node in self._nodes for statement in self._statements(node)]
        outputs = self._expression(model._outputs_struct, "outputs")
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
        results = [tuple(tensor.shape) for tensor in model.outputs]
        return Body(model.name, inputs, shapes, statements, outputs, self._models, results)

    def _statements(self, node: Any) -> Iterator[Statement]:
        operation, arguments = node.operation, node.arguments
        targets = [self._number(tensor) for tensor in node.outputs]
        called = inspect.signature(operation.call).bind(*arguments.args, **arguments.kwargs)
        if not isinstance(operation, keras.layers.Layer):
            told = {key: self._expression(value, operation.name) for key, value in called.arguments.items()}
            config = {key: literal(tuples(value)) for key, value in operation.get_config().items() if key != "name"}
            yield Statement(targets, operation_code(operation, told, config))
            return
        placed, keywords = self._arguments(operation, called)
        is_nested, key = isinstance(operation, keras.Model), id(operation)
        if is_nested:
            self._models[operation.name] = operation
        if key not in self._often:
            made = (
                tree("nested", operation.name, *placed, **keywords)
                if is_nested
                else tree("apply", "", self._layer(operation), *placed, **keywords)
            )
            yield Statement(targets, made)
            return
        if key not in self._numbers:
            maker = tree("model", operation.name, *placed, **keywords) if is_nested else self._layer(operation)
            yield Statement([self._number(operation)], maker, operation.name)
        yield Statement(targets, tree("apply", "", Tensor(self._number(operation)), *placed, **keywords))

    def _layer(self, layer: keras.layers.Layer) -> Tree:
        return layer_code(layer, layer.name if layer.weights else free_name(layer.name, self._given))

    def _arguments(
        self, layer: keras.layers.Layer, called: inspect.BoundArguments
    ) -> tuple[list[Expression], dict[str, Expression]]:
        """Of a layer's call: its tensors, and the rest by keyword; what is usual is not said."""
        usual = {name: each.default for name, each in called.signature.parameters.items()}
        first, *rest = [(k, v) for k, v in called.arguments.items() if not _says_nothing(v) and usual[k] is not v]
        several = isinstance(layer, keras.Model) and isinstance(first[1], list | tuple)
        tensors = first[1] if several else [first[1]]
        placed = [self._expression(each, layer.name) for each in tensors]
        return placed, {key: self._expression(value, layer.name) for key, value in rest}

    def _expression(self, value: Any, owner: str) -> Expression:
        def special(each: Any) -> Expression | None:
            if isinstance(each, keras.KerasTensor):
                return Tensor(self._number(each))
            if isinstance(each, np.ndarray) and each.size > MOST_WRITTEN:
                return Name(f'CONSTANTS["{self._constants.name(each, owner)}"]')
            return None

        return literal(value, special)

    def _number(self, thing: Any) -> int:
        """Of a tensor, or of a layer that is called more than once; those of inputs are below 0."""
        return self._numbers.setdefault(id(thing), len(self._numbers) - len(self._model.inputs))


ALL_INPUTS = "list(tensors)"


def with_any_inputs(body: Body) -> Body:
    """The body of a function of `*tensors`, where its inputs are used as one list of all of them only."""
    if len(body.inputs) == 1:
        return body
    every = group("list", [Tensor(number) for number in body.inputs])

    def change(expression: Expression) -> Expression | None:
        return Name(ALL_INPUTS) if expression == every else None

    found = [replace(each, expression=replaced(each.expression, change)) for each in body.statements]
    left = [*(each.expression for each in found), body.outputs]
    if any(number in body.inputs for expression in left for number in tensors_in(expression)):
        return body
    return replace(body, statements=found, takes_any=True)


def given_names(model: keras.Model) -> set[str]:
    """What Keras calls the operations of a model, which have no names of their own in code: these, with numbers."""
    operations = [node.operation for node in _nodes(model)]
    return {to_snake_case(type(each).__name__) for each in operations if not isinstance(each, keras.layers.Layer)}


def free_name(name: str, given: Collection[str]) -> str:
    """A name for a layer without weights that Keras gives to no operation."""
    return f"{name}_layer" if re.sub(r"_\d+$", "", name) in given else name


def _says_nothing(value: Any) -> bool:
    """None, or the masks of tensors that have none."""
    return all(each is None for each in keras.tree.flatten(value))


def _nodes(model: keras.Model) -> Iterator[Any]:
    """The calls of a model, each after those that it needs, and these in the order of its arguments."""
    done: set[int] = set()
    inputs = {id(tensor) for tensor in model.inputs}
    waiting = [(tensor, False) for tensor in reversed(keras.tree.flatten(model.outputs))]
    while waiting:
        tensor, ready = waiting.pop()
        operation, place, _ = tensor._keras_history
        node = operation._inbound_nodes[place]
        if id(tensor) in inputs or id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
            continue
        waiting.append((tensor, True))
        waiting.extend((each, False) for each in reversed(node.input_tensors))
