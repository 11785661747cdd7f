"""`--model-arg num_classes=10`: what a factory or a builder is called with."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from passes.errors import UsageError

_HINT = "Write it as name=value, for example num_classes=10."


def parse_model_args(texts: Iterable[str], what: str = "model argument") -> dict[str, Any]:
    """Read all `--model-arg` options, or others of that form, which `what` names.

    A value is a Python literal (10, 0.5, true, [1, 2], none) or else text.

    Raises:
        UsageError: one is not of the form name=value, or a name comes twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name or (what == "model argument" and not name.isidentifier()):
            raise UsageError(f"The {what} {text!r} cannot be read.", hint=_HINT)
        if name in found:
            raise UsageError(f"The {what} {name!r} is given twice.")
        found[name] = _value(value.strip())
    return found


def check_model_args(build: Callable[..., Any], arguments: Mapping[str, Any], what: str) -> None:
    """Raises:
    UsageError: the callable takes no argument of such a name."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise UsageError(
            f"{what} takes no argument {', '.join(map(repr, unknown))}.",
            hint=f"It takes {', '.join(known)}." if known else "It takes none.",
        )


def _value(text: str) -> Any:
    word = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    if word is not text:
        return word
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
