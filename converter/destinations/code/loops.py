"""Calls of one function in a row, whose names count up, are a loop.

Given    x = block(x, rate=0.0, name="layers-0");  x = block(x, rate=0.1, name="layers-1")
Result   for index, each_rate in enumerate([0.0, 0.1]):
             x = block(x, rate=each_rate, name=f"layers-{index}")
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from converter.destinations.code.expressions import (
    INDENT,
    Expression,
    Literal,
    Name,
    Named,
    Tree,
    call,
    escaped,
    group,
    lines,
    text,
)
from converter.destinations.code.variables import Line

_LEAST = 3
"""Fewer calls are written out where their arguments differ."""

_MOST_VARYING = 3


@dataclass(frozen=True)
class _Numbered:
    """A name around a number."""

    before: str
    number: int
    after: str


def code(statements: Sequence[Line], indent: str) -> list[str]:
    """The lines of a function's statements."""
    written = [_loop(run, indent) if len(run) > 1 else _plain(run[0], indent) for run in _runs(statements)]
    return [line for part in written for line in part]


def ends_in_loop(statements: Sequence[Line]) -> bool:
    """Whether the last statement is in a loop."""
    return len(_runs(statements)[-1]) > 1


def _runs(statements: Sequence[Line]) -> list[Sequence[Line]]:
    """The statements, those together that are one loop."""
    runs: list[Sequence[Line]] = []
    place = 0
    while place < len(statements):
        run = _run(statements, place)
        runs.append(run if len(run) > 1 and _is_shorter(run) else run[:1])
        place += len(runs[-1])
    return runs


def _plain(line: Line, indent: str) -> list[str]:
    return lines(f"{', '.join(line.targets)} = ", line.expression, indent)


def _run(statements: Sequence[Line], place: int) -> list[Line]:
    """The longest run from a statement on."""
    first = statements[place]
    start = _numbered(first)
    if start is None:
        return [first]
    found = [first]
    for following in range(place + 1, len(statements)):
        line = statements[following]
        follows = _numbered(line) == _Numbered(start.before, start.number + len(found), start.after)
        if not follows or line.targets != first.targets or _fixed(line) != _fixed(first):
            break
        found.append(line)
    return found if found[0].targets == [text(part) for part in _tree(first).placed[:1]] else [first]


def _is_shorter(run: Sequence[Line]) -> bool:
    """Whether a loop is shorter than the calls."""
    varying = _varying(run)
    return len(varying) <= _MOST_VARYING and (not varying or len(run) >= _LEAST)


def _varying(run: Sequence[Line]) -> list[str]:
    """The arguments that differ from call to call."""
    keys = [key for key in _tree(run[0]).keywords if key != "name"]
    return [key for key in keys if len({text(_tree(line).parts[key]) for line in run}) > 1]


def _loop(run: Sequence[Line], indent: str) -> list[str]:
    first, start, varying = _tree(run[0]), _numbered(run[0]), _varying(run)
    assert start is not None  # a run has numbers
    parts = dict(first.parts)
    parts |= {key: Name(_each(key)) for key in varying}
    parts["name"] = _indexed(first.parts["name"], start)
    names, counted = _counted(run, start.number, varying)
    *head, last = lines(f"for {names} in ", counted, indent)
    body = lines(f"{', '.join(run[0].targets)} = ", Tree(first.kind, first.label, parts), indent + INDENT)
    return [*head, f"{last}:", *body]


def _counted(run: Sequence[Line], start: int, varying: Sequence[str]) -> tuple[str, Tree]:
    """What counts, and what it runs over."""
    if not varying:
        bounds = [Literal(start), Literal(start + len(run))] if start else [Literal(len(run))]
        return "index", call("range", *bounds)
    rows = [[_tree(line).parts[key] for key in varying] for line in run]
    values = group("list", [row[0] if len(row) == 1 else group("tuple", row) for row in rows])
    own = [_each(key) for key in varying]
    names = own[0] if len(own) == 1 else f"({', '.join(own)})"
    return f"index, {names}", call("enumerate", values, *([Literal(start)] if start else []))


def _each(key: str) -> str:
    """No name of a parameter, which may stand in what the loop runs over."""
    return f"each_{key}"


def _indexed(name: Expression, start: _Numbered) -> Name:
    """The name, with the loop's index for its number."""
    whole = "{name}" if isinstance(name, Named) else ""
    return Name(f'f"{whole}{escaped(start.before)}{{index}}{escaped(start.after)}"')


def _numbered(line: Line) -> _Numbered | None:
    """The last number in the name that a call gives."""
    tree = line.expression
    if not isinstance(tree, Tree) or tree.kind != "nested":
        return None
    name = tree.parts.get("name")
    written = name.rest if isinstance(name, Named) else name.value if isinstance(name, Literal) else ""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", written)
    return None if found is None else _Numbered(found[1], int(found[2]), found[3])


def _fixed(line: Line) -> tuple[str, type, list[str], list[str]]:
    """What all calls of a loop share: the function, and its tensors."""
    tree = _tree(line)
    return tree.label, type(tree.parts["name"]), [text(part) for part in tree.placed], sorted(tree.keywords)


def _tree(line: Line) -> Tree:
    assert isinstance(line.expression, Tree)  # _numbered has looked
    return line.expression
