"""Whose weights a checkpoint holds. What names and shapes do not decide is refused, never chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from converter.sources.fingerprints.fingerprint import Free, fingerprinted, names_digest
from converter.sources.fingerprints.index import Architecture, read_index
from converter.sources.fingerprints.whole_states import whole_states
from passes.errors import UsageError

MOST_NAMED = 8


@dataclass(frozen=True)
class Recognised:
    """An architecture, what its builder is called with, and a sentence on how sure that is."""

    source: str
    arguments: dict[str, int]
    note: str


@dataclass(frozen=True)
class _Match:
    architecture: Architecture
    arguments: dict[str, int]
    state: dict[str, Any]

    @property
    def kin(self) -> int | str:
        kin = self.architecture.kin
        return self.architecture.source if kin is None else kin


def recognise(content: Any, file: str, told: Mapping[str, str] = MappingProxyType({})) -> Recognised | None:
    """The architecture whose names and shapes are all those in `content`; None where there is none.

    Args:
        content: of the checkpoint.
        file: its name.
        told: sources that something else says it is, each with what says so: that decides among those that would fit.

    Raises:
        UsageError: several would fit that do not compute the same, or it holds several models.
    """
    found: dict[str, list[_Match]] = {}
    for place, state in whole_states(content):
        matches = _matches(state)
        if matches:
            found.setdefault(place, matches)
    if not found:
        return None
    first, *others = found.values()
    for matches in others:
        if _sources(matches) != _sources(first):
            raise UsageError(
                f"{file} holds several models: {' and '.join(_sources(each)[0] for each in (first, matches))}.",
                hint=f"Give the one that is meant: {_sources(first)[0]} --checkpoint {file}.",
            )
    return _decided(first, file, told)


def _matches(state: Mapping[str, Any]) -> list[_Match]:
    own = fingerprinted(state)
    known = read_index().architectures.get(names_digest(own), []) if own else []
    found = [(architecture, architecture.arguments(own)) for architecture in known]
    return [_Match(architecture, arguments, own) for architecture, arguments in found if arguments is not None]


def _decided(matches: Sequence[_Match], file: str, told: Mapping[str, str]) -> Recognised:
    said = [match for match in matches if match.architecture.source in told]
    chosen = (said or matches)[0]
    if len({match.kin for match in said or matches}) > 1:
        given = "".join(f" --model-arg {name}={value}" for name, value in chosen.arguments.items())
        raise UsageError(
            f"{file} has the names and shapes of {_listed(_sources(matches))}; it is not known which.",
            hint=f"Give the one that it is: {chosen.architecture.source} --checkpoint {file}{given}.",
        )
    others = [match for match in matches if match is not chosen]
    source = chosen.architecture.source
    return Recognised(source, chosen.arguments, _note(chosen, others, told.get(source)))


def _note(match: _Match, others: Sequence[_Match], told: str | None) -> str:
    why = f"Recognised as {match.architecture.source} by all of its {len(match.state)} names and shapes"
    free = {"num_classes": match.architecture.classes, "in_chans": match.architecture.channels}
    for argument, value in match.arguments.items():
        seen = f" from {_seen_in(free[argument], match.state)}" if free[argument] else ", it has no classifier"
        why += f"; {argument}={value}{seen}"
    kin = _sources([other for other in others if other.kin == match.kin])
    strangers = _sources([other for other in others if other.kin != match.kin])
    same = f" {_listed(kin)} would compute the same." if kin else ""
    return f"{why}.{same}" + (f" {_listed(strangers)} would fit too; {told} decided." if strangers else "")


def _seen_in(free: Sequence[Free], state: Mapping[str, Any]) -> str:
    names = list(state)
    seen = [names[place.name] for place in free]
    return next((name for name in seen if name.endswith("weight")), seen[0])


def _sources(matches: Sequence[_Match]) -> list[str]:
    return list(dict.fromkeys(match.architecture.source for match in matches))


def _listed(sources: Sequence[str]) -> str:
    if len(sources) > MOST_NAMED:
        return f"{', '.join(sources[:MOST_NAMED])} and {len(sources) - MOST_NAMED} more"
    return " and ".join(filter(None, (", ".join(sources[:-1]), sources[-1])))
