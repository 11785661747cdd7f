"""One operator, one function: its Python signature is the operator's schema.

Inputs are positional, attributes are keywords, and a node is bound to them before anything is built: an attribute or an
input that the signature lacks is an error that names the node. Nothing is silently ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from passes.errors import Unsupported, describe, operator
from passes.registry import Registry

OPERATORS: Registry[str, Operator] = Registry("functions")


@dataclass(frozen=True)
class Operator:
    """A function of (tensors…, *, attributes…, name) → tensor, or a sequence of tensors.

    Where its first input is called `x`, that is a tensor of the model in every call; any other may be a `Weight`.
    """

    function: Callable[..., Any]
    required: int
    most: int | None
    attributes: frozenset[str]
    first_is_live: bool

    def problem(self, node: ir.Node) -> Unsupported | None:
        """Why this node does not fit the signature, or None."""
        inputs = list(node.inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        if self.most is not None and len(inputs) > self.most:
            return Unsupported(f"Input {self.most} of {operator(node)} is not supported.", node=describe(node))
        if len(inputs) < self.required or any(value is None for value in inputs[: self.required]):
            return Unsupported(f"{operator(node)} needs {self.required} inputs.", node=describe(node))
        unknown = sorted(set(node.attributes) - self.attributes)
        if unknown:
            return Unsupported(
                f"{operator(node)} with the attribute {', '.join(unknown)} is not supported. "
                f"Supported: {', '.join(sorted(self.attributes)) or 'none'}.",
                node=describe(node),
            )
        return None


def op(*operators: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the function for operators written as `Relu` or `nhwc::Conv`. A second one for the same is a mistake."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        entry = Operator(
            function,
            required=sum(p.default is p.empty for p in positional),
            most=None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional),
            attributes=frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "name"),
            first_is_live=bool(positional) and positional[0].name == "x",
        )
        OPERATORS.register(*operators)(entry)
        return function

    return register


def attributes_of(node: ir.Node) -> dict[str, Any]:
    """Attributes as plain Python: numbers, strings, tuples of them."""
    return {name: attribute.value for name, attribute in node.attributes.items()}
