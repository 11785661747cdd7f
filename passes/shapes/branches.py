"""Ifs whose branches give outputs of different ranks: what comes after them can run with one, as a rule.

TorchScript writes `squeeze(-1)` as an If on a size. The recurrent net behind it takes three axes, so that the source
itself stops where the other branch is taken:

    s = If(Equal(t, 1)) <then: Squeeze(x, -1); else: Identity(x)>;  LSTM(Unsqueeze(s, 0), …)        x: [batch, c, t]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import onnx_ir as ir

from passes.errors import ConversionError, Unsupported, describe

MOST_TRIED = 64
"""Walks over a graph, at most."""

Choices = Mapping[str, bool]
"""Whether the then branch is taken, by `key_of` an If."""


class Undecided(Unsupported):
    """An If whose branches differ in rank: the walk needs to be told which is taken."""

    def __init__(self, node: ir.Node) -> None:
        super().__init__(
            "The branches of an If give outputs of different ranks, and which is taken depends on the input.",
            node=describe(node),
            hint="where it depends on sizes, fix them: --input NAME=float32[1,3,224,224]",
        )
        self.key = key_of(node)
        self.is_of_sizes = _rests_on_sizes(node.inputs[0])


def key_of(node: ir.Node) -> str:
    """What tells an If from others in one graph and its copies."""
    return next((value.name for value in node.outputs if value.name), node.name) or ""


def _rests_on_sizes(condition: ir.Value | None) -> bool:
    """Whether sizes decide: what numbers decide may go either way wherever the model runs."""
    pending, seen = [condition], set[ir.Value]()
    while pending:
        value = pending.pop()
        if value is None or value in seen or value.is_initializer():
            continue
        seen.add(value)
        maker = value.producer()
        if maker is None:
            return False
        if maker.op_type not in ("Shape", "Size"):
            pending += maker.inputs
    return True


def choose_branches(model: ir.Model, walk: Callable[[ir.Model, Choices], None]) -> Choices:
    """The only choice with which a walk over a copy comes to the end; empty where the walk needs none.

    Args:
        walk: raises a ConversionError where it does not come to the end, Undecided where it needs another choice.

    Raises:
        Unsupported: it comes to the end with several choices: then which one is right depends on the input.
        ConversionError: with none.
    """
    try:
        return _Search(model, walk).find({})
    except Undecided as undecided:
        raise Unsupported(undecided.message, node=undecided.node, hint=undecided.hint) from undecided


class _Search:
    def __init__(self, model: ir.Model, walk: Callable[[ir.Model, Choices], None]) -> None:
        self._model = model
        self._walk = walk
        self._left = MOST_TRIED

    def find(self, choices: Choices) -> Choices:
        self._left -= 1
        try:
            self._walk(self._model.clone(), choices)
        except Undecided as undecided:
            if self._left <= 0 or undecided.key in choices or not undecided.is_of_sizes:
                raise
            return self._of_both(choices, undecided)
        return choices

    def _of_both(self, choices: Choices, undecided: Undecided) -> Choices:
        found: list[Choices] = []
        for taken in (True, False):
            with suppress(ConversionError):
                found.append(self.find({**choices, undecided.key: taken}))
        if len(found) != 1:
            raise undecided
        return found[0]
