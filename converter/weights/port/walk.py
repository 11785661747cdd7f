"""Through a model that somebody has written, layer by layer as it runs: each gets the numbers of its partner.

The partner is the layer of the source that is given the same and makes the same of it. Where several are (queries, keys
and values), names decide and then the order, and the next layer tells whether it was right. Where none is, the two
architectures part: that is noted, and what the source has there goes on in its place, so that one difference does not
hide those that follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from converter.weights.port.calls import Array, Run, activated, feed, first_array, intercepting, linear, own_variables
from converter.weights.port.readings import Filled, Held, Reading, readings
from converter.weights.port.sources import SourceLayer

SAME_INPUT = 1e-3
"""Of the largest number: rounding adds up on the way."""

SAME_OUTPUT = 2e-5
"""Of one layer."""

LOOK_AHEAD = 3

QUERY_KEY_VALUE = re.compile(r"(?:^|[\W_])(?:(q|query)|(k|key)|(v|value))(?:$|[\W_])")


@dataclass(frozen=True)
class Matched:
    """A layer and its partner.

    Attributes:
        given_same, made_same: whether its input is that of the partner, and its output for the same input.
        difference: the greatest between the two outputs, as a part of the largest number.
        before: layers and operations without variables between the layer called before and this.
    """

    layer: Any
    reading: Reading
    given_same: bool
    made_same: bool
    difference: float
    before: tuple[Any, ...] = ()

    @property
    def is_equal(self) -> bool:
        return self.given_same and self.made_same


@dataclass(frozen=True)
class Called:
    """A call of a layer, held up: `run` makes it."""

    layer: Any
    run: Run
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: Array
    before: tuple[Any, ...]

    def make(self) -> Any:
        return self.run(*self.args, **self.kwargs)

    def linear(self, *args: Any) -> Array | None:
        """What the layer gives without its own activation, for these arguments or its own."""
        with linear(self.layer):
            return first_array(self.run(*(args or self.args), **self.kwargs))

    def at(self, given: Array) -> Array | None:
        """The same for the source's own input; None where the layer does not take it."""
        try:
            return self.linear(keras.ops.convert_to_tensor(given), *self.args[1:])
        except Exception:  # noqa: BLE001 - whatever a layer of somebody's raises
            return None


class WrongChoice(Exception):
    """A layer is given what no layer of the source is, after choices that only names and order have made."""


@dataclass
class Walk:
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
        self._used.add(found.reading.key)
        self.matched.append(found)
        return call.make() if found.is_equal else _instead(layer, found.reading, call.make())

    def _partner(self, call: Called) -> Matched | None:
        possible = self._possible(call.layer)
        alike = [reading for reading in possible if _same(call.given, reading.source.given, SAME_INPUT)]
        alike = [reading for reading in alike if reading.part is None] or alike  # any part fits: it is the last resort
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
        """A parameter that is a layer in one model and a table in the other: its shape says which, then the order."""
        looked_up = isinstance(call.layer, keras.layers.Embedding)
        tables = [
            reading
            for reading in possible
            if reading.source.is_table and _is_whole(reading) and (reading.source.is_parameter or not looked_up)
        ]
        if not tables:
            return None
        best = min(tables, key=lambda reading: (-_likeness(call.layer, reading), reading.source.number))
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
        return replace(found, given_same=False, made_same=_difference(made, best.made) <= SAME_OUTPUT)

    def _possible(self, layer: Any) -> list[Reading]:
        """Ways to fill the layer from what is not used yet."""
        variables = own_variables(layer)
        wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
        told = {self.told[variable.path] for variable in variables.values() if variable.path in self.told}
        return [
            reading
            for source in self.sources
            if (source.number, None) not in self._used and told <= {each.source for each in source.tensors.values()}
            for reading in readings(wanted, source)
            if reading.key not in self._used
        ]

    def _tried(self, call: Called, reading: Reading) -> Matched:
        give(call.layer, reading)
        difference = _difference(call.linear(), reading.made)
        return Matched(call.layer, reading, True, difference <= SAME_OUTPUT, difference, call.before)

    def _choose(self, layer: Any, equal: Sequence[Matched]) -> Matched:
        ranked = sorted(
            equal, key=lambda m: (-_likeness(layer, m.reading), m.reading.source.number, m.reading.part or ())
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
        return bool(self.matched) and _same(found.reading.source.given, self.matched[-1].reading.source.given, 0.0)


def give(layer: Any, reading: Reading) -> None:
    """The numbers of a reading to the layer's variables."""
    for name, variable in own_variables(layer).items():
        told = reading.variables[name]
        variable.assign(np.full(variable.shape, told.value) if isinstance(told, Filled) else told.array)


def walked(
    model: Any, sources: Sequence[SourceLayer], inputs: Sequence[Array], told: Mapping[str, str]
) -> tuple[Walk, list[Array]]:
    """Give the model's layers their numbers; the walk that got furthest, and what the model puts out.

    Args:
        model: as `feed` takes it. Its variables are changed.
        inputs: in its own order.
        told: by the path of a variable the name of the tensor that it holds, where that is known.
    """
    settled: dict[str, int] = {}
    while True:
        walk = Walk(sources, told, settled)
        try:
            return walk, walk.through(model, inputs)
        except WrongChoice:
            better = _better(walk, model, sources, inputs, told, settled)
        if better is None:
            walk = Walk(sources, told, settled, patient=True)
            return walk, walk.through(model, inputs)
        settled = better


def _better(
    walk: Walk,
    model: Any,
    sources: Sequence[SourceLayer],
    inputs: Sequence[Array],
    told: Mapping[str, str],
    settled: Mapping[str, int],
) -> dict[str, int] | None:
    """Choices with which a walk gets further; None where there are none."""
    for chosen in orders(walk.open):
        attempt = Walk(sources, told, {**settled, **chosen})
        try:
            attempt.through(model, inputs)
        except WrongChoice:
            if len(attempt.matched) <= len(walk.matched):
                continue
        return dict(attempt.chosen)
    return None


def orders(open_choices: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Other ways to choose: the partners are taken one after another, so that the first of three has three."""
    names = list(open_choices)
    counts = [open_choices[name] for name in names]
    total = int(np.prod(counts))
    for number in range(1, min(total, 120)):
        chosen, rest = {}, number
        for name, count in zip(names, counts, strict=True):
            rest, chosen[name] = divmod(rest, count)
        yield chosen


def path_of(layer: Any) -> str:
    """Of a layer with variables: the names of those around it and its own."""
    return str(next(iter(own_variables(layer).values())).path.rpartition("/")[0])


def _is_plain(reading: Reading) -> bool:
    """No guess: the tensors of one layer, none of them turned."""
    held = [told for told in reading.variables.values() if isinstance(told, Held)]
    return reading.part is None and all(kind == "reshape" for told in held for kind, _ in told.steps)


def _is_whole(reading: Reading) -> bool:
    """All that the layer has is in the table, and nothing was made up."""
    return reading.part is None and all(isinstance(told, Held) for told in reading.variables.values())


def _likeness(layer: Any, reading: Reading) -> float:
    """How much the names say the same: of queries, keys and values the kind first."""
    wanted = _kind(path_of(layer))
    if reading.part is not None and reading.part[1] == 3:
        found: int | None = reading.part[0]
    else:
        found = _kind(reading.source.path)
    same_kind = 0 if None in (wanted, found) else (2 if wanted == found else -2)
    ours, theirs = (_words(path) for path in (path_of(layer), reading.source.path))
    return same_kind + len(ours & theirs) / max(len(ours | theirs), 1)


def _kind(path: str) -> int | None:
    places = [place for match in QUERY_KEY_VALUE.finditer(path) for place in range(3) if match.group(place + 1)]
    return places[-1] if places else None


def _words(path: str) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", path.lower()))


def _same(a: Array, b: Array, tolerance: float) -> bool:
    return a.size == b.size and _difference(a, b) <= tolerance


def _difference(a: Array | None, b: Array) -> float:
    """The greatest, as a part of the largest number; infinite where the sizes differ."""
    if a is None or a.size != b.size:
        return float("inf")
    first, second = a.reshape(-1).astype("float64"), b.reshape(-1).astype("float64")
    if not first.size:
        return 0.0
    scale = max(float(np.abs(second).max()), 1e-30)
    return float(np.nan_to_num(np.abs(first - second), nan=np.inf).max()) / scale


def _instead(layer: Any, reading: Reading, own: Any) -> Any:
    """What the source has at this place, as the layer would give it."""
    parts = keras.tree.flatten(own)
    made = reading.made
    if made.size == int(np.prod(parts[0].shape)):
        made = made.reshape(tuple(parts[0].shape))
    parts[0] = activated(layer, keras.ops.convert_to_tensor(made, keras.backend.standardize_dtype(parts[0].dtype)))
    return keras.tree.pack_sequence_as(own, parts)
