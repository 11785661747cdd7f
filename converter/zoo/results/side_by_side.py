"""The same models by several backends, side by side: totals, who is right where, and the pairs one by one."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from converter.zoo.records.result import MISMATCH, UNSUPPORTED, VERIFIED
from converter.zoo.results.summary import Summary

RIGHT, WRONG, REFUSED, FAILED = "right", "wrong", "refused", "failed"
VERDICTS = {VERIFIED: RIGHT, MISMATCH: WRONG, UNSUPPORTED: REFUSED}
"""By status; any other is a failure."""

SHOWN = 200
"""Pairs that the page lists, those first whose backends disagree; the table of models has all results."""

Pair = Mapping[str, Summary]
"""By backend."""


def side_by_side(summaries: Sequence[Summary], link: Callable[[Summary], str | None]) -> dict[str, Any] | None:
    """What the page says of them; None for a run by one backend.

    Times and sizes are medians over the models that every backend has right: what fails is fast, and writes nothing.
    """
    backends = list(dict.fromkeys(one.backend for one in summaries))
    if len(backends) < 2:
        return None
    pairs: dict[str, dict[str, Summary]] = {}
    for one in summaries:
        pairs.setdefault(one.model, {})[one.backend] = one
    everywhere = [pair for pair in pairs.values() if all(_verdict(pair, backend) == RIGHT for backend in backends)]
    listed = sorted(pairs, key=lambda model: not _disagree(pairs[model], backends))
    return {
        "totals": [_total(backend, list(pairs.values()), everywhere) for backend in backends],
        "models": len(pairs),
        "everywhere": len(everywhere),
        "agreement": _agreement(list(pairs.values()), backends),
        "pairs": [_row(model, pairs[model], backends, link) for model in listed[:SHOWN]],
        "more": len(pairs) - len(listed[:SHOWN]),
    }


def _verdict(pair: Pair, backend: str) -> str | None:
    """None where there is no result yet."""
    return VERDICTS.get(pair[backend].status, FAILED) if backend in pair else None


def _disagree(pair: Pair, backends: Sequence[str]) -> bool:
    return len({_verdict(pair, backend) for backend in backends}) > 1


def _total(backend: str, pairs: Sequence[Pair], everywhere: Sequence[Pair]) -> dict[str, Any]:
    counts = Counter(_verdict(pair, backend) for pair in pairs)
    both = [pair[backend] for pair in everywhere]
    return {
        "backend": backend,
        **{verdict: counts[verdict] for verdict in (RIGHT, WRONG, REFUSED, FAILED)},
        "seconds": _median([one.seconds for one in both]),
        "bytes": _median([one.output_bytes for one in both]),
        "latency": _median([one.latency_ms for one in both]),
        "onnxruntime": _median([one.onnxruntime_ms for one in both]),
    }


def _agreement(pairs: Sequence[Pair], backends: Sequence[str]) -> list[tuple[list[str | None], int]]:
    """How often each combination of verdicts occurs, the most frequent first."""
    counts = Counter(tuple(_verdict(pair, backend) for backend in backends) for pair in pairs)
    return [(list(verdicts), count) for verdicts, count in counts.most_common()]


def _row(model: str, pair: Pair, backends: Sequence[str], link: Callable[[Summary], str | None]) -> dict[str, Any]:
    cells = [_cell(pair[backend], link) if backend in pair else None for backend in backends]
    return {"model": model, "cells": cells, "disagree": _disagree(pair, backends)}


def _cell(one: Summary, link: Callable[[Summary], str | None]) -> dict[str, Any]:
    return {
        "status": one.status,
        "link": link(one),
        "why": "" if one.status == VERIFIED else str(one.detail.get("message") or ""),
        "seconds": one.seconds,
        "bytes": one.output_bytes,
        "latency": one.latency_ms,
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
