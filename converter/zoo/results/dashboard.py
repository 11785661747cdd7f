"""A run as one HTML page: totals, what fails and why, every model, and the comparison with an earlier run."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from converter.atomic_output import write_text
from converter.report.page import pages
from converter.zoo.records.result import STATUSES, VERIFIED
from converter.zoo.results.compare_runs import BROKEN, CHANGED, FIXED, KINDS, LESS, SLOW, compare_runs
from converter.zoo.results.dashboard_rows import COLUMNS, Links, page_data
from converter.zoo.results.runs import summaries_of
from converter.zoo.results.side_by_side import side_by_side
from converter.zoo.results.signatures import SameSignature, group
from converter.zoo.results.store import ResultStore
from converter.zoo.results.summary import Summary

PAGE = "report.html"

_SHOWN = 100
"""Changes of one kind that the page lists; all of them are counted."""

_OPEN = 10
"""Changes of one kind that are shown at once; more of them are shown with a click."""

_FEW = 3
"""Models that a reason names; a click shows all of them."""

_COLOURS = {FIXED: "good", BROKEN: "bad", CHANGED: "open", LESS: "open", SLOW: "open"}


def write_dashboard(run: Path, against: Path | None = None, target: Path | None = None) -> Path:
    """Write the page of a run, also of one that goes on. It is one file that loads nothing and needs no server.

    Args:
        run: the run's folder.
        against: an earlier run to compare with: its folder or its `results.jsonl`.
        target: the page's file; by default `report.html` in the run's folder. Links to what is in the run start there.

    Returns:
        The file.

    Raises:
        UsageError: a run cannot be read, or the file cannot be written.
    """
    target = run / PAGE if target is None else target
    with ResultStore(run, read_only=True) as store:
        summaries = list(store.summaries())
        unfinished = len(store.planned()) - len(summaries)
    earlier = None if against is None else summaries_of(against)
    page = render(
        summaries,
        earlier,
        title=f"Zoo run {run.resolve().name}",
        against="" if against is None else _name(against),
        unfinished=unfinished,
        links=Links(run, target.parent),
    )
    # Messages of strangers may hold halves of characters, which no file takes.
    return write_text(target, page.encode("utf-8", "replace").decode("utf-8"))


def render(
    summaries: Sequence[Summary],
    earlier: Sequence[Summary] | None = None,
    *,
    title: str,
    against: str = "",
    unfinished: int = 0,
    links: Links,
) -> str:
    """The page. Names and messages are escaped where they are text, and where they are data of the script."""
    environment = pages()
    script = environment.get_template("zoo_script.html").render()
    groups = group((one.name, one.signatures) for one in summaries if one.status != VERIFIED)
    families = sorted({one.family for one in summaries})
    tags = sorted({tag for one in summaries for tag in one.tags})
    return environment.get_template("zoo.html").render(
        title=title,
        verdict=_verdict(summaries),
        unfinished=unfinished,
        totals=_totals(summaries),
        facts=_facts(summaries),
        backends=side_by_side(summaries, links.page),
        comparison=[] if earlier is None else _comparison(earlier, summaries, links),
        against=against,
        groups=_groups(groups),
        families=families,
        tags=tags,
        columns=COLUMNS,
        data=page_data(summaries, [one.signature for one in groups], families, tags, links),
        script=Markup(script),
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def _name(run: Path) -> str:
    """Of a results.jsonl the folder tells which one it is."""
    run = run.resolve()
    return run.name if run.is_dir() else f"{run.parent.name}/{run.name}"


def _verdict(summaries: Sequence[Summary]) -> tuple[str, str]:
    verified = sum(one.status == VERIFIED for one in summaries)
    what = "models" if len({one.backend for one in summaries}) < 2 else "models by backends"
    if not summaries:
        return "open", "No results yet"
    if verified == len(summaries):
        return "good", f"All {verified:,} {what} converted and verified"
    text = f"{verified:,} of {len(summaries):,} {what} converted and verified, {_percent(verified, len(summaries))}"
    return ("open" if verified else "bad"), text


def _totals(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """By status, in the order of `STATUSES`; those of another version come last."""
    counts = Counter(one.status for one in summaries)
    known = [status for status in STATUSES if status in counts]
    return [
        {
            "status": status,
            "count": counts[status],
            "share": _percent(counts[status], len(summaries)),
            "meaning": STATUSES.get(status, ""),
        }
        for status in (*known, *sorted(set(counts) - set(known)))
    ]


def _facts(summaries: Sequence[Summary]) -> list[tuple[str, str]]:
    """Over all models; a greatest value is nothing where no model has one."""
    expected = [one for one in summaries if one.expected]
    errors = [one.of_allowed for one in summaries if one.status == VERIFIED and one.of_allowed is not None]
    transposes = [one.transposes for one in summaries if one.transposes is not None]
    beyond = [one.trained_beyond for one in summaries if one.trained_beyond is not None]
    seconds = sorted(one.seconds for one in summaries)
    memory = max((one.peak_memory_bytes for one in summaries), default=0)
    return [
        ("As expected", f"{sum(one.status == one.expected for one in expected):,} of {len(expected):,}"),
        ("Time of all models", f"{sum(seconds) / 3600:,.1f} h" if seconds else "–"),
        ("Median time", f"{seconds[len(seconds) // 2]:,.1f} s" if seconds else "–"),
        ("Greatest memory", f"{memory / 2**30:,.1f} GiB" if memory else "–"),
        ("Greatest error, of allowed", f"{max(errors):.1%}" if errors else "–"),
        ("Without transposes", _percent(transposes.count(0), len(transposes)) if transposes else "–"),
        ("Trained as in the source", f"{beyond.count(0):,} of {len(beyond):,}" if beyond else "–"),
    ]


def _groups(groups: Sequence[SameSignature]) -> list[dict[str, Any]]:
    most = max((len(one.alone) for one in groups), default=0) or 1
    return [
        {
            "signature": one.signature,
            "count": len(one.models),
            "alone": len(one.alone),
            "width": round(100 * len(one.alone) / most),
            "few": ", ".join(one.models[:_FEW]) + (", …" if len(one.models) > _FEW else ""),
        }
        for one in groups
    ]


def _comparison(before: Sequence[Summary], after: Sequence[Summary], links: Links) -> list[dict[str, Any]]:
    pages = {one.name: links.page(one) for one in after}
    return [
        {
            "kind": kind,
            "meaning": KINDS[kind],
            "colour": _COLOURS.get(kind, ""),
            "count": len(changes),
            "open": len(changes) <= _OPEN,
            "changes": [{**vars(change), "link": pages.get(change.name)} for change in changes[:_SHOWN]],
        }
        for kind, changes in compare_runs(before, after).items()
    ]


def _percent(part: int, whole: int) -> str:
    """Never 100% of what is not all, nor 0% of what is not nothing."""
    share = round(100 * part / whole, 1)
    if share == 100.0 and part < whole:
        return "> 99.9%"
    return "< 0.1%" if share == 0.0 and part else f"{share:g}%"
