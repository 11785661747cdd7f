"""Through a model that somebody has written, layer by layer as it runs: each gets the numbers of its partner.

The partner is the layer of the source that is given the same and makes the same of it. Where several are (queries, keys
and values), names decide and then the order, and the next layer tells whether it was right (choices.py). Where none is,
the two architectures part: that is noted, and what the source has there goes on in its place, so that one difference
does not hide those that follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from converter.weights.port.calls import Array, Run, feed, first_array, intercepting, own_variables
from converter.weights.port.flattening import flattened_otherwise
from converter.weights.port.partners import Called, Matched, difference, give, instead, likeness, path_of, same
from converter.weights.port.readings import HeldTensor, Reading, readings
from converter.weights.port.sources import SourceLayer
from converter.weights.port.tables import table_of, tables_of

SAME_INPUT = 1e-3
"""Of the largest number: rounding adds up on the way."""

SAME_OUTPUT = 2e-5
"""Of one layer."""

LOOK_AHEAD = 3


class WrongChoice(Exception):
    """A layer is given what no layer of the source is, after choices that only names and order have made."""


@dataclass
class PortWalk:
    """One attempt.

    Attributes:
        sources: of the source, in the order of their calls.
        told: by the path of a variable: what a map says that it holds.
        chosen: for layers at which there was a choice, by their names: which of the partners to take.
        matched: in the order of calls.
        alone: layers without a partner.
        open: layers with a choice since the last that confirmed them, and how many partners each could have.
    """

    sources: Sequence[SourceLayer]
    told: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    patient: bool = False
    matched: list[Matched] = field(default_factory=list)
    alone: list[Any] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    _before: list[Any] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)
    _used: set[tuple[int, tuple[int, int] | None]] = field(default_factory=set)

    def through(self, model: Any, inputs: Sequence[Array]) -> list[Array]:
        """Run the model, and give its layers their numbers on the way; what it puts out in the end.

        Raises:
            WrongChoice: another of the choices has to be tried.
        """
        with intercepting(self._meet, self._before.append):
            return feed(model, inputs)

    def _meet(self, layer: Any, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before, given = tuple(self._before), first_array((args, kwargs))
        self._before.clear()
        if id(layer) in self._known or given is None:
            return run(*args, **kwargs)
        self._known.add(id(layer))
        call = Called(layer, run, args, kwargs, given, before)
        found = self._partner(call)
        if found is None:
            self.alone.append(layer)
            return call.make()
        self._used |= found.reading.keys
        self.matched.append(found)
        return call.make() if found.is_equal else instead(layer, found.reading, call.make())

    def _partner(self, call: Called) -> Matched | None:
        possible = self._possible(call.layer)
        alike = [reading for reading in possible if same(call.given, reading.source.given, SAME_INPUT)]
        alike = [reading for reading in alike if reading.part is None] or alike  # any part fits: it is the last resort
        alike = alike or list(flattened_otherwise(call.given, possible, SAME_INPUT))
        equal: dict[Any, Matched] = {}
        for reading in alike or self._next(call, possible):
            if reading.key not in equal and (tried := self._tried(call, reading)).made_same:
                equal[reading.key] = tried
        if equal:
            return self._choose(call.layer, list(equal.values()))
        if self.open and not alike and not self.patient:
            raise WrongChoice
        return self._table(call, possible) or self._parted(call, alike, possible)

    def _next(self, call: Called, possible: Sequence[Reading]) -> list[Reading]:
        """Those that come next in the source: padded otherwise, what they are given looks different and is the same."""
        plain = sorted((r for r in possible if _is_plain(r) and not r.source.is_table), key=lambda r: r.source.number)
        return [reading for reading in plain[:LOOK_AHEAD] if reading.source.made.ndim == call.given.ndim]

    def _table(self, call: Called, possible: Sequence[Reading]) -> Matched | None:
        """A parameter that is a layer in one model and a table in the other."""
        best = table_of(call.layer, possible) or tables_of(call.layer, self._free(), self.told)
        if best is None:
            return None
        give(call.layer, best)
        return Matched(call.layer, best, True, True, 0.0, call.before)

    def _parted(self, call: Called, alike: Sequence[Reading], possible: Sequence[Reading]) -> Matched | None:
        """The partner that is to be supposed where none is given the same and makes the same of it."""
        others = alike or [reading for reading in possible if not reading.source.is_table and _is_plain(reading)]
        if not others:
            return None
        best = min(others, key=lambda reading: reading.source.number)
        found = self._tried(call, best)
        if alike:
            return found
        made = call.at(best.source.given)
        return replace(found, given_same=False, made_same=difference(made, best.made) <= SAME_OUTPUT)

    def _possible(self, layer: Any) -> list[Reading]:
        """Ways to fill the layer from what is not used yet."""
        variables = own_variables(layer)
        wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
        told = {self.told[variable.path] for variable in variables.values() if variable.path in self.told}
        return [
            reading
            for source in self._free()
            if told <= {each.source for each in source.tensors.values()}
            for reading in readings(wanted, source)
            if reading.key not in self._used
        ]

    def _free(self) -> list[SourceLayer]:
        return [source for source in self.sources if (source.number, None) not in self._used]

    def _tried(self, call: Called, reading: Reading) -> Matched:
        give(call.layer, reading)
        apart = difference(call.linear(), reading.made)
        return Matched(call.layer, reading, True, apart <= SAME_OUTPUT, apart, call.before)

    def _choose(self, layer: Any, equal: Sequence[Matched]) -> Matched:
        ranked = sorted(
            equal, key=lambda m: (-likeness(layer, m.reading), m.reading.source.number, m.reading.part or ())
        )
        place = self.chosen.get(path_of(layer), 0) % len(ranked)
        if len(ranked) > 1:
            self.open[path_of(layer)] = len(ranked)
        elif not self._beside(ranked[0]):
            self.open.clear()
        give(layer, ranked[place].reading)
        return ranked[place]

    def _beside(self, found: Matched) -> bool:
        """Whether it is given what the layer before was: then it says nothing of what that one has made."""
        return bool(self.matched) and same(found.reading.source.given, self.matched[-1].reading.source.given, 0.0)


def _is_plain(reading: Reading) -> bool:
    """No guess: the tensors of one layer, none of them turned."""
    held = [told for told in reading.variables.values() if isinstance(told, HeldTensor)]
    return reading.part is None and all(kind == "reshape" for told in held for kind, _ in told.steps)
