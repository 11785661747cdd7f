"""A run against an earlier one of the same models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from converter.zoo.records.result import VERIFIED
from converter.zoo.results.summary import Summary

SLOWER = 1.5
SLOWER_FLOOR = 5.0
"""A model is slower when it takes `SLOWER` times as long and at least this many seconds more: less is noise."""

LESS_EXACT = 2.0
LESS_EXACT_FLOOR = 0.05
"""A model is less exact when it uses `LESS_EXACT` times the share of its tolerance, and that is at least this share."""

FIXED = "fixed"
BROKEN = "broken"
CHANGED = "changed"
LESS = "less exact"
SLOW = "slower"
NEW = "new"
GONE = "gone"

KINDS = {
    FIXED: "verified now, and not before",
    BROKEN: "verified before, and not now",
    CHANGED: "not verified, for another reason than before",
    LESS: f"uses {LESS_EXACT:g} times the share of its tolerance or more, and at least {LESS_EXACT_FLOOR:.0%} of it",
    SLOW: f"takes {SLOWER:g} times as long or more, and at least {SLOWER_FLOOR:g} s more",
    NEW: "not in the earlier run",
    GONE: "in the earlier run only",
}
"""Every kind of change, with what it means. A model may be slower and less exact at once."""


@dataclass(frozen=True)
class Change:
    """One difference: `before` and `after` are statuses, seconds or shares of the tolerance, as text; "" for none."""

    name: str
    kind: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.kind} ({self.before or 'nothing'} → {self.after or 'nothing'})"


def compare_runs(before: Iterable[Summary], after: Iterable[Summary]) -> dict[str, list[Change]]:
    """The changes of each kind in `KINDS`, in the order of the later run; the greatest first where they have a size."""
    old = {summary.name: summary for summary in before}
    new = {summary.name: summary for summary in after}
    found: dict[str, list[tuple[float, Change]]] = {kind: [] for kind in KINDS}
    for name, summary in new.items():
        if name not in old:
            found[NEW].append((0.0, Change(name, NEW, "", summary.status)))
            continue
        for size, change in _changes(old[name], summary):
            found[change.kind].append((size, change))
    for name, summary in old.items():
        if name not in new:
            found[GONE].append((0.0, Change(name, GONE, summary.status, "")))
    return {kind: [change for _, change in sorted(changes, key=lambda one: -one[0])] for kind, changes in found.items()}


def status_change(name: str, before: str, after: str) -> Change | None:
    """Whether it is fixed, broken or changed; None where the status is the same."""
    if before == after:
        return None
    kind = FIXED if after == VERIFIED else BROKEN if before == VERIFIED else CHANGED
    return Change(name, kind, before, after)


def _changes(old: Summary, new: Summary) -> list[tuple[float, Change]]:
    """Each with its size. Time and error are compared where both are verified: a failure is fast, and has no error."""
    change = status_change(new.name, old.status, new.status)
    if change is not None:
        return [(0.0, change)]
    found = []
    if new.status == VERIFIED:
        if new.seconds >= SLOWER * old.seconds and new.seconds - old.seconds >= SLOWER_FLOOR:
            size = new.seconds / max(old.seconds, 1e-9)
            found.append((size, Change(new.name, SLOW, f"{old.seconds:.1f} s", f"{new.seconds:.1f} s")))
        if old.of_allowed is not None and new.of_allowed is not None:
            was, now = old.of_allowed, new.of_allowed
            if now >= LESS_EXACT_FLOOR and now >= LESS_EXACT * was and now > was:
                found.append((now / max(was, 1e-9), Change(new.name, LESS, f"{was:.1%}", f"{now:.1%}")))
    return found
