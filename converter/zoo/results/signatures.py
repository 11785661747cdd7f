"""Errors without what is particular to one model, so that models that fail for one reason share a signature."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 240
"""Characters of a signature: messages of other libraries go on for pages."""

_DELIBERATE = {"usage", "bad-source", "export-failed", "unsupported", "not-equivalent", "limit", "conversion"}
"""The kinds of passes.errors. Their messages say enough; for all else the stage is part of the reason."""

_NODES = re.compile(r"\s+At (?:\S+ node .*|[,. ]*)$")
"""What `passes.errors.joined` puts behind a message: the nodes that have the problem."""

_RULES = [
    # A node, as passes.errors.describe puts it, with the module it came from.
    (re.compile(r"\bnode (?:'[^']*'|\"[^\"]*\")(?: in module [^\s,]+)?"), "node …"),
    (re.compile(r"\bin module [^\s,]+"), "in module …"),
    (re.compile(r"\bat inputs .+? \([\d, ]*\)(?=: )"), "at inputs …"),
    # A mode or another choice of an operator is the reason itself: it stays, in quotes that the next rule leaves alone.
    (re.compile(r"(?<==)'([a-z_]+)'|(?<=\bmode )'([a-z_]+)'"), "\x00\\1\\2\x00"),
    (re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|`[^`\n]*`"), "…"),
    (
        re.compile(r"\b[a-z][a-z0-9+]*://\S+|(?:(?<=[\s(=,])|^)(?:[A-Za-z]:|\.{0,2})?(?:[/\\][\w.@%+~-]+){2,}[/\\]?"),
        "…",
    ),
    (re.compile(r"\b0x[0-9a-fA-F]+"), "…"),
    # A name with a number in it is of one model: layer1.0.conv1, conv2d_12. torch.float16 is of all of them.
    (re.compile(r"(?<![\w.])(?!(?:torch|numpy|keras|onnx)\.)(?=[\w.]*\d)[A-Za-z_]\w*(?:\.\w+)+"), "…"),
    (re.compile(r"(?<![\w.])[a-z]\w*_\d+(?!\w)"), "…"),
    (re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?(?!\w)"), "N"),
    (re.compile(r"([(\[])N(?:(?:, ?| ?[x×] ?)(?:N|None))*,?([)\]])"), r"\1N\2"),
    (re.compile("\x00"), "'"),
    (re.compile(r"\s+"), " "),
]
"""Applied in this order."""

_PLACE = re.compile(r"\b(Input|Output) (\d+) of\b")


@dataclass(frozen=True)
class SameSignature:
    """The models that have one signature.

    Attributes:
        signature: what they share.
        models: all that have it.
        alone: those that have no other one: what is done about it makes them work, as far as one can tell.
    """

    signature: str
    models: tuple[str, ...]
    alone: tuple[str, ...]


def signatures(detail: Mapping[str, Any]) -> list[str]:
    """Every reason in a result's `detail`, each once: an unsupported model may have several. None for no detail."""
    kind, message = detail.get("kind"), str(detail.get("message") or "").strip()
    if kind == "unsupported":
        lines = [_NODES.sub("", line) for line in message.splitlines() if line.strip()]
        return list(dict.fromkeys(_signature(kind, line) for line in lines)) or [kind]
    kind = kind or detail.get("signal") or _exit(detail.get("exit_code"))
    if not kind and not message:
        return []
    text = _signature(str(kind or ""), message.splitlines()[0] if message else "")
    stage = detail.get("stage")
    said = kind in _DELIBERATE or not stage or f"in stage {stage}" in message
    return [text if said else f"{text} (in stage {stage})"]


def signature(detail: Mapping[str, Any]) -> str:
    """All of `signatures` as one text; "" for no detail."""
    return "; ".join(signatures(detail))


def group(failures: Iterable[tuple[str, Sequence[str]]]) -> list[SameSignature]:
    """Models by signature: first what would make the most of them work, then what most of them have.

    Args:
        failures: the name and the signatures of each model that failed.
    """
    models: dict[str, list[str]] = {}
    alone: dict[str, list[str]] = {}
    for name, found in failures:
        for text in found:
            models.setdefault(text, []).append(name)
        if len(found) == 1:
            alone.setdefault(found[0], []).append(name)
    groups = [SameSignature(text, tuple(names), tuple(alone.get(text, ()))) for text, names in models.items()]
    return sorted(groups, key=lambda one: (-len(one.alone), -len(one.models), one.signature))


def _signature(kind: str, message: str) -> str:
    text = f"{kind}: {_general(message)}" if kind and message else kind or _general(message)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _general(message: str) -> str:
    # "Input 3 of Resize" is one feature and "Input 2 of Resize" another: words keep their number from the rules.
    text = _PLACE.sub("\\1\x01_\\2 of", message[: 20 * LONGEST])
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.replace("\x01_", " ").strip()


def _exit(code: Any) -> str:
    return "" if code is None else f"exit code {code}"
