"""The expressions of the code that is written: calls, indices, sums, tuples, and the numbers in them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LINE = 120
"""Characters; longer calls are broken at their arguments."""

INDENT = "    "


@dataclass(frozen=True)
class Literal:
    """A number, a string, True, False or None."""

    value: Any


@dataclass(frozen=True)
class Tensor:
    """A tensor of the function, by its number until variables have names."""

    number: int


@dataclass(frozen=True)
class Name:
    """What the file calls by this name: a parameter, a constant, a product of one."""

    text: str


@dataclass(frozen=True)
class Named:
    """The name of a layer that begins with that of its module: f"{name}-conv1"."""

    rest: str


@dataclass(frozen=True)
class Tree:
    """An expression with parts.

    Attributes:
        kind: "call", "tuple", "list", "dict", "slice", "subscript", "binary"; "apply", the call of its first part;
            "nested", the call of a function of the file, or "model", of what makes the model of one.
        label: the function's name, or the operator.
        parts: by place, or by keyword.
        defaults: what keywords that are not given stand for.
    """

    kind: str
    label: str
    parts: Mapping[int | str, Expression]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def placed(self) -> list[Expression]:
        return [part for key, part in self.parts.items() if isinstance(key, int)]

    @property
    def keywords(self) -> dict[str, Expression]:
        return {key: part for key, part in self.parts.items() if isinstance(key, str)}


Expression = Literal | Tensor | Name | Named | Tree


def tree(kind: str, label: str, /, *placed: Expression, **keywords: Expression) -> Tree:
    parts: dict[int | str, Expression] = {**dict(enumerate(placed))}
    parts.update(keywords)
    return Tree(kind, label, parts)


def call(function: str, /, *placed: Expression, **keywords: Expression) -> Tree:
    return tree("call", function, *placed, **keywords)


def group(kind: str, parts: Sequence[Expression]) -> Tree:
    return tree(kind, "", *parts)


def tensors_in(expression: Expression) -> Iterator[int]:
    """The numbers of the tensors that it is computed from, in the order in which it names them."""
    if isinstance(expression, Tensor):
        yield expression.number
    elif isinstance(expression, Tree):
        for part in expression.parts.values():
            yield from tensors_in(part)


def replaced(expression: Expression, change: Callable[[Expression], Expression | None]) -> Expression:
    """The expression with what `change` has another for."""
    other = change(expression)
    if other is not None:
        return other
    if not isinstance(expression, Tree):
        return expression
    parts = {key: replaced(part, change) for key, part in expression.parts.items()}
    return Tree(expression.kind, expression.label, parts, expression.defaults)


def text(expression: Expression) -> str:
    """The expression on one line."""
    match expression:
        case Literal(value):
            return _number(value)
        case Name(name):
            return name
        case Named(rest):
            return "name" if not rest else f'f"{{name}}{escaped(rest)}"'
        case Tensor(number):
            return f"tensor_{number}"
    return _TREES[expression.kind](expression)


def lines(start: str, expression: Expression, indent: str = "") -> list[str]:
    """`start` and the expression, on as many lines as it needs."""
    whole = f"{indent}{start}{text(expression)}"
    if len(whole) <= LINE or not isinstance(expression, Tree):
        return [whole]
    if expression.kind == "apply":
        return _application_lines(start, expression, indent)
    if expression.kind not in (*_CALLS, "tuple", "list"):
        return [whole]
    inner = f"{indent}{INDENT}"
    together = f"{inner}{', '.join(_arguments(expression))}"
    if len(together) <= LINE and expression.kind in _CALLS:
        body = [together]
    else:
        parts = expression.parts.items()
        body = [line for key, part in parts for line in _comma(lines(_keyword(key), part, inner))]
    opening, closing = _around(expression)
    return [f"{indent}{start}{opening}", *body, f"{indent}{closing}"]


def _application_lines(start: str, expression: Tree, indent: str) -> list[str]:
    """Broken in the constructor, unless it is the arguments that are long."""
    called, *given = _arguments(expression)
    arguments = ", ".join(given)
    if len(f"{indent}{start}{called}(") <= LINE and len(arguments) + len("()") > len(called):
        return [f"{indent}{start}{called}(", f"{indent}{INDENT}{arguments}", f"{indent})"]
    *before, last = lines(start, expression.placed[0], indent)
    return [*before, f"{last}({arguments})"]


def _comma(found: list[str]) -> list[str]:
    return [*found[:-1], f"{found[-1]},"]


NESTED = ("nested", "model")
"""The kinds whose label is a function of the file."""

_CALLS = ("call", *NESTED)


def _around(tree: Tree) -> tuple[str, str]:
    """What stands before the parts, and behind them."""
    if tree.kind in ("tuple", "list"):
        return ("(", ")") if tree.kind == "tuple" else ("[", "]")
    return f"{tree.label}.model(" if tree.kind == "model" else f"{tree.label}(", ")"


def _keyword(key: int | str) -> str:
    return f"{key}=" if isinstance(key, str) else ""


def _arguments(tree: Tree) -> list[str]:
    return [f"{_keyword(key)}{text(part)}" for key, part in tree.parts.items()]


def _enclosed(tree: Tree) -> str:
    opening, closing = _around(tree)
    return f"{opening}{', '.join(_arguments(tree))}{closing}"


def _applied(tree: Tree) -> str:
    called, *given = _arguments(tree)
    return f"{called}({', '.join(given)})"


def _tuple(tree: Tree) -> str:
    only = "," if len(tree.parts) == 1 else ""
    return f"({', '.join(map(text, tree.placed))}{only})"


def _dict(tree: Tree) -> str:
    return f"{{{', '.join(f'{json.dumps(key)}: {text(part)}' for key, part in tree.parts.items())}}}"


def _slice(tree: Tree) -> str:
    start, stop, step = ("" if part == Literal(None) else text(part) for part in tree.placed)
    return f"{start}:{stop}" + (f":{step}" if step else "")


def _subscript(tree: Tree) -> str:
    value, *index = tree.placed
    return f"{text(value)}[{', '.join(map(text, index))}]"


def _binary(tree: Tree) -> str:
    return f" {tree.label} ".join(text(part) for part in tree.placed)


_TREES: Mapping[str, Callable[[Tree], str]] = {
    "apply": _applied,
    **dict.fromkeys((*_CALLS, "list"), _enclosed),
    "tuple": _tuple,
    "dict": _dict,
    "slice": _slice,
    "subscript": _subscript,
    "binary": _binary,
}


def _number(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is Ellipsis:
        return "..."
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def escaped(name: str) -> str:
    """A string inside of an f-string."""
    return json.dumps(name, ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
