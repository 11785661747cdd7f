"""Tensors get the names of variables: what is not needed any more gives its name to what comes next."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from converter.destinations.code.expressions import Expression, Name, Tensor, replaced, tensors_in
from converter.destinations.code.function_names import OF_THE_FILE
from converter.destinations.code.read import Statement

_NAMES = "xyzuvwpqrst"


@dataclass(frozen=True)
class Line:
    """`targets = expression`, with names for tensors."""

    targets: Sequence[str]
    expression: Expression


def named(
    inputs: Mapping[int, str], statements: Sequence[Statement], outputs: Expression, taken: Sequence[str] = ()
) -> tuple[list[Line], Expression]:
    """The statements and what is returned, with variables.

    Args:
        inputs: the variables of the inputs.
        taken: names that are no variables.
    """
    last = _last_uses(statements, outputs)
    names = dict(inputs)
    lines = []
    for place, statement in enumerate(statements):
        used = list(dict.fromkeys(tensors_in(statement.expression)))
        expression = _with_names(statement.expression, names)
        ended = [names.pop(number) for number in used if last[number] == place]
        targets = []
        for number in statement.targets:
            if number not in last:
                targets.append("_")
                continue
            others = {*names.values(), *taken}
            own = _after_layer(statement.layer)
            if own and own not in others:
                names[number] = own
            else:
                names[number] = ended.pop(0) if ended else fresh(others)
            targets.append(names[number])
        lines.append(Line(targets, expression))
    return lines, _with_names(outputs, names)


def _last_uses(statements: Sequence[Statement], outputs: Expression) -> dict[int, int]:
    """Tensor → the last statement that uses it, or what comes after all."""
    last = {number: place for place, each in enumerate(statements) for number in tensors_in(each.expression)}
    return last | dict.fromkeys(tensors_in(outputs), len(statements))


def _after_layer(name: str) -> str:
    """`wte` for `transformer-wte`; nothing where that is no name in Python."""
    last = re.split(r"\W", name)[-1]
    return last if last.isidentifier() and not keyword.iskeyword(last) and last not in OF_THE_FILE else ""


def fresh(taken: Collection[str]) -> str:
    """The first of x, y, z, …, x1, y1, … that is not taken."""
    names = (f"{letter}{number or ''}" for number in count() for letter in _NAMES)
    return next(name for name in names if name not in taken)


def _with_names(expression: Expression, names: Mapping[int, str]) -> Expression:
    def change(each: Expression) -> Expression | None:
        return Name(names[each.number]) if isinstance(each, Tensor) else None

    return replaced(expression, change)
