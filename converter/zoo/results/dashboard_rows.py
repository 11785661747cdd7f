"""The models on a zoo's page, as data of its script: what it shows, and what it sorts and filters by."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from converter.zoo.records.result import VERIFIED
from converter.zoo.results.summary import Summary

COLUMNS = (
    ("name", "Model", False),
    ("status", "Status", False),
    ("label", "Family, tags", False),
    ("reason", "Reason", False),
    ("seconds", "Time (s)", True),
    ("memory", "Memory (MiB)", True),
    ("error", "max |Δ|", True),
    ("used", "Of allowed", True),
    ("transposes", "Trans\u00adposes", True),
    ("trained", "Trained, to source", True),
)
"""What the script sorts by, the heading, whether it is a number."""

_LABELS = {"page": "HTML", "report": "JSON", "output": "output", "stderr": "output", "model": "model"}
"""Kinds of `Result.files`, in the order in which a row links to them. Others go by their own name."""

_MESSAGE = 1200
"""Characters of a message that the page holds; the report has all of it."""

_STDERR_LINES = 5
_GREATEST = 1e300
"""Instead of infinity, which JSON has not."""


class Links:
    """Where a page finds the files of a run.

    Args:
        run: the run's folder.
        start: the page's folder.
    """

    def __init__(self, run: Path, start: Path) -> None:
        self._way = quote(Path(os.path.relpath(run.resolve(), start.resolve())).as_posix())

    def to(self, path: str) -> str | None:
        """An address for a file of the run, or for a URL that a browser can open; None for another URL.

        A path never becomes an address of its own: what looks like a scheme in it is quoted.
        """
        if "://" in path:
            return path if path.startswith(("https://", "http://")) else None
        return f"{self._way}/{quote(path, errors='replace')}"

    def page(self, summary: Summary) -> str | None:
        """The model's own page, or its report as JSON."""
        path = summary.files.get("page") or summary.files.get("report")
        return self.to(path) if path else None


def page_data(
    summaries: Sequence[Summary], reasons: Sequence[str], families: Sequence[str], tags: Sequence[str], links: Links
) -> dict[str, Any]:
    """Rows, and the lists of which the filters offer an item; a row has the places of its own items in them."""
    of_reason, of_family, of_tag = (
        {text: place for place, text in enumerate(texts)} for texts in (reasons, families, tags)
    )
    return {
        "reasons": list(reasons),
        "families": list(families),
        "tags": list(tags),
        "rows": [_row(summary, of_reason, of_family, of_tag, links) for summary in summaries],
    }


def _row(
    summary: Summary, reasons: Mapping[str, int], families: Mapping[str, int], tags: Mapping[str, int], links: Links
) -> dict[str, Any]:
    found = () if summary.status == VERIFIED else summary.signatures
    kinds = [*(kind for kind in _LABELS if kind in summary.files), *sorted(set(summary.files) - set(_LABELS))]
    return {
        "name": summary.name,
        "source": summary.source,
        "link": links.page(summary),
        "files": [(_LABELS.get(kind, kind), links.to(summary.files[kind])) for kind in kinds],
        "status": summary.status,
        "expected": summary.expected,
        "backend": summary.backend,
        "family": families[summary.family],
        "tags": [tags[tag] for tag in summary.tags],
        "reasons": [reasons[text] for text in found],
        "message": _message(summary) if found else "",
        "seconds": round(summary.seconds, 2),
        "memory": round(summary.peak_memory_bytes / 2**20, 1) if summary.peak_memory_bytes else None,
        "error": _finite(summary.max_abs),
        "used": _finite(summary.of_allowed, 100.0),
        "transposes": summary.transposes,
        "trained": summary.trained_beyond,
    }


def _message(summary: Summary) -> str:
    """The whole reason: message, node, hint, and the end of what the process printed."""
    detail = summary.detail
    parts = [str(detail.get("message") or "")]
    parts.extend(f"{label}: {detail[key]}" for key, label in (("node", "At"), ("hint", "Hint")) if detail.get(key))
    if lines := detail.get("stderr"):
        parts.append("\n".join(map(str, lines[-_STDERR_LINES:])))
    return "\n".join(part if len(part) <= _MESSAGE else f"{part[:_MESSAGE]}…" for part in parts if part)


def _finite(value: float | None, factor: float = 1.0) -> float | None:
    return None if value is None else min(value * factor, _GREATEST)
