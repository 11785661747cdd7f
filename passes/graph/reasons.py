"""What the fusing passes share: each tries its pattern at every root, and says why one does not match.

A fusion starts at its rarest operator and walks from there. Where the walk ends otherwise than the pattern does, it
raises `NoMatch` with the reason, before it has changed anything. `keraport inspect SOURCE --why NODE` shows them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import onnx_ir as ir

from passes.errors import describe
from passes.graph.builder import FreshNames

log = logging.getLogger("keraport.fusions")


class NoMatch(Exception):
    """The nodes are not what a fusion looks for. The message is the reason, a sentence."""


@dataclass(frozen=True)
class Attempt:
    """A root at which a fusion was tried; `reason` is "" where it matched."""

    fusion: str
    node: str
    names: frozenset[str]
    reason: str

    def __str__(self) -> str:
        return f"{self.fusion} at {self.node}: {self.reason or 'matched'}"


class Fusion(ir.passes.InPlacePass):
    """Replace several nodes by one, wherever the pattern of the subclass matches.

    Attributes:
        roots: the operators at which the pattern is tried.
    """

    roots: ClassVar[frozenset[str]]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names = FreshNames(model)
        modified = False
        for node in model.graph.all_nodes():
            if node.domain == "" and node.op_type in self.roots and node.graph is not None:
                modified |= self._try(node, names)
        return ir.passes.PassResult(model, modified)

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        """Replace the nodes around the root.

        Raises:
            NoMatch: they are not the pattern; the graph is as it was.
        """
        raise NotImplementedError

    def _try(self, root: ir.Node, names: FreshNames) -> bool:
        told = log.isEnabledFor(logging.DEBUG)
        site = (
            (describe(root), frozenset(str(n) for n in (root.name, *(v.name for v in root.outputs)))) if told else None
        )
        reason = ""
        try:
            self.fuse(root, names)
        except NoMatch as error:
            reason = str(error)
        if site is not None:
            attempt = Attempt(type(self).__name__, *site, reason)
            log.debug("%s", attempt, extra={"attempt": attempt})
        return not reason


@contextlib.contextmanager
def attempts() -> Iterator[list[Attempt]]:
    """Every attempt that is made inside."""
    found: list[Attempt] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.__dict__["attempt"])  # type: ignore[method-assign]
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    try:
        yield found
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate
