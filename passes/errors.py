"""The errors that keraport raises on purpose: what was asked, where, what is supported, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

MODULE_KEY = "keraport.module"
"""Node metadata key under which every node carries the dotted path of the source module it came from."""


class ConversionError(Exception):
    """A conversion that cannot go on. `exit_code` is what the command line returns for it.

    Args:
        message: what was asked and what stands in the way, in one or two sentences.
        node: the node at fault, as `describe` puts it.
        hint: what the person at the keyboard can do next.
    """

    kind = "conversion"
    exit_code = 1

    def __init__(self, message: str, *, node: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.hint = hint

    def to_dict(self) -> dict[str, str | None]:
        return {"kind": self.kind, "node": self.node, "message": self.message, "hint": self.hint}


class UsageError(ConversionError):
    """The call itself is wrong: an option, an input specification, an output path."""

    kind = "usage"


class BadSource(ConversionError):
    """The source cannot be read, does not fit its checkpoint, or must not be trusted."""

    kind = "bad-source"


class ExportFailed(BadSource):
    """PyTorch cannot capture the module as a graph."""

    kind = "export-failed"


class Unsupported(ConversionError):
    """An operator or a feature that keraport does not convert."""

    kind = "unsupported"
    exit_code = 2


class NotExportable(Unsupported):
    """PyTorch's exporter has no ONNX form for a part of the module."""

    kind = "export-failed"


class NotEquivalent(ConversionError):
    """The converted model computes something else than its source."""

    kind = "not-equivalent"
    exit_code = 3


class LimitExceeded(ConversionError):
    """A limit set for memory or time would be crossed."""

    kind = "limit"
    exit_code = 4


SHOWN = 20
"""How many nodes an error lists by name."""


def joined(problems: Sequence[ConversionError]) -> Unsupported:
    """One error for many nodes: each kind of problem once, with the nodes that have it."""
    nodes: dict[str, list[str]] = {}
    for problem in problems:
        nodes.setdefault(problem.message, []).append(problem.node or "")
    lines = [f"{message} At {_listed(where)}." for message, where in nodes.items()]
    hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
    hint = " ".join(hints) or "`keraport inspect SOURCE` lists what is supported and what is not."
    return Unsupported("\n".join(lines), node=problems[0].node, hint=hint)


def first_line(error: BaseException, width: int | None = None) -> str:
    """What a library says first, or the kind of its error where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:width]


def _listed(nodes: Sequence[str]) -> str:
    more = len(nodes) - SHOWN
    return ", ".join(nodes[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def operator(node: ir.Node) -> str:
    """`Conv`, or `com.example::Foo` outside of the standard domain."""
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type


def describe(node: ir.Node) -> str:
    """Name a node for an error message: its operator, its name and its module in the source."""
    module = node.metadata_props.get(MODULE_KEY)
    where = f" in module {module}" if module else ""
    return f"{operator(node)} node {node.name!r}{where}"
